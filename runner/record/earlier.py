"""Configs that an earlier version recorded: completed by what they lack.

A key that an option or the experiment has got since then is missing in them. Its default is what
the earlier version did, because a new key must not change what is trained without it. A key with
another name today is replaced.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from runner.experiment.experiment import Experiment
from runner.experiment.table import OPTIONS, STACKED
from runner.options.option import Option

_NEUTRAL = {"bias_initializer": "zeros", "loss": "auto"}
"""The option that does what versions without the group did, where that is not `none`."""


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recorded config with the keys that it lacks, so that it equals one of today.

    Runs of two versions with equal settings are then recognized and grouped. Options that the table
    does not know, those of plug-ins, stay as they are.

    Args:
        config: the groups and settings of a run, as nested dictionaries of plain values.
    """
    neutral = {group: _NEUTRAL.get(group, "none") for group in OPTIONS}
    groups: dict[str, Any] = {
        group: {name: {"name": name}} if group in STACKED else {"name": name}
        for group, name in neutral.items()
        if name in OPTIONS[group]
    }
    found = groups | _defaults(Experiment) | dict(config)
    for group in OPTIONS:
        chosen = found.get(group)
        if not isinstance(chosen, Mapping):
            continue
        if group in STACKED:
            found[group] = {name: _option(group, each) for name, each in chosen.items()}
        else:
            found[group] = _option(group, chosen)
    return found


def _option(group: str, config: Any) -> Any:
    """The config of an option with the keys that it lacks."""
    name = config.get("name") if isinstance(config, Mapping) else None
    if not isinstance(name, str) or name not in OPTIONS[group]:
        return config
    if (group, name) == ("model", "rnn"):
        config = _recurrent(config)
    return _defaults(OPTIONS[group][name]) | dict(config)


def _recurrent(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of `model=rnn` without the keys that it had: `recurrent` and `units`."""
    found = dict(config)
    if isinstance(found.get("recurrent"), str):
        name = found.pop("recurrent")
        found.setdefault("recurrent_initializer", _option("initializer", {"name": name}))
    if isinstance(found.get("units"), int):
        found.setdefault("widths", [found.pop("units")])
    return found


def _defaults(cls: type[Option]) -> dict[str, Any]:
    """The defaults of the fields of an option, as a config has them."""
    fields = (
        field for field in dataclasses.fields(cls) if field.default is not dataclasses.MISSING
    )
    return {
        field.name: list(field.default) if isinstance(field.default, tuple) else field.default
        for field in fields
    }
