"""The page that documents every option, made from the table, the classes and the YAML files.

`python -m runner.documentation.options_page` prints it; `make docs` writes it to `docs/options.md`.
"""

from __future__ import annotations

import re

from runner.config.described import Key, introduction, keys_of, rule_of
from runner.config.locations import config_directory
from runner.experiment.pairing import SUITED
from runner.experiment.table import OPTIONS
from runner.options.option import Option

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
        sections += [f"## {group}\n", _paragraph(introduction(group))]
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


def _paragraph(text: str) -> str:
    return f"{text}\n" if text else ""


def _option(group: str, name: str, cls: type[Option]) -> str:
    file = config_directory() / group / f"{name}.yaml"
    parts = [f"### `{group}={name}`\n", _docstring(cls)]
    if group == "activation" and name in SUITED:
        suited = ", ".join(f"`{other}`" for other in SUITED[name])
        parts += [f"Initializers that suit it: {suited}.\n"]
    if keys := keys_of(cls, file):
        parts += [_table(group, keys)]
    return "\n".join(parts)


def _docstring(cls: type[Option]) -> str:
    text = rule_of(cls) + "\n"
    return re.sub(r"^\* ", r"\\* ", text, flags=re.MULTILINE)  # a product, not a list


def _table(group: str, keys: list[Key]) -> str:
    """Return a table of the keys of an option: default, type and range, meaning."""
    rows = ["| key | default | range | meaning |", "|---|---|---|---|"]
    for key in keys:
        allowed = f"*{key.inside or key.kind}*" + (f", {key.limits}" if key.limits else "")
        meaning = key.meaning
        if key.inside:
            meaning += f"; its keys are `{group}.{key.name}.<key>`"
        rows.append(f"| `{key.name}` | `{key.default}` | {allowed} | {meaning} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(page(), end="")
