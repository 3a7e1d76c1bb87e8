"""Which kind of figure suits some groups: the choice of `figure.kind=auto`."""

from __future__ import annotations

from collections.abc import Sequence

from runner.compare.figures.curves import FEW_LINES
from runner.compare.figures.surface import suits
from runner.compare.grouping import Group, is_number
from runner.config.keys import SEED


def numeric_keys(groups: Sequence[Group], tune: Sequence[str] = ()) -> list[str]:
    """The settings that can be an axis: numbers in all groups, and not tuned.

    Args:
        groups: the groups.
        tune: settings that were tuned.
    """
    return [
        key
        for key in groups[0].settings
        if key not in tune and all(is_number(group.settings[key]) for group in groups)
    ]


def scattered_keys(groups: Sequence[Group], tune: Sequence[str] = ()) -> list[str]:
    """The numbers of a search over random settings, of which hardly two runs have the same.

    They are read from the runs: where all values of one number differ, those of another follow from
    it and name no group.

    Args:
        groups: the groups.
        tune: settings that were tuned.

    Returns:
        The keys; empty unless there are two at least, words differ in nothing, and less than half
        of the combinations of the first two have a run.
    """
    if len(numeric_keys(groups, tune)) < len(
        [key for key in groups[0].settings if key not in tune]
    ):
        return []
    firsts = [group.runs[0].settings for group in groups]
    keys = []
    for key, value in firsts[0].items():
        values = [settings.get(key) for settings in firsts]
        if is_number(value) and all(map(is_number, values)) and len(set(values)) > 2:
            keys += [key] if key not in (SEED, *tune) else []
    if len(keys) < 2:
        return []
    counts = [len({settings[key] for settings in firsts}) for key in keys[:2]]
    return keys if 2 * len(groups) < counts[0] * counts[1] else []


def suited_kind(groups: Sequence[Group], tune: Sequence[str] = ()) -> str:
    """Choose a kind of figure by what differs between groups.

    Args:
        groups: the groups.
        tune: settings that were tuned.

    Returns:
        `surface` if all runs have a path; `scatter` for random settings; `heat_map` if nothing but
        two numbers differs, each with more than two values; `final` if a number has more than two
        values and curves would be many; else `curves`.
    """
    if suits(groups, tune):
        return "surface"
    if scattered_keys(groups, tune):
        return "scatter"
    keys = [key for key in groups[0].settings if key not in tune]
    numbers = numeric_keys(groups, tune)
    values = [len({group.settings[key] for group in groups}) for key in numbers]
    if len(numbers) == 2 == len(keys) and min(values) > 2:
        return "heat_map"
    if numbers and len(groups) > FEW_LINES and values[0] > 2:
        return "final"
    return "curves"
