"""The work that every contender does: the same network, data, optimizer and batch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

ADAM = {"learning_rate": 0.001, "b1": 0.9, "b2": 0.999, "eps": 1e-8}


RESIDUAL = "resnet"
"""Its first convolution has 16 channels, and three blocks 16, 32 and 64; batch normalization."""


class Convolution(NamedTuple):
    """A convolution with its activation, and the windows of the max-pooling after it."""

    channels: int
    size: int
    keeps_size: bool  # whether zeros surround the image
    window: int  # 1: there is no pooling


CONVOLUTIONS = {
    "cnn": (Convolution(32, 3, False, 1), Convolution(64, 3, False, 2)),
    "2c2d": (Convolution(32, 5, True, 2), Convolution(64, 5, True, 2)),
}
WIDTHS = {"cnn": [128], "2c2d": [1024], RESIDUAL: [], "lstm": [128], "transformer": [64]}


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
    def reads_rows(self) -> bool:
        """Whether the network reads an image row by row, as a sequence of 28 steps."""
        return self.network in ("lstm", "transformer")

    @property
    def is_dense(self) -> bool:
        """Whether the network has nothing but dense layers."""
        return self.network not in WIDTHS

    @property
    def widths(self) -> list[int]:
        if self.network in WIDTHS:
            return WIDTHS[self.network]
        return [int(x) for x in self.network.split("-")[1:-1]]

    @property
    def convolutions(self) -> tuple[Convolution, ...]:
        return CONVOLUTIONS.get(self.network, ())

    @property
    def flattened(self) -> int:
        """How many numbers of an image the first dense layer gets."""
        side, channels = 28, 1
        for layer in self.convolutions:
            side = (side if layer.keeps_size else side - layer.size + 1) // layer.window
            channels = layer.channels
        return side**2 * channels

    @property
    def contenders(self) -> tuple[str, ...] | None:
        """Who has the network; None: all."""
        if self.reads_rows:
            return (*_RUNNER_AND_PYTORCH, "lightning_loop")
        return _RUNNER_AND_PYTORCH if self.network == RESIDUAL else None


_RUNNER_AND_PYTORCH = ("runner_itself", "runner_default", "pytorch", "pytorch_fused")


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("784-64-10", 1, 12_000),
        Workload("784-64-10", 32, 6_000),
        Workload("784-512-512-10", 32, 900),
        Workload("784-512-512-10", 128, 450),
        Workload("cnn", 128, 12),
        Workload("2c2d", 128, 12),
        Workload(RESIDUAL, 128, 12),
        Workload("lstm", 64, 60),
        Workload("transformer", 64, 30),
    )
}
SMALL_WORKLOADS = {workload.name: workload for workload in [Workload("cnn", 2, 2, 10)]}
"""What `--small` measures instead, enough to see that every contender runs: a network that has
convolutions and dense layers. `tests/bench/test_page.py` builds the others."""

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
