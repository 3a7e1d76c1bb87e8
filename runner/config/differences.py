"""How a config differs from the defaults, as the words that would be typed."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, get_type_hints

from runner.config.described import file_of, keys_of
from runner.config.keys import typed
from runner.config.locations import CONFIG_NAME, config_directory
from runner.config.values import shown
from runner.experiment.groups import group_of
from runner.experiment.table import OPTIONS, STACKED
from runner.options.option import holds_option


@functools.cache
def default_options() -> dict[str, str]:
    """The default option of every group, by `conf/config.yaml`."""
    entries = [entry for entry in _primary()["defaults"] if isinstance(entry, dict)]
    named = {key: value for entry in entries for key, value in entry.items()}
    return {group: named[group] for group in OPTIONS}


def differences(config: Mapping[str, Any]) -> list[str]:
    """The settings of a run that are not the defaults, as words of a command line.

    Options are compared with those of `conf/config.yaml`, their numbers with the defaults of their
    own classes.

    Args:
        config: the resolved config of a run, all of whose keys are right.
    """
    settings = {key: value for key, value in _primary().items() if key not in ("defaults", "hydra")}
    usual = {group: {"name": name} for group, name in default_options().items()}
    default = typed(settings | {group: _with_defaults(group, usual[group]) for group in OPTIONS})
    chosen = typed(settings | {group: _with_defaults(group, config[group]) for group in OPTIONS})
    found = []
    for key, value in typed(config).items():
        expected = default.get(key) if key in OPTIONS else chosen.get(key)
        if _plain(value) != _plain(expected):
            found.append(f"{key}={shown(value)}")
    return found


def _with_defaults(group: str, node: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a group with the same options, and all their numbers the defaults."""
    if group in STACKED:
        names = [node["name"]] if "name" in node else list(node)
        return {name: _defaults_of(group, {"name": name}) for name in names}
    return _defaults_of(group, node)


def _defaults_of(group: str, node: Mapping[str, Any]) -> dict[str, Any]:
    cls = OPTIONS[group][node["name"]]
    types, values = get_type_hints(cls), {"name": node["name"]}
    file = file_of([config_directory()], group, node["name"])
    usual = {key.name: key.default for key in keys_of(cls, file) if key.inside}
    for field in dataclasses.fields(cls):
        inside = node.get(field.name)
        if holds_option(types[field.name]) and isinstance(inside, Mapping):
            values[field.name] = _defaults_of(group_of(types[field.name]), inside)
            values[field.name]["name"] = usual.get(field.name)
        elif field.default is not dataclasses.MISSING:
            values[field.name] = field.default
    return values


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value


@functools.cache
def _primary() -> dict[str, Any]:
    """The content of `conf/config.yaml`."""
    import yaml

    file = config_directory() / f"{CONFIG_NAME}.yaml"
    return yaml.safe_load(file.read_text(encoding="utf-8"))
