"""What the parts of the benchmark measure, and how much of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.bench.workloads import WORKLOADS, Workload


class Result(NamedTuple):
    """A number of a table, or why there is none."""

    table: str
    row: str
    column: str
    value: float | None
    reason: str = ""


class Scale(NamedTuple):
    """How much is measured.

    Attributes:
        workloads: the networks and batch sizes of training.
        lanes: numbers of runs side by side.
        networks: what the lanes train.
        convolution: batch, side, channels in and out of the convolution.
        window: the seconds that are timed at a time.
        rounds: how often each is timed.
    """

    workloads: tuple[Workload, ...]
    lanes: tuple[int, ...]
    networks: tuple[Workload, ...]
    convolution: tuple[int, int, int, int]
    window: float
    rounds: int


WHOLE = Scale(
    workloads=tuple(WORKLOADS.values()),
    lanes=(1, 4, 16, 64, 256, 1024),
    networks=(WORKLOADS["784-64-10, batch 32"], Workload("cnn", 32, 12)),
    convolution=(128, 26, 32, 64),
    window=0.5,
    rounds=5,
)
TINY = Workload("784-2-10", 4, 2, 10)
SMALL = Scale(
    workloads=(TINY,),
    lanes=(1, 2),
    networks=(TINY,),
    convolution=(2, 6, 2, 3),
    window=0.0,
    rounds=1,
)

FAILED = "failed: "

Part = Callable[[Scale], Iterator[Result]]
"""A part of the benchmark. It yields each number as soon as it has it, since its time may end."""


def in_a_line(error: BaseException) -> str:
    """An error as the reason why a number is missing."""
    text = " ".join(str(error).split())
    if "RESOURCE_EXHAUSTED" in text or isinstance(error, MemoryError):
        return "out of memory"
    return f"{FAILED}{type(error).__name__}: {text[:120]}"
