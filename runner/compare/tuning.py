"""Tuning: of the values of some keys keep the best for each combination of the rest.

Options compared at one common learning rate are compared at a rate that suits one of them; compared
each at its own best rate they are compared at what they can do (Schmidt et al. 2021, Choi et al.
2019).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from runner.compare.grouping import Group, shown
from runner.compare.reading import Reading, read
from runner.compare.surface_paths import has_minimum
from runner.errors import ConfigError, did_you_mean


def tuned(
    groups: Sequence[Group], keys: Sequence[str], measure: str, target: float | None = None
) -> list[Group]:
    """The best group for each combination of the settings other than `keys`.

    Best is the least median over seeds of the final measure or, where there is a target, of the
    steps until it is reached (a run that never gets there needs infinitely many); what is equal in
    that is told apart by the mean over the epochs. The chosen values stay among the settings.

    On a function without a minimum (`data=saddle`) less is not better, only farther away: unless
    there is a target, the middle one of the values is taken there, the same for all.

    Raises:
        ConfigError: a key does not tell the groups apart.
    """
    for key in keys:
        if key not in groups[0].settings:
            known = sorted(groups[0].settings)
            raise ConfigError(f"{key} does not differ between the runs{did_you_mean(key, known)}")
    values = {
        key: list(dict.fromkeys(shown(group.settings[key]) for group in groups)) for key in keys
    }
    best: dict[tuple[str, ...], tuple[tuple[float, float], Group]] = {}
    for group in groups:
        rest = tuple(shown(value) for key, value in group.settings.items() if key not in keys)
        if target is None and not all(map(has_minimum, group.runs)):
            score = _from_the_middle(group, values), 0.0
        else:
            score = _score([read(run, measure, target) for run in group.runs], target is not None)
        if rest not in best or score < best[rest][0]:
            best[rest] = (score, group)
    return [group for _, group in best.values()]


def _score(readings: Sequence[Reading], by_steps: bool) -> tuple[float, float]:
    """Less is better; a number that is not known is worst."""
    firsts = [reading.steps if by_steps else reading.final for reading in readings]
    return _median(firsts), _median([reading.area for reading in readings])


def _from_the_middle(group: Group, values: Mapping[str, Sequence[str]]) -> float:
    """How many places its values of some keys are away from the middle ones."""
    places = [known.index(shown(group.settings[key])) for key, known in values.items()]
    middles = [(len(known) - 1) // 2 for known in values.values()]
    return sum(abs(place - middle) for place, middle in zip(places, middles, strict=True))


def _median(values: Sequence[float]) -> float:
    return statistics.median(math.inf if math.isnan(value) else value for value in values)
