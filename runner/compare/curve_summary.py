"""Curves as numbers: final, best, area under the curve, and the time to a target.

First for each run on its own, then over the runs of a group: the median, since times to a target
have no mean where a run never reaches it (its time is infinite), and the number that reached it.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, ParamSpec, TypeVar, cast

import numpy as np

from runner.compare.curve import position
from runner.compare.example_means import example_means
from runner.compare.grouping import Group
from runner.compare.runs import Run
from runner.measures import EPOCH_MEASURES, TRAIN_LOSS, is_minimized, validated
from runner.record.summary import kept_step
from runner.statistics.intervals import half_width
from runner.status import Status

TIMES = {"steps": "iteration", "epochs": "epoch", "seconds": "seconds"}
"""The fields of `CurveSummary` that are times to a target, and the axis of each."""

P = ParamSpec("P")
R = TypeVar("R")


class CurveSummary(NamedTuple):
    """The curve of one run at one measure, in numbers.

    Losses and errors of steps are means over `runner.compare.example_means.EXAMPLES` examples. A
    time is infinite if the target was not reached, and 0 if the first value meets it; a number is
    NaN if it is not known. `best` is the least value; of the test split it is the value at the
    evaluation that is best by validation, and of a measure that has no better (a norm) it is NaN.
    `area` is the mean of the measure over the epochs (the area under its curve divided by their
    number). `kept` is the value at the evaluation whose parameters the run keeps: that which is
    best by its stopping rule, and the final one where it has no rule.
    """

    final: float
    best: float
    area: float
    steps: float = math.nan
    epochs: float = math.nan
    seconds: float = math.nan
    kept: float = math.nan


class Row(NamedTuple):
    """A group in numbers.

    Attributes:
        group: its settings and runs; of runs with equal curves the first.
        median: the median of each number over the runs in which it is known.
        half_width: half the width of the 95 % interval of the mean of `finals`; None for fewer than
            three runs, and where a run diverged, as there is no mean.
        reached: how many runs reached the target.
        finals: the `kept` value of each run, in the order of the group's runs: the final value,
            unless it has a stopping rule.
        repeated: how many runs were left out, as they have the curve of another one.
    """

    group: Group
    median: CurveSummary
    half_width: float | None
    reached: int
    finals: tuple[float, ...]
    repeated: int = 0

    @property
    def mean(self) -> float:
        """The mean of `finals`; infinite if a run diverged, NaN if nothing is known."""
        known = [final for final in self.finals if not math.isnan(final)]
        return statistics.fmean(known) if known else math.nan


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
    """Summarize the curve of a run; less is better.

    Args:
        run: the run.
        measure: the name of the measure.
        target: the times are those at which the measure first was at most this.

    Returns:
        The summary; `final`, `area` and `kept` are infinite if the run diverged, everything is NaN
        if it has no values.
    """
    rows, y = example_means(run, measure)
    if not len(y):
        return CurveSummary(math.nan, math.nan, math.nan)
    x = position(run, rows, "epoch")
    span = float(x[-1] - x[0])
    area = float(np.trapezoid(y, x)) / span if span else float(y[-1])
    kept = float(y[_kept(run, rows)])
    summary = CurveSummary(float(y[-1]), _best(run, measure, y), area, kept=kept)
    if run.status == Status.DIVERGED:
        summary = summary._replace(final=math.inf, area=math.inf, kept=math.inf)
    return summary if target is None else summary._replace(**_times_to(target, run, rows, y))


def _kept(run: Run, rows: np.ndarray) -> int:
    """The place among some rows of the evaluation that the run keeps; without a rule the last."""
    step = kept_step(run.summary)
    return -1 if step is None else max(int((rows["step"] <= step).sum()) - 1, 0)


def _best(run: Run, measure: str, y: np.ndarray) -> float:
    """The value of the best evaluation or, of steps, the least mean."""
    if not is_minimized(measure):
        return math.nan
    if not measure.startswith("test_"):
        return float(y.min())
    rows = run.epochs[np.isfinite(run.epochs[validated(measure)])]
    return float(rows[measure][rows[validated(measure)].argmin()]) if len(rows) else math.nan


@_cached_on_run
def start_and_best(run: Run, measure: str, part: float) -> tuple[float, float]:
    """Find the first value of a measure, and the least within the first part of the run.

    Args:
        run: the run.
        measure: the name of the measure.
        part: how much of the planned epochs count, between 0 and 1.
    """
    rows, y = example_means(run, measure)
    early = y[position(run, rows, "epoch") <= part * float(run.summary["total_epochs"])]
    return (float(early[0]), float(early.min())) if len(early) else (math.inf, math.inf)


def _times_to(target: float, run: Run, rows: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """When a measure, with the values `y` at some rows, first was at most `target`."""
    hit = np.flatnonzero(y <= target)
    if not len(hit):
        return dict.fromkeys(TIMES, math.inf)
    if hit[0] == 0:
        return dict.fromkeys(TIMES, 0.0)
    row = rows[hit[:1]]
    return {unit: float(position(run, row, axis)[0]) for unit, axis in TIMES.items()}


def table(groups: Sequence[Group], measure: str, target: float | None = None) -> list[Row]:
    """Summarize groups.

    A run with exactly the curve of another one is no repetition, whatever its seed: it is a copy,
    or nothing is random. It is counted once.

    Args:
        groups: the groups.
        measure: the name of the measure; less is better.
        target: what the times are measured to.

    Returns:
        A row for each group, the best (by the median of the kept value) first; those without a
        value last.
    """
    rows = []
    for group in groups:
        runs = _distinct(group.runs)
        summaries = [summarize(run, measure, target) for run in runs]
        median = CurveSummary(*(_median(values) for values in zip(*summaries, strict=True)))
        finals = tuple(summary.kept for summary in summaries)
        known = [final for final in finals if not math.isnan(final)]
        spread = None if math.inf in known else half_width(known)
        reached = sum(math.isfinite(summary.steps) for summary in summaries)
        repeated = len(group.runs) - len(runs)
        own = group._replace(runs=runs) if repeated else group
        rows.append(Row(own, median, spread, reached, finals, repeated))
    return sorted(rows, key=lambda row: (math.isnan(row.median.kept), row.median.kept))


def have_rules(runs: Iterable[Run]) -> bool:
    """Whether one of some runs has a stopping rule, and so keeps the best evaluation by it."""
    return any(kept_step(run.summary) is not None for run in runs)


def kept_or_final(runs: Iterable[Run]) -> str:
    """What the `kept` values of some runs are called: `final`, unless a run has a stopping rule."""
    return "kept" if have_rules(runs) else "final"


def are_shares(groups: Sequence[Group]) -> bool:
    """Whether some run trained side by side with others: its seconds are a share of theirs."""
    return any(run.summary.get("lanes", 1) > 1 for group in groups for run in group.runs)


def _distinct(runs: Sequence[Run]) -> list[Run]:
    """The runs without those that have exactly the curves of an earlier one."""
    found: dict[object, list[Run]] = {}
    for run in runs:
        same = found.setdefault(_evaluations(run), [])
        if not any(
            np.array_equal(run.steps[TRAIN_LOSS], other.steps[TRAIN_LOSS], equal_nan=True)
            for other in same
        ):
            same.append(run)
    kept = {id(run) for same in found.values() for run in same}
    return [run for run in runs if id(run) in kept]


@_cached_on_run
def _evaluations(run: Run) -> object:
    """All evaluations, to be compared with those of other runs; the run itself if it has none."""
    if not len(run.epochs):
        return run
    return run.status, *(run.epochs[name].tobytes() for name in ("step", *EPOCH_MEASURES))


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return statistics.median(known) if known else math.nan
