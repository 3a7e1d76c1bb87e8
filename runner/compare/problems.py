"""Problems: which of the settings are what is solved, and which are what is compared at solving it.

A problem is a combination of the values of some keys, `data` and `model` unless others are named,
with all that belongs to them (`model.widths`). Losses of different problems do not compare, so each
has a target of its own, and what is compared is how long it takes to get there.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from runner.compare.grouping import Group, belongs, shown
from runner.compare.reading import start_and_best
from runner.compare.tuning import tuned
from runner.errors import ConfigError

PROBLEM = ("data", "model")
EARLY, SHORT = 0.75, 0.01
"""The part of the epochs within which somebody got to the best value that is asked for, and the
part of the way from the start to it by which the target stops short of it."""


class Problem(NamedTuple):
    """A problem, its target, and the group of each of what is compared there."""

    name: str
    target: float
    groups: dict[str, Group]


def problems(
    groups: Sequence[Group],
    measure: str,
    keys: Sequence[str] = (),
    tune: Sequence[str] = (),
    target: float | None = None,
) -> list[Problem]:
    """The problems among some groups.

    Without a `target` that of a problem is

        best + 0.01 (start - best),

    with `start` the median over all runs of the first value, and `best` the least over all groups,
    tuned or not, of the median over seeds of the least value within the first 75 % of the epochs
    (of an even number of seeds the larger of the middle two, so that more than half got there). The
    share of the epochs is that of AlgoPerf's targets (Dahl et al. 2023, section 4); the hundredth
    of the way is the convergence test of More & Wild 2009, without which nothing would be near
    enough to a minimum of 0. For each problem by itself, of the values of the keys `tune` those are
    kept that get to its target first.

    Raises:
        ConfigError: there are no two problems, or no two to be compared, or a key of `tune` does
            not differ.
    """
    wanted = tuple(keys) or PROBLEM
    own = [key for key in groups[0].settings if belongs(key, wanted)]
    if not own:
        words = ",".join(wanted)
        raise ConfigError(
            f"there is one problem only: nothing of {words} differs between the runs; name what "
            "makes a problem, as in --problem data,batch_size or figure.problem=[data,batch_size]"
        )
    rest = [key for key in groups[0].settings if key not in own and key not in tune]
    if not rest:
        raise ConfigError(f"nothing is compared: only {', '.join([*own, *tune])} differ")
    members: dict[str, list[Group]] = {}
    for group in groups:
        members.setdefault(_label(group, own), []).append(group)
    found = []
    for name, those in members.items():
        goal = _target(those, measure) if target is None else target
        kept = tuned(those, tune, measure, goal) if tune else those
        found.append(Problem(name, goal, {_label(group, rest): group for group in kept}))
    if len({label for problem in found for label in problem.groups}) < 2:
        raise ConfigError("nothing is compared: there is only one of what would be compared")
    return found


def compared(found: Sequence[Problem]) -> list[str]:
    """The labels of what is compared, in the order in which they come first."""
    return list(dict.fromkeys(label for problem in found for label in problem.groups))


def _target(groups: Sequence[Group], measure: str) -> float:
    """Nearly the best median, over seeds, of what was reached early."""
    extremes = [[start_and_best(run, measure, EARLY) for run in group.runs] for group in groups]
    best = min(statistics.median_high(best for _, best in runs) for runs in extremes)
    starts = [start for runs in extremes for start, _ in runs if math.isfinite(start)]
    return best + SHORT * (statistics.median(starts) - best) if starts else best


def _label(group: Group, keys: Sequence[str]) -> str:
    return ", ".join(shown(group.settings[key]) for key in keys)
