"""Chunks: the rows of some consecutive steps, as training hands them over to be recorded.

How a run ends is decided here, too: it diverges at the first step whose training loss is infinite
or not a number; else it finishes after its last planned step, or stops before that with the
evaluation at which its rule (`runner.options.stopping`) stopped the program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from runner.measures import EVALUATED_MEASURES, STEP_MEASURES, TRAIN_LOSS
from runner.status import Status

STEP_DTYPE = np.dtype(
    [("step", "<i4"), ("seconds", "<f4"), *((name, "<f4") for name in STEP_MEASURES)]
)
"""One row a step: what was measured after `step` updates, on that step's own batch."""

EPOCH_DTYPE = np.dtype(
    [
        ("epoch", "<i4"),
        ("step", "<i4"),
        ("seconds", "<f4"),
        *((name, "<f4") for name in EVALUATED_MEASURES),
    ]
)
"""One row an evaluation: after `epoch` epochs; epoch 0 is the start and has no train_* (NaN)."""

PATH_DTYPE = np.dtype([("step", "<i4"), ("x", "<f4"), ("y", "<f4")])
"""One row a step and one at the end: the point of the plane reached after `step` updates."""


class Chunk(NamedTuple):
    """Some consecutive steps of a run. Nothing in it changes after it was made.

    Attributes:
        steps: a row a step (`STEP_DTYPE`); at least one.
        epochs: a row an evaluation (`EPOCH_DTYPE`); may be empty.
        started: when the device started, in seconds since 1970.
        done: when the device had done them.
        epochs_taken: the epochs of the run after its last step, with their fractions.
        seconds: the training time of the run after its last step.
        status: how the run ended with its last step; None: the run goes on.
        kept_at: after how many steps the parameters were evaluated that the run keeps; None: it
            keeps the last ones.
        path: the points (`PATH_DTYPE`) where the parameters are a point of the plane.
        tables: what diagnostics measured at evaluations, by table (see
            `runner.engine.tables.named_rows`).
        step_tables: what they measured at steps; `epoch` counts the whole epochs before the step.
    """

    steps: npt.NDArray
    epochs: npt.NDArray
    started: float
    done: float
    epochs_taken: float
    seconds: float
    status: Status | None = None
    kept_at: int | None = None
    path: npt.NDArray | None = None
    tables: Mapping[str, npt.NDArray] = MappingProxyType({})
    step_tables: Mapping[str, npt.NDArray] = MappingProxyType({})

    @property
    def steps_taken(self) -> int:
        """The steps of the run after the last one of the chunk."""
        return int(self.steps["step"][-1]) + 1

    @property
    def diverged_at(self) -> int | None:
        """The step at which the run diverged; None if it has not."""
        return self.steps_taken - 1 if self.status == Status.DIVERGED else None

    @property
    def stopped_at(self) -> int | None:
        """The number of steps after which the run stopped early; None if it has not."""
        return self.steps_taken if self.status == Status.STOPPED else None

    def wall_times(self, steps_taken: npt.NDArray) -> npt.NDArray:
        """When the run had taken a number of steps, in seconds since 1970; interpolated.

        Args:
            steps_taken: shape `(n,)`.
        """
        fraction = _fraction_done(self.steps, steps_taken)
        return self.started + (self.done - self.started) * fraction


def make_chunk(
    steps: npt.NDArray,
    epochs: npt.NDArray,
    started: float,
    done: float,
    total_steps: int,
    epochs_after: Callable[[int], float],
    *,
    seconds_before: float = 0.0,
    share: float = 1.0,
    stopped_at: int | None = None,
    kept_at: int | None = None,
    path: npt.NDArray | None = None,
    tables: Mapping[str, npt.NDArray] = MappingProxyType({}),
    step_tables: Mapping[str, npt.NDArray] = MappingProxyType({}),
) -> Chunk:
    """Make a chunk of what was measured, cut off where the run diverges or stops early.

    Args:
        steps: a row a step (`STEP_DTYPE`); the column `seconds` is filled in.
        epochs: a row an evaluation (`EPOCH_DTYPE`); the column `seconds` is filled in.
        started: when the device started on the steps, in seconds since 1970.
        done: when it had done them.
        total_steps: the planned length of the run.
        epochs_after: the number of epochs after a number of steps.
        seconds_before: the training time of the run before these steps.
        share: the run's share of the device's time where others were computed beside it: 1 / 8 if
            eight runs took turns.
        stopped_at: the number of steps after which early stopping ended the program; None if it has
            not.
        kept_at: see `Chunk`.
        path: a row a step and one more (`PATH_DTYPE`), where the parameters are a point.
        tables: what diagnostics measured at the evaluations.
        step_tables: what they measured at steps.
    """
    if stopped_at is not None:
        steps, epochs = steps[steps["step"] < stopped_at], epochs[epochs["step"] <= stopped_at]
    diverged = np.flatnonzero(~np.isfinite(steps[TRAIN_LOSS]))
    if len(diverged):
        steps = steps[: diverged[0] + 1]
        epochs = epochs[epochs["step"] <= steps["step"][-1]]
    taken = int(steps["step"][-1]) + 1
    status: Status | None = None
    if len(diverged):
        status = Status.DIVERGED
    elif taken == total_steps:
        status = Status.FINISHED
    elif taken == stopped_at:
        status = Status.STOPPED
    if path is not None:
        path = path[: len(steps) + (taken in (total_steps, stopped_at))]
    own_seconds = share * (done - started)
    steps["seconds"] = seconds_before + own_seconds * _fraction_done(steps, steps["step"] + 1)
    epochs["seconds"] = seconds_before + own_seconds * _fraction_done(steps, epochs["step"])
    return Chunk(
        steps=steps,
        epochs=epochs,
        started=started,
        done=done,
        epochs_taken=epochs_after(taken),
        seconds=seconds_before + own_seconds,
        status=status,
        kept_at=kept_at,
        path=path,
        tables={name: rows[np.isin(rows["step"], epochs["step"])] for name, rows in tables.items()},
        step_tables={name: rows[rows["step"] < taken] for name, rows in step_tables.items()},
    )


def _fraction_done(steps: npt.NDArray, steps_taken: npt.NDArray) -> npt.NDArray:
    """The fraction of a chunk's steps that was done when the run had taken a number of steps."""
    return (steps_taken - steps["step"][0]) / len(steps)
