"""Problems: which settings say what is solved, and which what is compared at solving it.

A problem is a combination of the values of some keys, `data` and `model` unless others are named,
with all keys below them (`model.widths`). Losses of different problems are not comparable, so each
problem has a target of its own, and what is compared is the time to it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from runner.compare.curve_summary import start_and_best
from runner.compare.grouping import Group, is_below
from runner.compare.tuning import target_for, tuned
from runner.errors import ConfigError

PROBLEM = ("data", "model")
"""The keys that make a problem where none are named."""

EARLY = 0.75
"""The part of the epochs, from the start, whose best value sets the target."""

SHORT = 0.01
"""How far the target is from the best value, as a part of the way from there to the start."""


class Problem(NamedTuple):
    """A problem, its target, and the group of each competitor on it, by the competitor's label."""

    name: str
    target: float
    groups: dict[str, Group]


def problems(
    groups: Sequence[Group],
    measure: str,
    keys: Sequence[str] = (),
    tune: Sequence[str] = (),
    target: float | None = None,
    tune_by: str | None = None,
) -> list[Problem]:
    """Divide groups into problems.

    Without `target`, the target of a problem is

        best + 0.01 (start - best),

    with `start` the median over all runs of the first value, and `best` the least over all groups,
    tuned or not, of the median over seeds of the least value within the first 75 % of the epochs
    (with an even number of seeds the larger of the two middle values, so that more than half
    reached it). The targets of AlgoPerf use the same share of the epochs (Dahl et al. 2023, section
    4); the hundredth of the way is the convergence test of More & Wild 2009, without which nothing
    would be close enough to a minimum of 0.

    Args:
        groups: the groups.
        measure: the name of the measure; less is better.
        keys: the keys that make a problem; empty: `PROBLEM`.
        tune: keys of which, for each problem separately, the value is kept that reaches the target
            in the fewest steps.
        target: the target of all problems.
        tune_by: the measure that is tuned; by default `measure`. Of another kind (an error where
            `measure` is a loss) its final value is tuned, else the steps to its target.

    Raises:
        ConfigError: there are not two problems, or not two competitors, or the groups cannot be
            tuned.
    """
    wanted = tuple(keys) or PROBLEM
    problem_keys = [key for key in groups[0].settings if is_below(key, wanted)]
    if not problem_keys:
        words = ",".join(wanted)
        raise ConfigError(
            f"there is one problem only: nothing of {words} differs between the runs; name what "
            "makes a problem, as in --problem data,batch_size or figure.problem=[data,batch_size]"
        )
    compared_keys = [
        key for key in groups[0].settings if key not in problem_keys and key not in tune
    ]
    if not compared_keys:
        raise ConfigError(f"nothing is compared: only {', '.join([*problem_keys, *tune])} differ")
    members: dict[str, list[Group]] = {}
    for group in groups:
        members.setdefault(group.label_of(problem_keys), []).append(group)
    found = []
    for name, same_problem in members.items():
        goal = _target(same_problem, measure) if target is None else target
        kept = same_problem
        if tune:
            chosen_by = tune_by or measure
            own = _target(same_problem, chosen_by) if target is None else target
            kept = tuned(same_problem, tune, chosen_by, target_for(chosen_by, measure, own))
        found.append(Problem(name, goal, {group.label_of(compared_keys): group for group in kept}))
    if len(competitors(found)) < 2:
        raise ConfigError("nothing is compared: there is only one of what would be compared")
    return found


def competitors(found: Sequence[Problem]) -> list[str]:
    """The labels of what is compared on some problems, in the order of their first occurrence."""
    return list(dict.fromkeys(label for problem in found for label in problem.groups))


def _target(groups: Sequence[Group], measure: str) -> float:
    """The target of a problem: almost the best median over seeds that was reached early."""
    extremes = [[start_and_best(run, measure, EARLY) for run in group.runs] for group in groups]
    best = min(statistics.median_high(best for _, best in runs) for runs in extremes)
    starts = [start for runs in extremes for start, _ in runs if math.isfinite(start)]
    return best + SHORT * (statistics.median(starts) - best) if starts else best
