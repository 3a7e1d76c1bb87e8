"""The page that documents every option, made from the table, the classes and the YAML files.

`python -m runner.documentation.options_page` prints it; `make docs` writes it to `docs/options.md`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import re
from pathlib import Path
from typing import get_type_hints

from runner.config.locations import config_directory
from runner.experiment.table import OPTIONS
from runner.options.option import Option, holds_option, leaf_names

HEAD = """\
# Options

Made by `make docs` from the option table; do not edit. Numbers marked *float* or *data* are data:
runs that differ only in them share one compiled program.
"""


def page() -> str:
    """The whole page, in Markdown."""
    sections = [HEAD]
    for group, names in OPTIONS.items():
        sections.append(f"## {group}\n")
        with contextlib.suppress(ModuleNotFoundError):
            module = importlib.import_module(f"runner.options.{group}")
            sections.append(inspect.cleandoc(module.__doc__ or "") + "\n")
        sections += [_option(group, name, cls) for name, cls in names.items()]
    return "\n".join(sections)


def _option(group: str, name: str, cls: type[Option]) -> str:
    file = config_directory() / group / f"{name}.yaml"
    parts = [f"### `{group}={name}`\n", _docstring(cls)]
    if dataclasses.fields(cls):
        parts += [_keys(cls, file)]
    return "\n".join(parts)


def _docstring(cls: type[Option]) -> str:
    text = inspect.cleandoc(cls.__doc__ or "") + "\n"
    return re.sub(r"^\* ", r"\\* ", text, flags=re.MULTILINE)  # a product, not a list


def _keys(cls: type[Option], file: Path) -> str:
    """A table of the option's keys, their defaults, ranges and meanings."""
    text = file.read_text(encoding="utf-8")
    meanings = dict(re.findall(r"^(\w+): .*?  # (.*)$", text, re.MULTILINE))
    inner = dict(re.findall(r"^  - /\w+@(\w+): (\w+)", text, re.MULTILINE))
    types = get_type_hints(cls)
    floats = leaf_names(cls)
    rows = ["| key | default | range | meaning |", "|---|---|---|---|"]
    for field in dataclasses.fields(cls):
        if holds_option(types[field.name]):
            rows.append(
                f"| `{field.name}` | `{inner[field.name]}` | *{file.parent.name}* | "
                f"the one inside; its keys are `{file.parent.name}.{field.name}.<key>` |"
            )
            continue
        limits = field.metadata.get("range")
        kind = str(field.type).replace("|", "or")
        if field.name in floats and kind != "float":
            kind += ", data"
        allowed = f"*{kind}*" + (f", {limits}" if limits and str(limits) else "")
        default = "null" if field.default is None else str(field.default)
        rows.append(
            f"| `{field.name}` | `{default}` | {allowed} | {meanings.get(field.name, '')} |"
        )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(page(), end="")
