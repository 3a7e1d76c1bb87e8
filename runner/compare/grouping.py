"""Which runs belong together: those that differ in nothing but their seed, or as the user says.

A key is one as typed on the command line: `optimizer`, `optimizer.learning_rate`, `batch_size` (64
or full). Keys that say nothing new, because their values follow from others (`optimizer.b1` from
`optimizer=adam`), name no group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from runner.compare.runs import Run
from runner.config.keys import SEED, typed
from runner.errors import ConfigError, did_you_mean

ABSENT = "-"


class Group(NamedTuple):
    """Runs with the same settings; `settings` are those that tell the groups apart."""

    settings: dict[str, Any]
    runs: list[Run]

    @property
    def label(self) -> str:
        """`adam, 0.01`: the settings without their keys."""
        return ", ".join(shown(value) for value in self.settings.values()) or "all runs"


def settings_of(run: Run) -> dict[str, Any]:
    """The config with keys as they are typed."""
    return typed(run.config)


def grouped(
    runs: Sequence[Run],
    by: Sequence[str] = (),
    first: Sequence[str] = (),
    further: Sequence[str] = (),
) -> list[Group]:
    """Runs grouped by what differs between them, or by the keys `by`; seeds stay together.

    Args:
        runs: the runs.
        by: what makes a group.
        first: keys that tell groups apart before others do, with all that is below them.
        further: keys that tell groups apart besides `by`.

    Raises:
        ConfigError: a key is none of the runs'.
    """
    configs = [settings_of(run) for run in runs]
    check_keys(configs, (*by, *further), first)
    keys = differing(configs, first)
    if by:
        above = [key for key in keys if belongs(key, first)]
        keys = list(dict.fromkeys([*above, *by, *further]))
    groups: dict[tuple[str, ...], Group] = {}
    for run, config in zip(runs, configs, strict=True):
        settings = {key: config.get(key, ABSENT) for key in keys}
        name = tuple(map(shown, settings.values()))
        groups.setdefault(name, Group(settings, [])).runs.append(run)
    return sorted(groups.values(), key=_order)


def check_keys(
    configs: Iterable[Mapping[str, Any]], keys: Iterable[str], above: Iterable[str] = ()
) -> None:
    """Check that some keys are those of configs, and that others are or stand above some.

    Raises:
        ConfigError: one is not.
    """
    known = {key for config in configs for key in config}
    parents = {".".join(key.split(".")[:depth]) for key in known for depth in (1, 2)}
    wrong = [key for key in keys if key not in known]
    wrong += [key for key in above if key not in known | parents]
    if wrong:
        nearest = did_you_mean(wrong[0], sorted(known))
        raise ConfigError(f"{wrong[0]} is not a key of these runs{nearest}")


def differing(configs: Sequence[Mapping[str, Any]], first: Sequence[str] = ()) -> list[str]:
    """The keys whose values tell the configs apart, without those that follow from others.

    Of keys that follow from each other those stay that belong to `first`.
    """
    names = dict.fromkeys(key for config in configs for key in config)
    varying = [
        key
        for key in names
        if key != SEED and len({shown(config.get(key, ABSENT)) for config in configs}) > 1
    ]
    kept: list[str] = []
    # Names of options before their numbers: the numbers that come with an option follow from it.
    for key in sorted(varying, key=lambda key: (not belongs(key, first), key.count("."))):
        seen: dict[tuple[str, ...], str] = {}
        for config in configs:
            context = tuple(shown(config.get(other, ABSENT)) for other in kept)
            value = shown(config.get(key, ABSENT))
            if seen.setdefault(context, value) != value:
                kept.append(key)
                break
    return kept


def belongs(key: str, to: Iterable[str]) -> bool:
    """Whether a key is one of some keys, or below one of them."""
    return any(key == name or key.startswith(f"{name}.") for name in to)


def is_number(value: Any) -> bool:
    """Whether a setting can stand on an axis."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _order(group: Group) -> tuple:
    """Numbers by size, then words; what comes first in the settings counts most."""
    return tuple(
        (0, float(value), "") if is_number(value) else (1, 0.0, shown(value))
        for value in group.settings.values()
    )


def shown(value: Any) -> str:
    """A setting as it is typed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ",".join(map(shown, value)) + "]"
    if isinstance(value, float):
        return f"{value:g}"
    return "null" if value is None else str(value)
