"""Which runs are compared, and in which order their groups are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runner.compare.grouping import Group, check_keys, format_setting, is_number, value_of
from runner.compare.runs import Run
from runner.errors import ConfigError, did_you_mean


def keys_of(conditions: Sequence[str]) -> list[str]:
    """Return the keys of some conditions `KEY=VALUE`.

    Raises:
        ConfigError: one has no key or no value.
    """
    for condition in conditions:
        key, equals, value = condition.partition("=")
        if not (key and equals and value):
            raise ConfigError(f"where: {condition!r} must be KEY=VALUE, such as data=digits")
    return [condition.partition("=")[0] for condition in conditions]


def where(runs: Sequence[Run], conditions: Sequence[str]) -> list[Run]:
    """Select the runs that have the given values: of each key one of those given for it.

    Args:
        runs: the runs.
        conditions: `KEY=VALUE`, as typed.

    Raises:
        ConfigError: a key is not one of these runs, or no run has these values.
    """
    check_keys([run.settings for run in runs], keys_of(conditions))
    wanted: dict[str, list[str]] = {}
    for condition in conditions:
        key, _, value = condition.partition("=")
        wanted.setdefault(key, []).append(value)
    kept = list(runs)
    for key, values in wanted.items():
        known = dict.fromkeys(_typed(run, key) for run in kept)
        for value in values:
            if value not in known:
                hint = did_you_mean(value, known)
                raise ConfigError(f"where: no run has {key}={value}{hint}")
        kept = [run for run in kept if _typed(run, key) in values]
    return kept


def ordered(groups: Sequence[Group], runs: Sequence[Run], order: Sequence[str]) -> list[Group]:
    """Sort groups: by a chosen order, then numbers by size, then words as they were typed.

    A sweep numbers its runs in the order in which their values were typed.

    Args:
        groups: the groups.
        runs: all runs, in their order.
        order: values of settings, or labels of groups, as typed; others come after them.

    Raises:
        ConfigError: none of the groups has a value or label of this name.
    """
    keys = list(groups[0].settings)
    labels = [group.label for group in groups]
    known = [*labels, *(format_setting(group.settings[key]) for group in groups for key in keys)]
    for word in order:
        if word not in known:
            typable = dict.fromkeys(one for one in known if ", " not in one)
            raise ConfigError(f"order: {word} is not shown{did_you_mean(word, typable)}")
    chosen = {word: place for place, word in enumerate(order)}
    first: dict[tuple[str, str], int] = {}
    for place, run in enumerate(runs):
        for key in keys:
            first.setdefault((key, _typed(run, key)), place)

    def rank(group: Group) -> tuple[Any, ...]:
        ranks: list[Any] = [chosen.get(group.label, len(chosen))]
        for key, value in group.settings.items():
            word = format_setting(value)
            ranks.append(chosen.get(word, len(chosen)))
            ranks.append((0, value) if is_number(value) else (1, first.get((key, word), len(runs))))
        return tuple(ranks)

    return sorted(groups, key=rank)


def _typed(run: Run, key: str) -> str:
    return format_setting(value_of(run.settings, key))
