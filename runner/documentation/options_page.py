"""The page that documents every option, made from the table, the classes and the YAML files.

`python -m runner.documentation.options_page` prints it; `make docs` writes it to `docs/options.md`.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from runner.config.locations import config_directory
from runner.config.values import shown
from runner.experiment.groups import group_of
from runner.experiment.pairing import SUITED
from runner.experiment.table import OPTIONS
from runner.options.option import Option, holds_option, leaf_names

HEAD = """\
# Options

Made by `make docs` from the code; do not edit. Values are shown as they are typed, such as
`batch_size.micro_batch=null`. Runs that differ only in numbers marked *float* or *data* share one
compiled program.
"""


def page() -> str:
    """Return the whole page, in Markdown."""
    sections = [HEAD, index()]
    for group, names in OPTIONS.items():
        sections += [f"## {group}\n", _introduction(group)]
        sections += [_option(group, name, cls) for name, cls in names.items()]
    return "\n".join(sections)


def index() -> str:
    """Return a line of links for every group: the group, then its options."""
    lines = []
    for group, names in OPTIONS.items():
        links = [f"[{name}](#{_anchor(f'{group}={name}')})" for name in names]
        lines.append(f"- [**{group}**](#{_anchor(group)}): {', '.join(links)}")
    return "\n".join(lines) + "\n"


def _anchor(heading: str) -> str:
    """Return the link to a heading as Markdown viewers make it: only letters, digits, `_`, `-`."""
    return re.sub(r"[^\w-]", "", heading.lower())


def _introduction(group: str) -> str:
    """Return what the module of a group says about it."""
    try:
        module = importlib.import_module(f"runner.options.{group}")
    except ModuleNotFoundError:  # data
        return ""
    return inspect.cleandoc(module.__doc__ or "") + "\n"


def _option(group: str, name: str, cls: type[Option]) -> str:
    file = config_directory() / group / f"{name}.yaml"
    parts = [f"### `{group}={name}`\n", _docstring(cls)]
    if group == "activation" and name in SUITED:
        suited = ", ".join(f"`{other}`" for other in SUITED[name])
        parts += [f"Initializers that suit it: {suited}.\n"]
    if dataclasses.fields(cls):
        parts += [_keys(cls, file)]
    return "\n".join(parts)


def _docstring(cls: type[Option]) -> str:
    text = inspect.cleandoc(cls.__doc__ or "") + "\n"
    return re.sub(r"^\* ", r"\\* ", text, flags=re.MULTILINE)  # a product, not a list


def _keys(cls: type[Option], file: Path) -> str:
    """Return a table of the keys of an option: default, type and range, meaning."""
    text = file.read_text(encoding="utf-8")
    meanings = dict(re.findall(r"^(\w+): .*?  # (.*)$", text, re.MULTILINE))
    inner = dict(re.findall(r"^  - /\w+@(\w+): (\w+)", text, re.MULTILINE))
    types = get_type_hints(cls)
    floats = leaf_names(cls)
    rows = ["| key | default | range | meaning |", "|---|---|---|---|"]
    for field in dataclasses.fields(cls):
        if holds_option(types[field.name]):
            rows.append(
                f"| `{field.name}` | `{inner[field.name]}` | *{group_of(types[field.name])}* | "
                f"the option inside; its keys are `{file.parent.name}.{field.name}.<key>` |"
            )
            continue
        limits = field.metadata.get("range")
        kind = _kind(types[field.name])
        if field.name in floats and types[field.name] is not float:
            kind += ", data"
        allowed = f"*{kind}*" + (f", {limits}" if limits and str(limits) else "")
        default, meaning = shown(field.default), meanings.get(field.name, "")
        rows.append(f"| `{field.name}` | `{default}` | {allowed} | {meaning} |")
    return "\n".join(rows) + "\n"


def _kind(expected: Any) -> str:
    """Return the type of a key in the words of error messages."""
    if get_origin(expected) in (Union, UnionType):
        return " or ".join(
            "null" if arm is type(None) else _kind(arm) for arm in get_args(expected)
        )
    if get_origin(expected) is Literal:
        return "one of " + ", ".join(map(str, get_args(expected)))
    if get_origin(expected) is tuple:
        return f"list of {_kind(get_args(expected)[0])}"
    return {str: "text", bool: "true or false"}.get(expected, expected.__name__)


if __name__ == "__main__":
    print(page(), end="")
