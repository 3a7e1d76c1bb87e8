"""Curves as numbers: final, best, area under the curve, and the time to a target.

First for each run on its own, then over the runs of a group: the median, since times to a target
have no mean where a run never reaches it (its time is infinite), and the number that reached it.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple, ParamSpec, TypeVar, cast

import numpy as np

from runner.compare.curve import curve, position, rows_of, smoothed
from runner.compare.grouping import Group
from runner.compare.runs import Run
from runner.measures import STEP_MEASURES
from runner.statistics.intervals import half_width
from runner.status import Status

TIMES = {"steps": "iteration", "epochs": "epoch", "seconds": "seconds"}
"""The fields of `CurveSummary` that are times to a target, and the axis of each."""

P = ParamSpec("P")
R = TypeVar("R")


class CurveSummary(NamedTuple):
    """The curve of one run at one measure, in numbers.

    A time is infinite if the target was not reached; a number is NaN if it is not known. `area` is
    the mean of the measure over the epochs (the area under its curve divided by their number).
    """

    final: float
    best: float
    area: float
    steps: float = math.nan
    epochs: float = math.nan
    seconds: float = math.nan


class Row(NamedTuple):
    """A group in numbers.

    Attributes:
        group: its settings and runs.
        median: the median of each number over the runs in which it is known.
        half_width: half the width of the 95 % interval of the mean of `final`; None for one run.
        reached: how many runs reached the target.
        finals: the final value of each run, in the order of the group's runs.
    """

    group: Group
    median: CurveSummary
    half_width: float | None
    reached: int
    finals: tuple[float, ...]


def _cached_on_run(function: Callable[P, R]) -> Callable[P, R]:
    """Compute a result for the same run and arguments only once."""

    @functools.wraps(function)
    def cached(*arguments: P.args, **named: P.kwargs) -> R:
        run = cast(Run, arguments[0])
        key = (function.__name__, *arguments[1:], *named.items())
        if key not in run.cache:
            run.cache[key] = function(*arguments, **named)
        return cast(R, run.cache[key])

    return cached


@_cached_on_run
def summarize(run: Run, measure: str, target: float | None = None) -> CurveSummary:
    """Summarize the curve of a run. Measures of every step are smoothed first; less is better.

    Args:
        run: the run.
        measure: the name of the measure.
        target: the times are those at which the measure first was at most this.

    Returns:
        The summary; `final` and `area` are infinite if the run diverged, everything is NaN if it
        has no values.
    """
    line = curve(run, measure, "epoch")
    if not len(line.x):
        return CurveSummary(math.nan, math.nan, math.nan)
    y = smoothed(line.y) if measure in STEP_MEASURES else line.y
    span = float(line.x[-1] - line.x[0])
    area = float(np.trapezoid(y, line.x)) / span if span else float(y[-1])
    summary = CurveSummary(float(y[-1]), float(y.min()), area)
    if run.status == Status.DIVERGED:
        summary = summary._replace(final=math.inf, area=math.inf)
    return summary if target is None else summary._replace(**_times_to(target, run, measure, y))


@_cached_on_run
def start_and_best(run: Run, measure: str, part: float) -> tuple[float, float]:
    """Find the first value of a measure, and the least within the first part of the run.

    Args:
        run: the run.
        measure: the name of the measure.
        part: how much of the planned epochs count, between 0 and 1.
    """
    line = curve(run, measure, "epoch")
    y = smoothed(line.y) if measure in STEP_MEASURES else line.y
    early = y[line.x <= part * float(run.summary["total_epochs"])]
    return (float(early[0]), float(early.min())) if len(early) else (math.inf, math.inf)


def _times_to(target: float, run: Run, measure: str, y: np.ndarray) -> dict[str, float]:
    """When a measure, with the smoothed values `y`, first was at most `target`."""
    hit = np.flatnonzero(y <= target)
    if not len(hit):
        return dict.fromkeys(TIMES, math.inf)
    rows = rows_of(run, measure)
    rows = rows[np.isfinite(rows[measure])][hit[:1]]
    return {unit: float(position(run, rows, axis)[0]) for unit, axis in TIMES.items()}


def table(groups: Sequence[Group], measure: str, target: float | None = None) -> list[Row]:
    """Summarize groups.

    Args:
        groups: the groups.
        measure: the name of the measure; less is better.
        target: what the times are measured to.

    Returns:
        A row for each group, the best (by the median of the final value) first; those without a
        value last.
    """
    rows = []
    for group in groups:
        summaries = [summarize(run, measure, target) for run in group.runs]
        median = CurveSummary(*(_median(values) for values in zip(*summaries, strict=True)))
        finals = tuple(summary.final for summary in summaries)
        spread = half_width([final for final in finals if math.isfinite(final)])
        reached = sum(math.isfinite(summary.steps) for summary in summaries)
        rows.append(Row(group, median, spread, reached, finals))
    return sorted(rows, key=lambda row: (math.isnan(row.median.final), row.median.final))


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return statistics.median(known) if known else math.nan
