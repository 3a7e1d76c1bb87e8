"""Which kind of figure suits some groups: the choice of `figure.kind=auto`."""

from __future__ import annotations

from collections.abc import Sequence

from runner.compare.figures.curves import FEW_LINES
from runner.compare.figures.surface import suits
from runner.compare.grouping import Group, is_number


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


def suited_kind(groups: Sequence[Group], tune: Sequence[str] = ()) -> str:
    """Choose a kind of figure by what differs between groups.

    Args:
        groups: the groups.
        tune: settings that were tuned.

    Returns:
        `surface` if all runs have a path; if nothing but numbers differs, two of them with more
        than two values, `scatter` if less than half of their combinations have a run and else, of
        two numbers, `heat_map`; `final` if a number has more than two values and curves would be
        many; else `curves`.
    """
    if suits(groups, tune):
        return "surface"
    keys = [key for key in groups[0].settings if key not in tune]
    numbers = numeric_keys(groups, tune)
    values = [len({group.settings[key] for group in groups}) for key in numbers]
    if len(numbers) == len(keys) >= 2 and min(values[:2]) > 2:
        if 2 * len(groups) < values[0] * values[1]:
            return "scatter"
        if len(keys) == 2:
            return "heat_map"
    if numbers and len(groups) > FEW_LINES and values[0] > 2:
        return "final"
    return "curves"
