"""Tuning: of the values of some keys keep the best for each combination of the other settings.

Options compared at one common learning rate are compared at a rate that suits one of them; each at
its own best rate, they are compared by what they can do (Schmidt et al. 2021, Choi et al. 2019).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from runner.compare.curve_summary import CurveSummary, summarize
from runner.compare.grouping import Group, format_setting
from runner.compare.surface_paths import has_minimum
from runner.errors import ConfigError, did_you_mean


def tuned(
    groups: Sequence[Group], keys: Sequence[str], measure: str, target: float | None = None
) -> list[Group]:
    """Keep the best group for each combination of the settings other than `keys`.

    Best is the least median over seeds of the final measure or, with a target, of the steps until
    it is reached (infinite for a run that never reaches it); ties are broken by the mean of the
    measure over the epochs. The chosen values stay among the settings.

    On a function without a minimum (`data=saddle`) less is not better, only farther away: without
    a target the middle value is taken there, the same for all.

    Args:
        groups: the groups.
        keys: the keys that are tuned.
        measure: the name of the measure that is minimized.
        target: the value of the measure to reach in the fewest steps.

    Raises:
        ConfigError: the groups do not differ in a key.
    """
    for key in keys:
        if key not in groups[0].settings:
            known = sorted(groups[0].settings)
            raise ConfigError(f"{key} does not differ between the runs{did_you_mean(key, known)}")
    values = {
        key: list(dict.fromkeys(format_setting(group.settings[key]) for group in groups))
        for key in keys
    }
    best: dict[str, tuple[tuple[float, float], Group]] = {}
    for group in groups:
        name = group.label_without(keys)
        if target is None and not all(map(has_minimum, group.runs)):
            score = _distance_from_middle(group, values), 0.0
        else:
            summaries = [summarize(run, measure, target) for run in group.runs]
            score = _score(summaries, by_steps=target is not None)
        if name not in best or score < best[name][0]:
            best[name] = (score, group)
    return [group for _, group in best.values()]


def _score(summaries: Sequence[CurveSummary], *, by_steps: bool) -> tuple[float, float]:
    """Less is better; a number that is not known is worst."""
    firsts = [summary.steps if by_steps else summary.final for summary in summaries]
    return _median(firsts), _median([summary.area for summary in summaries])


def _distance_from_middle(group: Group, values: Mapping[str, Sequence[str]]) -> float:
    """How many places a group's values of some keys are away from the middle of all values."""
    places = [known.index(format_setting(group.settings[key])) for key, known in values.items()]
    middles = [(len(known) - 1) // 2 for known in values.values()]
    return sum(abs(place - middle) for place, middle in zip(places, middles, strict=True))


def _median(values: Sequence[float]) -> float:
    return statistics.median(math.inf if math.isnan(value) else value for value in values)
