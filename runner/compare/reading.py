"""What a comparison says in numbers: final, best, area under the curve, and how long to a target.

For each run on its own, then over the runs of a group: the median, since times to a target have no
mean where a run never gets there (it counts as infinitely late), and the number that got there.
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
from runner.status import Status, count_statuses

P = ParamSpec("P")
R = TypeVar("R")


class Reading(NamedTuple):
    """One run at one measure; infinite where a target was not reached, NaN where nothing is known.

    `area` is the mean of the measure over the epochs (the area under its curve over their number).
    """

    final: float
    best: float
    area: float
    steps: float = math.nan
    epochs: float = math.nan
    seconds: float = math.nan


class Row(NamedTuple):
    """One group: the medians of its runs' readings, and how far their final values are sure.

    `half_width` is half the 95 % interval of the mean of `final`; None for a single run. `finals`
    are in the order of the group's runs.
    """

    group: Group
    median: Reading
    half_width: float | None
    reached: int
    outcome: str
    finals: tuple[float, ...]


def _once(function: Callable[P, R]) -> Callable[P, R]:
    """Read the same off a run only once."""

    @functools.wraps(function)
    def remembered(*arguments: P.args, **named: P.kwargs) -> R:
        run = cast(Run, arguments[0])
        key = (function.__name__, *arguments[1:], *named.items())
        if key not in run.readings:
            run.readings[key] = function(*arguments, **named)
        return cast(R, run.readings[key])

    return remembered


@_once
def read(run: Run, measure: str, target: float | None = None) -> Reading:
    """The numbers of one run. Measures of every step are smoothed first; less is better."""
    line = curve(run, measure, "epoch")
    if not len(line.x):
        return Reading(math.nan, math.nan, math.nan)
    y = smoothed(line.y) if measure in STEP_MEASURES else line.y
    span = float(line.x[-1] - line.x[0])
    area = float(np.trapezoid(y, line.x)) / span if span else float(y[-1])
    reading = Reading(float(y[-1]), float(y.min()), area)
    if run.status == Status.DIVERGED:
        reading = reading._replace(final=math.inf, area=math.inf)
    return reading if target is None else reading._replace(**_to_target(run, measure, y, target))


@_once
def start_and_best(run: Run, measure: str, part: float) -> tuple[float, float]:
    """The first value of a measure, and the least within a part of the planned epochs."""
    line = curve(run, measure, "epoch")
    y = smoothed(line.y) if measure in STEP_MEASURES else line.y
    early = y[line.x <= part * float(run.summary["total_epochs"])]
    return (float(early[0]), float(early.min())) if len(early) else (math.inf, math.inf)


def _to_target(run: Run, measure: str, y: np.ndarray, target: float) -> dict[str, float]:
    """When a measure first was at most `target`."""
    hit = np.flatnonzero(y <= target)
    if not len(hit):
        return {"steps": math.inf, "epochs": math.inf, "seconds": math.inf}
    rows = rows_of(run, measure)
    rows = rows[np.isfinite(rows[measure])][hit[:1]]
    axes = {"steps": "iteration", "epochs": "epoch", "seconds": "seconds"}
    return {name: float(position(run, rows, axis)[0]) for name, axis in axes.items()}


def table(groups: Sequence[Group], measure: str, target: float | None = None) -> list[Row]:
    """A row for each group, the best (by the median of the final value) first."""
    rows = []
    for group in groups:
        readings = [read(run, measure, target) for run in group.runs]
        median = Reading(*(_median(values) for values in zip(*readings, strict=True)))
        finals = tuple(one.final for one in readings)
        spread = half_width([final for final in finals if math.isfinite(final)])
        reached = sum(math.isfinite(one.steps) for one in readings)
        counts = count_statuses(run.status for run in group.runs)
        outcome = ", ".join(f"{count} {way}" for way, count in counts.items())
        rows.append(Row(group, median, spread, reached, outcome, finals))
    return sorted(rows, key=lambda row: (math.isnan(row.median.final), row.median.final))


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return statistics.median(known) if known else math.nan
