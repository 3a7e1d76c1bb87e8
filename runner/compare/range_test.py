"""Learning-rate range tests: which rate the loss of one run with a growing rate suggests.

In a run with `schedule=range_test` the loss stays where it is while the rate is too small, falls,
and rises where the rate is too large. The rule, on the loss of every step averaged over a window of
a twentieth of the axis of rates, which is logarithmic unless the rate grows linearly:

- the loss falls fastest where the averaged loss has its steepest slope along that axis, before its
  least value and where the window is whole;
- it diverges where, after its least value, it has lost half of what it had gained since the start,
  or with the last rate if the run ended there, since its loss was no number;
- the suggested rate is a tenth of that at which it diverges.

Smith 2017, section 3.3, reads both ends off the curve. A tenth of the end is the usual rule of
thumb since: the loss of a run at one constant rate diverges before that of a run which arrives at
this rate for a few steps.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from runner.compare.grouping import Group
from runner.compare.runs import Run
from runner.compare.smoothing import window_means
from runner.errors import ConfigError
from runner.measures import LEARNING_RATE, TRAIN_LOSS
from runner.status import Status

NAME = "range_test"
"""The schedule whose runs are range tests."""

WINDOW = 0.05
"""The window of the averaged loss, as a part of the axis of rates."""

_START = 0.05
"""The part of the steps whose median is the loss at the start."""

_FEWEST = 20
"""A run of fewer steps says nothing."""


class Suggestion(NamedTuple):
    """Learning rates that a range test finds; NaN where it does not find one."""

    steepest: float
    diverges: float

    @property
    def rate(self) -> float:
        """The suggested rate."""
        return self.diverges / 10


NOTHING = Suggestion(math.nan, math.nan)


def is_range_test(run: Run) -> bool:
    """Whether the learning rate of a run grows throughout."""
    return run.settings.get("schedule") == NAME


def grows_linearly(run: Run) -> bool:
    """Whether the rate of a range test grows by the same amount in every step."""
    return run.settings.get("schedule.growth") == "linear"


def check_axes(axes: Sequence[str], runs: Iterable[Run]) -> None:
    """Check that the learning rate of all runs grows, if it is an axis.

    Raises:
        ConfigError: that of a run does not.
    """
    if LEARNING_RATE in axes and not all(map(is_range_test, runs)):
        raise ConfigError(
            f"the axis {LEARNING_RATE} is for runs in which the rate grows throughout: "
            f"schedule={NAME}"
        )


def suggested(run: Run) -> Suggestion:
    """Find the rates at which the loss of a range test falls fastest and diverges."""
    rows = run.steps
    rate, loss = (np.asarray(rows[name], float) for name in (LEARNING_RATE, TRAIN_LOSS))
    known = np.isfinite(loss) & (rate > 0)
    if known.sum() < _FEWEST:
        return NOTHING
    place, loss = rate[known] if grows_linearly(run) else np.log10(rate[known]), loss[known]
    width = WINDOW * (place[-1] - place[0])
    averaged = window_means(place, loss, width, np.arange(len(place)))
    least = int(averaged.argmin())
    start = float(np.median(loss[: math.ceil(_START * len(loss))]))
    half = (start + averaged[least]) / 2
    is_up = (averaged > half) & (np.arange(len(place)) > least)
    if is_up.any():
        diverges = float(rate[known][is_up.argmax()])
    else:
        diverges = float(rate[known][-1]) if run.status == Status.DIVERGED else math.nan
    inside = (place - place[0] >= width / 2) & (np.arange(len(place)) <= least)
    if not inside.any() or averaged[least] >= start:
        return NOTHING  # the loss never fell
    slope = np.where(inside, np.gradient(averaged, place), math.inf)
    return Suggestion(float(rate[known][slope.argmin()]), diverges)


def of_group(group: Group) -> Suggestion:
    """The medians over the runs of a group in which a rate was found."""
    found = [suggested(run) for run in group.runs]
    return Suggestion(*(_median(values) for values in zip(*found, strict=True)))


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return statistics.median(known) if known else math.nan


def sentence(found: Suggestion) -> str:
    """Say what a range test suggests, and by which rule."""
    if math.isnan(found.steepest):
        return (
            "the loss does not fall at any of the rates; try smaller ones (optimizer.learning_rate)"
        )
    falls = f"the loss falls fastest at {found.steepest:.2g}"
    if math.isnan(found.diverges):
        return f"{falls} and does not diverge; try larger rates (schedule.final)"
    return (
        f"learning rate {found.rate:.2g}, a tenth of {found.diverges:.2g}, at which the loss "
        f"diverges; {falls}"
    )


def notes(groups: Sequence[Group]) -> list[str]:
    """A line for each group of range tests."""
    tests = [group for group in groups if all(map(is_range_test, group.runs))]
    return [
        f"Range test{f' of {group.label}' if group.settings else ''}: {sentence(of_group(group))}."
        for group in tests
    ]
