"""The steps that the device is working on, and the rows that are made of what they measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import numpy.typing as npt

from runner.engine.chunk import EPOCH_DTYPE, PATH_DTYPE, STEP_DTYPE, Chunk, make_chunk
from runner.engine.state import GOES_ON, Measured
from runner.engine.tables import named_rows
from runner.engine.train import STEPS_PER_CALL
from runner.experiment.plan import Phase
from runner.measures import EVALUATED_MEASURES, STEP_MEASURES


class Dispatched(NamedTuple):
    """The steps `start`, ..., `until - 1` that the device is working on."""

    start: int
    until: int
    phase: Phase
    measured: Any  # by `SideBySide.advance`


FASTEST_GROWTH = 32
"""How many times longer than a chunk the next one may be."""


def next_length(dispatched: Dispatched, seconds: float, wanted: float) -> int:
    """The number of steps that should take some time, growing no faster than is safe.

    Args:
        dispatched: the last steps.
        seconds: how long they took.
        wanted: how long the next ones should take.
    """
    steps = dispatched.until - dispatched.start
    following = int(steps * wanted / max(seconds, 1e-6))
    return max(1, min(following, steps * FASTEST_GROWTH, STEPS_PER_CALL))


def chunk_of(
    dispatched: Dispatched,
    measured: Measured,
    times: tuple[float, float],
    total_steps: int,
    seconds_before: float,
    share: float,
    measure_every: int,
) -> Chunk:
    """The chunk of one lane.

    Args:
        dispatched: the steps.
        measured: what the lane measured.
        times: when the device started on the steps and when it had done them.
        total_steps: see `make_chunk`, as `seconds_before` and `share`.
        seconds_before: the training time of the lane before these steps.
        share: its share of the device's time.
        measure_every: the steps from one measurement of the norms to the next.
    """
    evaluations = epoch_rows(dispatched.phase, measured)
    return make_chunk(
        step_rows(dispatched, measured),
        evaluations,
        *times,
        total_steps,
        dispatched.phase.epoch,
        seconds_before=seconds_before,
        share=share,
        stopped_at=stopped_at(measured),
        kept_at=None if measured.kept_at is None else int(measured.kept_at),
        path=path_rows(dispatched, measured),
        tables=named_rows(measured.tables or {}, evaluations),
        step_tables=step_table_rows(dispatched, measured, measure_every),
    )


def step_rows(dispatched: Dispatched, measured: Measured) -> npt.NDArray:
    """The steps of one lane."""
    rows = np.zeros(dispatched.until - dispatched.start, STEP_DTYPE)
    rows["step"] = np.arange(dispatched.start, dispatched.until)
    for name in STEP_MEASURES:
        rows[name] = measured.steps[name][: len(rows)]
    return rows


def epoch_rows(phase: Phase, measured: Measured) -> npt.NDArray:
    """The evaluations of one lane."""
    rows = np.zeros(int(measured.evaluations), EPOCH_DTYPE)
    rows["step"] = measured.evaluated_at[: len(rows)]
    steps_before = phase.first_step - rows["step"]
    rows["epoch"] = phase.first_epoch - steps_before // phase.steps_per_epoch
    for name in EVALUATED_MEASURES:
        is_measured = name in measured.epochs.names
        rows[name] = measured.epochs[name][: len(rows)] if is_measured else np.nan
    return rows


def step_table_rows(
    dispatched: Dispatched, measured: Measured, every: int
) -> Mapping[str, npt.NDArray]:
    """What diagnostics of steps measured of one lane, by table.

    Args:
        dispatched: the steps that were taken.
        measured: what one lane measured in them.
        every: they measure in steps whose number is a multiple of this.

    Returns:
        A row for each measured step and each row of the table; empty without such diagnostics.
    """
    if measured.step_tables is None:
        return {}
    phase = dispatched.phase
    steps = np.arange(-(-dispatched.start // every) * every, dispatched.until, every)
    places = np.zeros(len(steps), [("epoch", "<i4"), ("step", "<i4")])
    places["step"] = steps
    places["epoch"] = phase.first_epoch + (steps - phase.first_step) // phase.steps_per_epoch
    taken = jax.tree.map(lambda of: of[steps - dispatched.start], measured.step_tables)
    return named_rows(taken, places)


def stopped_at(measured: Measured) -> int | None:
    """The number of steps after which one lane stopped early; None if it has not."""
    if measured.stopped_at is None or measured.stopped_at == GOES_ON:
        return None
    return int(measured.stopped_at)


def path_rows(dispatched: Dispatched, measured: Measured) -> npt.NDArray | None:
    """The points at which the steps of one lane were taken, and the one after the last step."""
    if measured.path is None:
        return None
    rows = np.zeros(dispatched.until - dispatched.start + 1, PATH_DTYPE)
    rows["step"] = np.arange(dispatched.start, dispatched.until + 1)
    rows["x"], rows["y"] = measured.path[: len(rows)].T
    return rows
