"""Overrides as people type them, rewritten into the form that Hydra accepts.

Five short forms that plain Hydra does not have:

- `+optimizer=adam` and `++optimizer=adam` choose an option just as `optimizer=adam` does. Hydra
  keeps `+` for groups that have no default, and here every group has one.
- `batch_size=64` is the option `'64'`: Hydra does not take a number for an option's name.
- in a sweep, the same holds for every value between the commas.
- `optimizer.base=adam` chooses the optimizer inside another one, for Hydra
  `optimizer@optimizer.base=adam`, and `model.recurrent_initializer=identity` the initializer inside
  a model, `initializer@model.recurrent_initializer=identity`.
- `fail_fast=true` and the other settings of how a sweep is run are `hydra.launcher.fail_fast=true`;
  `figure.measure=test_error` is `hydra.sweeper.figure.measure=test_error`.

Pure functions of strings.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from runner.config.locations import source_flags
from runner.experiment.groups import group_inside
from runner.experiment.table import GROUPS
from runner.hydra_app.settings import LauncherSettings

NUMBERED_GROUP = "batch_size"
"""The group whose options may be given as a number."""

LAUNCHER_KEYS = tuple(field.name for field in dataclasses.fields(LauncherSettings))
"""How a sweep is run."""

FIGURE_KEYS = "figure."
"""How the figure of a sweep is drawn; see `conf/hydra/sweeper/runner.yaml`."""

_CHOICE = re.compile(r"^(?P<plus>\+{0,2})(?P<group>[\w/]+)=(?P<value>.*)$", re.DOTALL)
_INNER_CHOICE = re.compile(r"^\+{0,2}(?P<place>\w+(?:\.\w+)+)=(?P<value>.*)$", re.DOTALL)
_BARE_INTEGER = re.compile(r"(?<![\w.'\"+-])[+-]?\d+(?![\w.'\"])")
_QUOTED_INTEGER = re.compile(r"'([+-]?\d+)'")


def normalize(overrides: Iterable[str]) -> list[str]:
    """Rewrite every override; those that Hydra understands are not changed."""
    return [_normalize_one(override) for override in overrides]


def _normalize_one(override: str) -> str:
    setting = override.lstrip("+")
    if setting.partition("=")[0] in LAUNCHER_KEYS:
        return f"hydra.launcher.{setting}"
    if setting.startswith(FIGURE_KEYS):
        return f"hydra.sweeper.{setting}"
    inner = _INNER_CHOICE.match(override)
    if inner and (group := _group_at(inner["place"])):
        return f"{group}@{inner['place']}={inner['value']}"
    choice = _CHOICE.match(override)
    if not choice or choice["group"] not in GROUPS:
        return override
    group, value = choice["group"], choice["value"]
    if group == NUMBERED_GROUP and "range(" not in value:
        value = _BARE_INTEGER.sub(lambda number: f"'{number[0]}'", value)
    return f"{group}={value}"


def _group_at(place: str) -> str | None:
    """Return the group of the option inside others at a place such as `optimizer.base.base`."""
    first, *fields = place.split(".")
    group: str | None = first
    for field in fields:
        group = group and group_inside(group, field)
    return group


def key_of(override: str) -> str:
    """Return the key or the group that an override sets or deletes."""
    return override.lstrip("+~").partition("=")[0]


def without_prefix(override: str) -> str:
    """Return an override of a sweep's settings as typed: `figure.measure=test_error`."""
    return override.removeprefix("hydra.launcher.").removeprefix("hydra.sweeper.")


def as_typed(words: str) -> str:
    """Return overrides in the form in which a person types them: the inverse of `normalize`."""
    return re.sub(r"\w+@", "", words).replace("'", "")


def typed_words(overrides: Iterable[str]) -> str:
    """Return the overrides of a job as the user typed them, in one line."""
    return as_typed(" ".join(word for word in overrides if not word.startswith("hydra.")))


def numbered_options(overrides: Iterable[str]) -> set[str]:
    """Return the numbers that normalized overrides use as the name of a batch size."""
    return {
        number
        for override in overrides
        if override.startswith(f"{NUMBERED_GROUP}=")
        for number in _QUOTED_INTEGER.findall(override)
    }


def normalize_completion_line(line: str) -> str:
    """Rewrite all words of a command line under completion but the last, which is being typed.

    Flags such as `-m` are left out, since Hydra reads every word as an override.
    """
    head, _, last = line.rpartition(" ")
    program, *words = head.split() or [""]
    of_flags = {id(word) for flag in source_flags(words) for word in flag.words}
    kept = normalize(w for w in words if not w.startswith("-") and id(w) not in of_flags)
    return " ".join([program, *kept, last])


def readable_name(start: int | str, override_dirname: str) -> str:
    """Return the name of the directory of a run, safe for any file system.

    Args:
        start: the number of the run in its sweep, or the time; it makes the name unique.
        override_dirname: the overrides, as Hydra joins them.

    Returns:
        `start_overrides`, cut after 120 characters.
    """
    plain = re.sub(r"[^\w.,=+\-\[\]]", "", as_typed(override_dirname))
    return f"{start}_{plain}"[:120].rstrip("_,")


def zero_padded(name: str, number: int, digits: int) -> str:
    """Pad the number that a name starts with by zeros, so that names sort as numbers do.

    Args:
        name: the name of the directory of a run.
        number: the number of the run in its sweep.
        digits: how many digits the number gets.

    Returns:
        The new name; a name that does not start with the number is returned as it is.
    """
    is_numbered = name == str(number) or name.startswith(f"{number}_")
    return "0" * (digits - len(str(number))) + name if is_numbered else name
