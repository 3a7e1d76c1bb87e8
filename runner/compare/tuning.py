"""Tuning: of the values of some keys keep the best for each combination of the rest.

Options compared at one common learning rate are compared at a rate that suits one of them; compared
each at its own best rate they are compared at what they can do (Schmidt et al. 2021, Choi et al.
2019).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from runner.compare.grouping import Group, shown
from runner.compare.reading import Reading, read
from runner.config import did_you_mean
from runner.errors import ConfigError


def tuned(
    groups: Sequence[Group], keys: Sequence[str], measure: str, target: float | None = None
) -> list[Group]:
    """The best group for each combination of the settings other than `keys`.

    Best is the least median over seeds of the final measure or, where there is a target, of the
    steps until it is reached (a run that never gets there needs infinitely many); what is equal in
    that is told apart by the mean over the epochs. The chosen values stay among the settings.

    Raises:
        ConfigError: a key does not tell the groups apart.
    """
    for key in keys:
        if key not in groups[0].settings:
            known = sorted(groups[0].settings)
            raise ConfigError(f"{key} does not differ between the runs{did_you_mean(key, known)}")
    best: dict[tuple[str, ...], tuple[tuple[float, float], Group]] = {}
    for group in groups:
        rest = tuple(shown(value) for key, value in group.settings.items() if key not in keys)
        score = _score([read(run, measure, target) for run in group.runs], target is not None)
        if rest not in best or score < best[rest][0]:
            best[rest] = (score, group)
    return [group for _, group in best.values()]


def _score(readings: Sequence[Reading], by_steps: bool) -> tuple[float, float]:
    """Less is better; a number that is not known is worst."""
    firsts = [reading.steps if by_steps else reading.final for reading in readings]
    return _median(firsts), _median([reading.area for reading in readings])


def _median(values: Sequence[float]) -> float:
    return statistics.median(math.inf if math.isnan(value) else value for value in values)
