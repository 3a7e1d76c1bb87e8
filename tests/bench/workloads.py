"""The work that every contender does: the same network, data, optimizer and batch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ADAM = {"learning_rate": 0.001, "b1": 0.9, "b2": 0.999, "eps": 1e-8}


@dataclass(frozen=True)
class Workload:
    """A network for MNIST and a batch size; cross-entropy, Adam, uint8 images scaled to [0, 1].

    `steps` is how many of them make a window of about two seconds, `examples` how many there are
    to train on.
    """

    network: str
    batch: int
    steps: int
    examples: int = 55_000

    @property
    def name(self) -> str:
        return f"{self.network}, batch {self.batch}"

    @property
    def widths(self) -> list[int]:
        return [128] if self.network == "cnn" else [int(x) for x in self.network.split("-")[1:-1]]


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("784-64-10", 1, 12_000),
        Workload("784-64-10", 32, 6_000),
        Workload("784-512-512-10", 32, 900),
        Workload("784-512-512-10", 128, 450),
        Workload("cnn", 128, 12),
    )
}
SMALL_WORKLOADS = {workload.name: workload for workload in [Workload("cnn", 2, 2, 10)]}
"""What `--small` measures instead, enough to see that every contender runs: a network that has
convolutions and dense layers."""

LISTED = WORKLOADS["784-64-10, batch 1"]
"""The workload whose kernels are listed: at batch 1 their number counts most."""

SMALL_LISTED = Workload("784-8-10", 1, 20, 20)


def images_and_labels(workload: Workload) -> tuple[np.ndarray, np.ndarray]:
    """MNIST's training split where it is available, else noise of the same shape (same speed)."""
    root = os.environ.get("RUNNER_DATA_DIR")
    if root and (Path(root) / "mnist").is_dir():
        from runner.data import MNIST

        train = (
            MNIST(dir=str(Path(root) / "mnist"), validation_examples=5000, train_examples=None)
            .load()
            .train
        )
        return train.inputs[: workload.examples], train.targets[: workload.examples]
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (workload.examples, 28, 28, 1)).astype(np.uint8)
    return images, random.integers(0, 10, workload.examples).astype(np.int32)
