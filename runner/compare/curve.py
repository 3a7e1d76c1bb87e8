"""Curves: a measure against one of four axes, and the mean of several with a confidence band."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from runner.compare.runs import Run
from runner.config.keys import TARGET
from runner.errors import one_line
from runner.measures import EVALUATED_MEASURES, LEARNING_RATE, STEP_MEASURES, ErrorKind
from runner.statistics.intervals import interval_factor
from runner.status import Status


class Axis(NamedTuple):
    """What a curve is drawn against."""

    label: str  # in figures
    unit: str  # of the time to a target; for one problem examples are proportional to epochs


AXES = {
    "iteration": Axis("iterations", "steps"),
    "epoch": Axis("epochs", "epochs"),
    "examples": Axis("examples seen", "epochs"),
    "seconds": Axis("seconds", "seconds"),
}
OWN_AXES = {**AXES, LEARNING_RATE: Axis("learning rate", "steps")}
"""The axes of figures of curves: also the learning rate, of runs in which it grows throughout."""

MEASURES = tuple(dict.fromkeys((*STEP_MEASURES, *EVALUATED_MEASURES)))
POINTS = 2000
"""A drawn curve has at most this many points."""


class Curve(NamedTuple):
    """A measure of one run against an axis.

    `x` and `y` are arrays [n]; `diverged` is the place on the axis where the run diverged, or None;
    `stopped` is whether the run stopped early.
    """

    x: npt.NDArray
    y: npt.NDArray
    diverged: float | None
    stopped: bool = False


class Band(NamedTuple):
    """The mean of several curves and its band, arrays [n]; no band (None) for one run.

    For three or more runs `low` and `high` are the ends of the 95 % interval of the mean; for two,
    whose interval would be 12.7 times as wide as their distance, they are the two runs themselves.
    """

    x: npt.NDArray
    mean: npt.NDArray
    low: npt.NDArray | None
    high: npt.NDArray | None


def curve(run: Run, measure: str, axis: str) -> Curve:
    """Read a measure of a run against an axis.

    Args:
        run: the run.
        measure: one of `MEASURES`, read from the steps if it is measured at every step, otherwise
            from the evaluations. Values that are not finite are left out.
        axis: one of `AXES`.
    """
    rows = rows_of(run, measure)
    y = np.asarray(rows[measure], float)
    x = position(run, rows, axis)
    known = np.isfinite(y)
    end = float(x[-1]) if run.status == Status.DIVERGED and len(x) else None
    return Curve(x[known], y[known], end, run.status == Status.STOPPED)


def measure_label(measure: str, kind: ErrorKind | None = None) -> str:
    """The name of a measure as people read it: `validation error`.

    Args:
        measure: the name of the measure.
        kind: what the errors are, where it is known: `validation absolute error`.
    """
    if kind and measure.endswith("_error"):
        measure = measure.removesuffix("error") + kind.noun
    measure = measure.replace("_r2", " R²").replace("_bits", " bits per character")
    return measure.replace("_", " ")


def label_for(runs: Iterable[Run], measure: str) -> str:
    """The name of a measure of some runs, which says what their errors are.

    Of numbers it is `validation absolute error`, with the column that is predicted if they predict
    the same one: `validation absolute error of price`.

    Args:
        runs: the runs; where their errors differ in kind, they are plain errors.
        measure: the name of the measure.
    """
    runs = list(runs)
    kind = ErrorKind.of_all(run.error_kind for run in runs)
    label = measure_label(measure, kind)
    if kind is not ErrorKind.ABSOLUTE or not measure.endswith("_error"):
        return label
    targets = {str(run.settings.get(TARGET)) for run in runs}
    is_named = len(targets) == 1 and isinstance(runs[0].settings.get(TARGET), str)
    return f"{label} of {one_line(targets.pop())}" if is_named else label


def rows_of(run: Run, measure: str) -> npt.NDArray:
    """The rows that hold a measure: the steps or the evaluations."""
    return run.steps if measure in STEP_MEASURES else run.epochs


def position(run: Run, rows: npt.NDArray, axis: str) -> npt.NDArray:
    """The place of rows on an axis: after how many iterations, epochs, examples or seconds.

    On the axis of learning rates it is the rate of that step.

    Args:
        run: the run.
        rows: some of its steps or evaluations [n].
        axis: one of `OWN_AXES`.
    """
    if axis == "seconds":
        return np.asarray(rows["seconds"], float)
    iteration = np.asarray(rows["step"], float)
    if axis == LEARNING_RATE:
        steps = run.steps
        return np.interp(iteration, steps["step"], steps[LEARNING_RATE])
    if axis == "iteration":
        return iteration
    epoch = _epochs_at(run, iteration)
    return epoch if axis == "epoch" else epoch * float(run.summary.get("train_examples", math.nan))


def _epochs_at(run: Run, iteration: npt.NDArray) -> npt.NDArray:
    """The number of epochs, with their fractions, before each of some steps."""
    marks, epochs = run.epochs["step"], run.epochs["epoch"]
    total_steps, total_epochs = run.summary["total_steps"], run.summary["total_epochs"]
    steps = np.append(marks[marks < total_steps], total_steps)
    # The last evaluation of a run that was cut off may lie within an epoch.
    passed = np.append(epochs[marks < total_steps], total_epochs)
    if steps[0] != 0:
        steps, passed = np.append(0, steps), np.append(0.0, passed)
    return np.interp(iteration, steps, passed)


def kept_points(count: int, most: int = POINTS) -> npt.NDArray:
    """Select some points of a curve, with the first and the last.

    Half of them are evenly spaced and half by ratio, for linear and for logarithmic axes.

    Args:
        count: how many points there are.
        most: how many to select at most.

    Returns:
        Their indices, ascending.
    """
    if count <= most:
        return np.arange(count)
    evenly = np.linspace(0, count - 1, most // 2)
    by_ratio = np.geomspace(1, count, most // 2) - 1
    return np.unique(np.concatenate([evenly, by_ratio]).round().astype(int))


def band(curves: Sequence[Curve], log: bool = False) -> Band | None:
    """Average curves, from where all have started to the end of the shortest.

    The interval is Student's, m +- t s / sqrt(n), at each point separately. For a logarithmic axis
    both are of the logarithms, exp(m +- t s / sqrt(n)): the geometric mean, and an interval that
    stays above 0. Values of which not all are positive are averaged as they are.

    Args:
        curves: the curves, smoothed; those that diverged are left out.
        log: whether the axis is logarithmic.

    Returns:
        The band; None if all curves diverged or are empty, or have no part in common.
    """
    alive = [line for line in curves if line.diverged is None and len(line.x)]
    if not alive:
        return None
    longest = max(alive, key=lambda line: len(line.x))
    start, end = max(float(line.x[0]) for line in alive), min(float(line.x[-1]) for line in alive)
    x = longest.x[(longest.x >= start) & (longest.x <= end)]
    if not len(x):
        return None
    values = np.stack([np.interp(x, line.x, line.y) for line in alive])
    log = log and bool((values > 0).all())
    if log:
        values = np.log(values)
    mean, low, high = values.mean(axis=0), None, None
    if len(alive) == 2:
        low, high = values.min(axis=0), values.max(axis=0)
    elif len(alive) > 2:
        half = interval_factor(len(alive)) * values.std(axis=0, ddof=1)
        low, high = mean - half, mean + half
    if log:
        mean = np.exp(mean)
        low, high = (None if end is None else np.exp(end) for end in (low, high))
    return Band(x, mean, low, high)
