"""What a group of options is: its base class, and how an option joins it."""

from __future__ import annotations

import dataclasses
import functools
from typing import get_args, get_type_hints

from runner.errors import ConfigError, did_you_mean
from runner.experiment.experiment import Experiment
from runner.experiment.table import OPTIONS, STACKED
from runner.options.option import Option, holds_option, is_option


def base_of(group: str) -> type[Option]:
    """Return the class that every option of a group derives from."""
    expected = get_type_hints(Experiment)[group]
    return get_args(expected)[0] if group in STACKED else expected


@functools.cache
def group_of(cls: type[Option]) -> str:
    """Return the group whose options derive from this class, the type of a field."""
    return next(group for group in OPTIONS if issubclass(cls, base_of(group)))


def group_inside(group: str, field: str) -> str | None:
    """Return the group of the option that a field holds: `optimizer` for `base` of an optimizer.

    Args:
        group: the group whose options have the field.
        field: the name of the field.

    Returns:
        The group; None if no option of `group` has such a field, or it holds no option.
    """
    for cls in OPTIONS.get(group, {}).values():
        found = cls.__dataclass_fields__.get(field)
        # An option inside has no default in the class; the YAML file names it.
        if found is None or found.default is not dataclasses.MISSING:
            continue
        if holds_option(expected := get_type_hints(cls)[field]):
            return group_of(expected)
    return None


def name_of(chosen: Option) -> str | None:
    """Return the name of an option in its group; None if its class is not in the table."""
    names = (name for known in OPTIONS.values() for name in known if known[name] is type(chosen))
    return next(names, None)


def register(group: str, name: str, cls: type[Option]) -> None:
    """Add an option to the table: `group=name` on the command line is then `cls`.

    Args:
        group: the group, such as `optimizer`.
        name: the name of the option, as in `name:` of its YAML file.
        cls: a class that derives from the base of the group and is declared with `option`.

    Raises:
        ConfigError: there is no such group, the name is taken by another class, or the class is
            not a complete option of this group.
    """
    if group not in OPTIONS:
        raise ConfigError(
            f"{group}={name}: there is no group {group}{did_you_mean(group, OPTIONS)}"
        )
    base = base_of(group)
    if not issubclass(cls, base):
        raise ConfigError(f"{group}={name}: {cls.__name__} must derive from {base.__name__}")
    if missing := sorted(cls.__abstractmethods__):
        raise ConfigError(f"{group}={name}: {cls.__name__} must define {', '.join(missing)}")
    if not is_option(cls):
        raise ConfigError(f"{group}={name}: {cls.__name__} must be declared with @option")
    known = OPTIONS[group].setdefault(name, cls)
    if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ConfigError(
            f"{group}={name}: the name is already {known.__qualname__} of {known.__module__}; "
            "choose another"
        )
    OPTIONS[group][name] = cls  # also where a cell of a notebook defines the class once more
