"""What is known of an option without using it: its meaning, and its keys with default and range.

The meaning and the words about keys are the comments of the YAML file of the option; types, ranges
and the rule are those of its class. Nothing here imports JAX.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from runner.config.values import shown
from runner.errors import ConfigError
from runner.experiment.groups import group_of
from runner.options.option import Option, holds_option, leaf_names


class Key(NamedTuple):
    """A key of an option.

    Attributes:
        name: its name, without the group.
        default: the value where none is typed, as it is typed.
        kind: its type in words: `float`, `list of int, data`.
        limits: the range in words; empty if there is none.
        meaning: the comment beside it.
        inside: the group, if the key holds another option.
    """

    name: str
    default: str
    kind: str
    limits: str
    meaning: str
    inside: str | None = None


def file_of(directories: Sequence[Path], group: str, name: str) -> Path | None:
    """The YAML file of an option in the first of some folders that has it; None if none has.

    Args:
        directories: folders of options, in their order.
        group: the group of the option.
        name: its name.
    """
    files = (directory / group / f"{name}.yaml" for directory in directories)
    return next((file for file in files if file.is_file()), None)


def read_option(directories: Sequence[Path], group: str, name: str) -> dict[str, Any]:
    """Return the content of an option's YAML file, with the option inside it where it has one.

    Args:
        directories: folders of options; the first that has the file counts.
        group: the group of the option.
        name: its name.

    Raises:
        ConfigError: there is no such file.
    """
    import yaml

    file = file_of(directories, group, name)
    if file is None:
        raise ConfigError(f"{group}={name}: there is no {group}/{name}.yaml")
    node = yaml.safe_load(file.read_text(encoding="utf-8"))
    for entry in node.pop("defaults", []):
        if entry != "_self_":
            ((inside, inner),) = entry.items()
            inner_group, _, key = inside.strip("/").partition("@")
            node[key] = read_option(directories, inner_group, inner)
    return node


def comment_of(file: Path) -> list[str]:
    """The comment that a YAML file starts with, line by line; the first line is the meaning."""
    lines = file.read_text(encoding="utf-8").splitlines()
    lines = lines[1:] if lines[:1] and lines[0].startswith("# @package") else lines
    found: list[str] = []
    for line in lines:
        if line.strip() and not line.startswith("#"):
            break
        found.append(line.removeprefix("#").strip())
    return found


def meaning_of(file: Path) -> str:
    """The meaning of an option in one line: the comment on the first line of its file."""
    return (comment_of(file) or [""])[0]


def rule_of(cls: type[Option]) -> str:
    """The rule of an option with its source: the docstring of its class."""
    return inspect.cleandoc(cls.__doc__ or "")


def introduction(group: str) -> str:
    """What the module of a group says about it; empty for `data`, which has one for each family."""
    try:
        module = importlib.import_module(f"runner.options.{group}")
    except ModuleNotFoundError:
        return ""
    return inspect.cleandoc(module.__doc__ or "")


def keys_of(cls: type[Option], file: Path | None) -> list[Key]:
    """The keys of an option, in the order of the fields of its class.

    Args:
        cls: its class.
        file: its YAML file, which has their meanings; None if there is none.
    """
    text = file.read_text(encoding="utf-8") if file else ""
    meanings = dict(re.findall(r"^(\w+): .*?  # (.*)$", text, re.MULTILINE))
    inner = dict(re.findall(r"^  - /\w+@(\w+): (\w+)", text, re.MULTILINE))
    types, floats, keys = get_type_hints(cls), leaf_names(cls), []
    for field in dataclasses.fields(cls):
        expected = types[field.name]
        if holds_option(expected):
            default = inner.get(field.name, "")
            keys.append(Key(field.name, default, "", "", "the option inside", group_of(expected)))
            continue
        limits = field.metadata.get("range")
        kind = _kind(expected)
        if field.name in floats and expected is not float:
            kind += ", data"
        is_required = field.default is dataclasses.MISSING
        default = "???" if is_required else shown(field.default)
        meaning = meanings.get(field.name, "")
        keys.append(Key(field.name, default, kind, str(limits or ""), meaning))
    return keys


def _kind(expected: Any) -> str:
    """The type of a key in the words of error messages."""
    if get_origin(expected) in (Union, UnionType):
        return " or ".join(
            "null" if arm is type(None) else _kind(arm) for arm in get_args(expected)
        )
    if get_origin(expected) is Literal:
        return "one of " + ", ".join(map(str, get_args(expected)))
    if get_origin(expected) is tuple:
        return f"list of {_kind(get_args(expected)[0])}"
    return {str: "text", bool: "true or false"}.get(expected, expected.__name__)
