"""From a composed config to an `Experiment`: every key known, every value of its type and range.

The config is nested dictionaries of plain values, as Hydra leaves them. The dictionary of a group
has a `name`, which `runner.experiment.table` maps to a class; its other keys are the fields of that
class. All of this happens before JAX is imported. An error is one line that says which key is
wrong, why, and what would be right.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.config.hints import (
    a_few,
    key_meant,
    option_hint,
    option_keys,
    owners,
    top_level_hint,
)
from runner.config.keeping import KEPT, Keeping
from runner.config.plugins import NO_PLUGIN, PLUGINS, load_plugins, plugin_hint
from runner.config.synonyms import NAMES, WORDS
from runner.config.values import LARGEST_INTEGER, convert, shown, types_of
from runner.errors import ConfigError, did_you_mean, folded
from runner.experiment.experiment import Experiment
from runner.experiment.groups import group_of, name_of
from runner.experiment.pairing import conflicts
from runner.experiment.table import OPTIONS, STACKED
from runner.options.option import Option, holds_option

Where = Callable[[str], str]
"""Returns where a full key got its value: a file, or nothing for the command line."""


def build(
    config: Mapping[str, Any],
    where: Where = lambda key: "",
    made: dict[str, Any] | None = None,
) -> Experiment:
    """Check a composed config and return the experiment that it describes.

    Args:
        config: the groups and settings, as nested dictionaries of plain values.
        where: returns the place of a key, for error messages.
        made: the options that other experiments of a sweep have, which are made only once; those of
            this one are added.

    Raises:
        ConfigError: something is wrong with it; one line about the first mistake.
    """
    check = _Checker(where)
    load_plugins(config.get(PLUGINS) or [])
    settings = {key: value for key, value in config.items() if key != PLUGINS}
    known = [*OPTIONS, *_setting_names(), *KEPT, PLUGINS]
    for key in settings:
        if key not in known:
            hint = top_level_hint(str(key), lambda full: _holds(settings, full))
            hint = hint or option_hint(str(key)) or did_you_mean(str(key), known)
            raise check.error(key, f"is not a known key{hint}")
    made = {} if made is None else made
    values = {group: _chosen(check, group, settings.get(group), made) for group in OPTIONS}
    plain = {key: value for key, value in settings.items() if key not in OPTIONS}
    kept = [field.name for field in dataclasses.fields(Keeping)]
    check.fields("", "", Keeping, {key: plain.pop(key) for key in kept if key in plain})
    experiment = Experiment(**values, **check.fields("", "", Experiment, plain)).effective()
    _check_together(check, experiment)
    return experiment


def _chosen(check: _Checker, group: str, config: Any, made: dict[str, Any]) -> Any:
    """The option of a group, or the options where several can be chosen."""
    text = f"{group} {json.dumps(config, default=repr)}"
    if text not in made:
        stack = group in STACKED
        made[text] = (
            check.stack(group, config or {}) if stack else check.option(group, group, config)
        )
    return made[text]


def pin_data(config: dict[str, Any], experiment: Experiment) -> None:
    """Put the checksum of the data's files into a config, and where they are as absolute paths.

    Changed data are then another run, and the run can be repeated from another folder.

    Args:
        config: the plain config of the experiment; it is changed, but not what it holds.
        experiment: what `build` made of it.
    """
    pinned: dict[str, Any] = {}
    for key in experiment.data.paths:
        path = config["data"].get(key)
        if path is not None and not path.startswith("~"):
            pinned[key] = str(Path(path).absolute())
    checksum = getattr(experiment.data, "sha256", None)
    if checksum is not None:
        pinned["sha256"] = checksum
    if pinned:
        config["data"] = {**config["data"], **pinned}


def _setting_names() -> list[str]:
    names = (field.name for field in dataclasses.fields(Experiment))
    return [name for name in names if name not in OPTIONS]


class _Checker:
    """Checks one config; knows where the value of each key was set."""

    def __init__(self, where: Where) -> None:
        self._where = where

    def error(self, key: str, problem: str) -> ConfigError:
        """Make the error of a key: the key, the problem, and the place."""
        place = self._where(key)
        return ConfigError(f"{key} {problem}" + (f" (in {place})" if place else ""))

    def option(self, key: str, group: str, config: Any) -> Option:
        """Return the option of a group that a config describes.

        Args:
            key: where the option is: the group, or `optimizer.base` for one inside another, or
                `gradient.noise` for one of several.
            group: the group.
            config: the name of the option and its values.

        Raises:
            ConfigError: it is not known, or one of its values is wrong.
        """
        if not isinstance(config, Mapping):
            names = ", ".join(OPTIONS[group])
            raise self.error(key, f"must be one of its options: {key}=<one of {names}>")
        values = dict(config)
        name = values.pop("name", None)
        if not isinstance(name, str) or name not in OPTIONS[group]:
            place = self._where(f"{key}.name")  # DIRECTORY/group/name.yaml
            hint = plugin_hint(group, str(name), [Path(place).parent.parent] if place else [])
            if hint == NO_PLUGIN:
                hint = did_you_mean(str(name), OPTIONS[group], NAMES.get(group)) + hint
            raise self.error(f"{key}.name", f"is {name!r}, which is no known {group}{hint}")
        cls = OPTIONS[group][name]
        words = f"{group if group in STACKED else key}={name}"
        for field in dataclasses.fields(cls):
            if field.default is dataclasses.MISSING and field.name not in values:
                raise self.error(f"{key}.{field.name}", f"is missing, which {words} needs")
        chosen = cls(**self.fields(f"{key}.", group, cls, values, words))
        for wrong, problem in chosen.problems():
            raise self.error(f"{key}.{wrong}", f"is wrong: {problem}")
        return chosen

    def stack(self, group: str, config: Any) -> tuple[Option, ...]:
        """Return the options of a group of which several can be chosen, in the table's order.

        Raises:
            ConfigError: one is not known, one of its values is wrong, or `none` is not alone.
        """
        if not isinstance(config, Mapping):
            raise self.error(group, f"must be some of its options: {group}=[a,b]")
        for name in config:
            if name not in OPTIONS[group]:
                hint = self._inside(group, str(name), config)
                hint = hint or did_you_mean(str(name), OPTIONS[group], NAMES.get(group))
                raise self.error(f"{group}.{name}", f"is not a known {group}{hint}")
            if isinstance(config[name], Mapping) and "name" not in config[name]:
                missing = f"has no part in the run: add {group}={name}"
                raise self.error(f"{group}.{name}", missing)
        if "none" in config and len(config) > 1:
            raise self.error(group, "names none and other options; leave out none")
        return tuple(
            self.option(f"{group}.{name}", group, config[name])
            for name in OPTIONS[group]
            if name in config
        )

    def _inside(self, group: str, key: str, chosen: Iterable[str]) -> str:
        """A hint at the key of an option of a stack, for a key set at the stack itself."""
        for name in chosen:
            cls = OPTIONS[group].get(name)
            meant = key_meant(group, key, option_keys(cls)) if cls else None
            if meant:
                return f"; did you mean {group}.{name}.{meant}?"
        return ""

    def fields(
        self,
        prefix: str,
        group: str,
        cls: type[Any],
        values: Mapping[str, Any],
        chosen: str = "",
    ) -> dict[str, Any]:
        """Return the values of the fields of a class, each of its type and within its range.

        Args:
            prefix: what the user types before the key, such as `optimizer.`.
            group: the group of the class, empty for the settings of the run.
            cls: the class.
            values: plain values by key.
            chosen: the option as the user typed it, such as `optimizer=adam`, for messages.

        Raises:
            ConfigError: a key is not a field, or a value is wrong.
        """
        types = types_of(cls)
        fields = {field.name: field for field in dataclasses.fields(cls)}
        converted = {}
        for key, value in values.items():
            if key not in fields:
                problem = self._stray(prefix, group, str(key), fields, chosen)
                raise self.error(f"{prefix}{key}", problem)
            if holds_option(types[key]):
                converted[key] = self.option(f"{prefix}{key}", group_of(types[key]), value)
                continue
            limits, usual = fields[key].metadata.get("range"), fields[key].default
            try:
                converted[key] = convert(value, types[key], limits, computed=True, usual=usual)
            except ValueError as error:
                raise self.error(f"{prefix}{key}={shown(value)}", str(error)) from None
        return converted

    def _stray(self, prefix: str, group: str, key: str, fields: Iterable[str], chosen: str) -> str:
        """Say what is wrong with a key that the chosen option does not have."""
        place = prefix.rstrip(".") if group not in STACKED else group
        names = list(fields)
        here = key_meant(group, key, names)
        if here:
            return f"is not a key of {chosen}; did you mean {here}?"
        keys = {key for cls in OPTIONS.get(group, {}).values() for key in option_keys(cls)}
        meant = key_meant(group, key, keys)
        elsewhere = [
            word for word in WORDS.get(folded(key), ()) if not word.startswith(f"{place}.")
        ]
        if meant is None and elsewhere:
            return f"is not a key of {chosen}; did you mean {elsewhere[-1]}?"
        if meant is None:
            if not names:
                return f"is not a known key; {chosen} has no keys of its own"
            return f"is not a key of {chosen}{did_you_mean(key, names)}"
        said = "" if meant == key else f"is not a known key; {place}.{meant} "
        if "base" in names:
            return f"{said}belongs to the base of {chosen}: {place}.base.{meant}"
        found = f"{said}belongs to {place}={a_few(owners(group, meant))}, not to {chosen}"
        elsewhere = [word for word in elsewhere if not word.startswith(f"{place}=")]
        return found + "".join(f"; {word} works with every {group}" for word in elsewhere)


def _holds(config: Mapping[str, Any], key: str) -> bool:
    """Whether a config has a full key such as `optimizer.b1`."""
    node: Any = config
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return False
        node = node[part]
    return True


def _check_together(check: _Checker, experiment: Experiment) -> None:
    """Let every option check that it fits the rest of the run."""
    steps = experiment.total_steps
    if steps > LARGEST_INTEGER:
        key = f"epochs={experiment.epochs}"
        raise check.error(key, f"has {steps:,} steps; programs count to {LARGEST_INTEGER:,}")
    facts = experiment.facts()
    for key, problem in conflicts(experiment):
        raise check.error(key, f"does not fit the run: {problem}")
    for key, chosen in chosen_options(experiment):
        for field, problem in chosen.conflicts(facts):
            full = key if field == "name" else f"{key}.{field}"
            raise check.error(full, f"does not fit the run: {problem}")


def chosen_options(experiment: Experiment) -> Iterator[tuple[str, Option]]:
    """Yield every option that has an effect in an experiment, with its key."""
    ignored = experiment.ignores  # of files of the user's own it looks at them
    for group in OPTIONS:
        if group in ignored:
            continue
        if group not in STACKED:
            yield group, getattr(experiment, group)
            continue
        for chosen in getattr(experiment, group):
            yield f"{group}.{name_of(chosen)}", chosen
