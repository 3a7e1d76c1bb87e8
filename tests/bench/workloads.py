"""The work that every contender does: the same network, data, optimizer and batch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ADAM = {"learning_rate": 0.001, "b1": 0.9, "b2": 0.999, "eps": 1e-8}
EXAMPLES = 55_000


@dataclass(frozen=True)
class Workload:
    """A network for MNIST and a batch size; cross-entropy, Adam, uint8 images scaled to [0, 1].

    `steps` is how many of them make a window of about two seconds.
    """

    network: str
    batch: int
    steps: int

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


def images_and_labels() -> tuple[np.ndarray, np.ndarray]:
    """MNIST's training split where it is at hand, else noise of the same shape (same speed)."""
    root = os.environ.get("RUNNER_DATA_DIR")
    if root and (Path(root) / "mnist").is_dir():
        from runner.data import MNIST

        train = MNIST(dir=str(Path(root) / "mnist")).load().train
        return train.inputs, train.targets
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (EXAMPLES, 28, 28, 1)).astype(np.uint8)
    return images, random.integers(0, 10, EXAMPLES).astype(np.int32)
