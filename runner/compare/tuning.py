"""Tuning: of the values of some keys keep the best for each combination of the other settings.

Options compared at one common learning rate are compared at a rate that suits one of them; each at
its own best rate, they are compared by what they can do (Schmidt et al. 2021, Choi et al. 2019).

What is chosen is chosen by validation, since a measure that made a choice no longer estimates what
the chosen setting does on new data.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runner.compare.curve_summary import CurveSummary, summarize
from runner.compare.grouping import Edge, Group, format_setting, is_number
from runner.compare.surface_paths import has_minimum
from runner.config.keys import VALIDATION_EXAMPLES
from runner.errors import ConfigError, did_you_mean
from runner.measures import SPLITS, validated


def tuning_measure(measure: str, to_target: bool) -> str:
    """The measure by which settings are tuned where none is named.

    The validation error where an error is reported, otherwise the validation loss. Times to a
    target are compared on the measure itself, unless that is one of the test split: a target of the
    training loss asks how fast an optimizer minimizes it, and no split is held out from that.

    Args:
        measure: the measure that is reported.
        to_target: whether times to a target are compared.
    """
    is_reported_only = measure.startswith("test_")
    return measure if to_target and not is_reported_only else validated(measure)


def target_for(chosen_by: str, measure: str, target: float | None) -> float | None:
    """The target of the measure that tunes: the same one if both are losses, or both errors.

    Args:
        chosen_by: the measure that tunes.
        measure: the measure that is reported.
        target: its target.
    """
    return target if validated(chosen_by) == validated(measure) else None


def check_validated(configs: Iterable[Mapping[str, Any]], measure: str) -> None:
    """Check, before there are runs, that they will have the measure that tunes.

    Args:
        configs: flat configs with keys as typed.
        measure: the measure that tunes.

    Raises:
        ConfigError: it is one of the validation split, and a run holds no examples out for that.
    """
    if not measure.startswith(SPLITS[1]):
        return
    if any(config.get(VALIDATION_EXAMPLES) == 0 for config in configs):
        raise ConfigError(
            f"settings are tuned by the {measure.replace('_', ' ')}, and validation_examples=0 "
            "leaves no examples for it; figure.tune_by chooses another measure"
        )


def tuned(
    groups: Sequence[Group], keys: Sequence[str], measure: str, target: float | None = None
) -> list[Group]:
    """Keep the best group for each combination of the settings other than `keys`.

    Best is the least median over seeds of the final measure or, with a target, of the steps until
    it is reached (infinite for a run that never reaches it); ties are broken by the mean of the
    measure over the epochs. Of a run with a stopping rule it is the measure of what the run keeps.
    The chosen values stay among the settings; those at the edge of what was tried are listed in
    `Group.edges`.

    On a function without a minimum (`data=saddle`) less is not better, only farther away: without
    a target the middle value is taken there, the same for all.

    Args:
        groups: the groups.
        keys: the keys that are tuned.
        measure: the name of the measure that is minimized.
        target: the value of the measure to reach in the fewest steps.

    Raises:
        ConfigError: the groups do not differ in a key, or no run has a value of the measure.
    """
    for key in keys:
        if key not in groups[0].settings:
            known = sorted(groups[0].settings)
            raise ConfigError(f"{key} does not differ between the runs{did_you_mean(key, known)}")
    _check_measured(groups, measure)
    values = {
        key: list(dict.fromkeys(format_setting(group.settings[key]) for group in groups))
        for key in keys
    }
    rivals: dict[str, list[tuple[tuple[float, float], Group]]] = {}
    for group in groups:
        if _takes_middle(group, target):
            score = _distance_from_middle(group, values), 0.0
        else:
            summaries = [summarize(run, measure, target) for run in group.runs]
            score = _score(summaries, by_steps=target is not None)
        rivals.setdefault(group.label_without(keys), []).append((score, group))
    return [_best(scored, keys, target) for scored in rivals.values()]


def _takes_middle(group: Group, target: float | None) -> bool:
    """Whether the middle value is taken, since less is not better on the function."""
    return target is None and not all(map(has_minimum, group.runs))


def _best(
    scored: Sequence[tuple[tuple[float, float], Group]], keys: Sequence[str], target: float | None
) -> Group:
    """The group with the least score, and which of its values lie at an edge."""
    score, best = min(scored, key=lambda pair: pair[0])
    if len(scored) == 1 or _takes_middle(best, target) or all(map(math.isinf, score)):
        return best  # nothing was found to be best, at the edge or elsewhere
    edges = (_edge(best, [group for _, group in scored], key) for key in keys)
    return best._replace(edges=tuple(edge for edge in edges if edge))


def _edge(best: Group, rivals: Sequence[Group], key: str) -> Edge | None:
    """The edge of a key at which the best group lies; 0 is no edge, as nothing lies below it."""
    values = [group.settings[key] for group in rivals]
    if not all(map(is_number, values)):
        return None
    tried = tuple(sorted(set(values)))
    value = best.settings[key]
    at_edge = value in (tried[0], tried[-1]) and value != 0
    return Edge(key, value, tried) if at_edge and len(tried) > 1 else None


def _check_measured(groups: Sequence[Group], measure: str) -> None:
    """Check that some run has a value of the measure that tunes.

    Raises:
        ConfigError: none has.
    """
    runs = [run for group in groups for run in group.runs]
    if not all(math.isnan(summarize(run, measure).area) for run in runs):
        return
    why = " (validation_examples=0)" if measure.startswith(SPLITS[1]) else ""
    raise ConfigError(
        f"no run has a {measure}{why}, by which settings are tuned; tune_by chooses another measure"
    )


def _score(summaries: Sequence[CurveSummary], *, by_steps: bool) -> tuple[float, float]:
    """Less is better; a number that is not known is worst."""
    firsts = [summary.steps if by_steps else summary.kept for summary in summaries]
    return _median(firsts), _median([summary.area for summary in summaries])


def _distance_from_middle(group: Group, values: Mapping[str, Sequence[str]]) -> float:
    """How many places a group's values of some keys are away from the middle of all values."""
    places = [known.index(format_setting(group.settings[key])) for key, known in values.items()]
    middles = [(len(known) - 1) // 2 for known in values.values()]
    return sum(abs(place - middle) for place, middle in zip(places, middles, strict=True))


def _median(values: Sequence[float]) -> float:
    return statistics.median(math.inf if math.isnan(value) else value for value in values)
