"""Which runs are repetitions of one experiment: those that differ in nothing but their seed.

A key is written as on the command line: `optimizer`, `optimizer.learning_rate`, `batch_size` (64 or
full). Keys whose values follow from other keys (`optimizer.b1` from `optimizer=adam`) do not
name a group. A place in a list is a key where it is asked for: `model.widths.0`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from runner.compare.runs import Run
from runner.config.hints import top_level_hint
from runner.config.keys import SEED
from runner.config.values import shown
from runner.errors import ConfigError, did_you_mean, nearest, one_line
from runner.status import count_statuses

ABSENT = "-"
"""The value of a key that a run does not have."""

NAMED = 4
"""A sentence names this many groups and counts the others."""


class Edge(NamedTuple):
    """A number that was chosen by tuning and is the least or the largest that was tried.

    Attributes:
        key: the key of the number.
        value: the number.
        tried: all numbers that were tried for the same combination of the other settings, sorted.
    """

    key: str
    value: float
    tried: tuple[float, ...]

    @property
    def is_upper(self) -> bool:
        """Whether it is the largest."""
        return self.value == self.tried[-1]


class Group(NamedTuple):
    """Runs with the same settings.

    Attributes:
        settings: the values, by key, in which the groups of a comparison differ.
        runs: the runs.
        edges: the tuned settings that lie at the edge of what was tried.
    """

    settings: dict[str, Any]
    runs: list[Run]
    edges: tuple[Edge, ...] = ()

    @property
    def label(self) -> str:
        """All settings without their keys: `adam, 0.01`; `all runs` if there are none."""
        return self.label_of(self.settings) or "all runs"

    def label_of(self, keys: Iterable[str]) -> str:
        """The values of some settings, as typed: `adam, 0.01`."""
        return ", ".join(format_setting(self.settings[key]) for key in keys)

    def label_without(self, keys: Collection[str]) -> str:
        """The values of all settings but some: what a line of a figure is called."""
        return self.label_of(key for key in self.settings if key not in keys)

    @property
    def name(self) -> str:
        """The label in a sentence, where commas separate the groups: `adam 0.01`."""
        return without_commas(self.label)

    @property
    def outcome(self) -> str:
        """How its runs ended: `3 finished, 1 diverged`."""
        counts = count_statuses(run.status for run in self.runs)
        return ", ".join(f"{count} {status}" for status, count in counts.items())


def group_runs(
    runs: Sequence[Run],
    by: Sequence[str] = (),
    problem: Sequence[str] = (),
    tune: Sequence[str] = (),
) -> list[Group]:
    """Group runs by the settings in which they differ, or by chosen keys; seeds stay together.

    Args:
        runs: the runs.
        by: the keys that make a group; empty: all in which the runs differ, except the seed and
            keys that follow from others.
        problem: keys that make a problem, each with all keys below it; they come first among the
            settings and are always part of them.
        tune: keys that are part of the settings besides `by`.

    Returns:
        The groups, sorted by their settings: numbers by size, then words.

    Raises:
        ConfigError: a key is not one of these runs.
    """
    configs = [run.settings for run in runs]
    check_keys(configs, (*by, *tune), problem)
    keys = differing_keys(configs, problem)
    if by:
        above = [key for key in keys if is_below(key, problem)]
        keys = list(dict.fromkeys([*above, *by, *tune]))
    groups: dict[tuple[str, ...], Group] = {}
    for run, config in zip(runs, configs, strict=True):
        settings = {key: value_of(config, key) for key in keys}
        name = tuple(map(format_setting, settings.values()))
        groups.setdefault(name, Group(settings, [])).runs.append(run)
    return sorted(groups.values(), key=_order)


def check_keys(
    configs: Sequence[Mapping[str, Any]], keys: Iterable[str], problem: Iterable[str] = ()
) -> None:
    """Check that keys exist in some configs.

    Args:
        configs: flat configs with keys as typed.
        keys: each must be a key of at least one config.
        problem: each must be a key of at least one config, or stand above one (`optimizer.base`).

    Raises:
        ConfigError: one does not; with the nearest key or, if none is near, the keys that differ.
    """
    known = {key for config in configs for key in config}
    keys = [key for key in keys if all(value_of(config, key) == ABSENT for config in configs)]
    parents = {".".join(key.split(".")[:depth]) for key in known for depth in (1, 2)}
    wrong = [key for key in keys if key not in known]
    wrong += [key for key in problem if key not in known | parents]
    if not wrong:
        return
    names = sorted(known)
    hint = top_level_hint(wrong[0], known.__contains__)
    if not hint and nearest(wrong[0], names) is None:
        # All keys would fill a line of a thousand letters.
        names = differing_keys(configs) or [name for name in names if "." not in name]
    raise ConfigError(
        f"{wrong[0]} is not a key of these runs{hint or did_you_mean(wrong[0], names)}"
    )


def differing_keys(configs: Sequence[Mapping[str, Any]], problem: Sequence[str] = ()) -> list[str]:
    """Find the keys in which configs differ, without the seed and those that follow from others.

    A key follows from words (the names of options, mostly) if each combination of them has one
    value of it. From a number nothing follows: of several numbers at random, each value of one
    comes with one value of every other.

    Args:
        configs: flat configs with keys as typed.
        problem: of keys that follow from each other, those below one of these are kept.
    """
    varying = keys_that_vary(configs)
    kept: list[str] = []
    # Names of options before their numbers: the numbers that come with an option follow from it.
    for key in sorted(varying, key=lambda key: (not is_below(key, problem), key.count("."))):
        seen: dict[tuple[str, ...], str] = {}
        for config in configs:
            context = tuple(map(_word_of, (config.get(other, ABSENT) for other in kept)))
            value = format_setting(config.get(key, ABSENT))
            if seen.setdefault(context, value) != value:
                kept.append(key)
                break
    return kept


def _word_of(value: Any) -> str:
    """A setting as the reason for others, where all numbers count the same."""
    return "" if is_number(value) else format_setting(value)


def keys_that_vary(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Find all keys in which configs differ, also those that follow from others, but the seed."""
    names = dict.fromkeys(key for config in configs for key in config)
    return [
        key
        for key in names
        if key != SEED and _vary([config.get(key, ABSENT) for config in configs])
    ]


def value_of(settings: Mapping[str, Any], key: str) -> Any:
    """The value of a key or, as `model.widths.0`, of a place in a list; `ABSENT` if there is none.

    Args:
        settings: a flat config with keys as typed.
        key: the key; a place is counted from 0.
    """
    above, _, place = key.rpartition(".")
    values = settings.get(above)
    if key in settings or not isinstance(values, list | tuple) or not is_place(key):
        return settings.get(key, ABSENT)
    return values[int(place)] if int(place) < len(values) else ABSENT


def is_place(key: str) -> bool:
    """Whether a key can only be a place in a list."""
    return key.rpartition(".")[2].isdecimal()


def _vary(settings: Sequence[Any]) -> bool:
    """Whether settings differ; the runs of a sweep share most of them as one object."""
    others = [value for value in settings if value is not settings[0]]
    first = format_setting(settings[0])
    return any(format_setting(value) != first for value in others)


def is_below(key: str, keys: Iterable[str]) -> bool:
    """Whether a key is one of some keys or below one of them: `model.widths` is below `model`."""
    return any(key == name or key.startswith(f"{name}.") for name in keys)


def is_number(value: Any) -> bool:
    """Whether a setting has a place on a numeric axis."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def format_setting(value: Any) -> str:
    """A value as it is typed, numbers as short as they can be: `true`, `[64,32]`, `0.001`, `1`."""
    if isinstance(value, list):
        return "[" + ",".join(map(format_setting, value)) + "]"
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return one_line(shown(value))


def format_range(counts: Collection[int]) -> str:
    """The least and the largest of some counts: `2 to 4`, or `3` if all are equal."""
    least, largest = min(counts), max(counts)
    return f"{least}" if least == largest else f"{least} to {largest}"


def without_commas(label: str) -> str:
    """A label in a sentence, where commas separate the labels."""
    return label.replace(", ", " ")


def first_names(names: Sequence[str], count: int = NAMED) -> str:
    """The first names, and how many others there are."""
    named = list(names[:count]) if len(names) > count + 1 else list(names)
    rest = len(names) - len(named)
    return ", ".join(named) + (f" and {rest} others" if rest else "")


def runs_of(groups: Iterable[Group]) -> list[Run]:
    """The runs of some groups, group by group."""
    return [run for group in groups for run in group.runs]


def _order(group: Group) -> tuple:
    """Numbers by size, then words; the first setting counts most."""
    return tuple(
        (0, float(value), "") if is_number(value) else (1, 0.0, format_setting(value))
        for value in group.settings.values()
    )
