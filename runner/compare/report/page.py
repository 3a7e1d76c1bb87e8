"""A comparison as one HTML file that needs nothing else: no network, no server.

The tables are in the HTML; the curves are JSON, which the page's script draws with plotly.js. The
page's content security policy allows these two scripts only, by their hashes, and no connection.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import string
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from runner.compare.curve_summary import table
from runner.compare.grouping import Group, format_setting
from runner.compare.report.content import common_settings, content, runs_of, safe_json
from runner.compare.report.rerun import commands_of_sweeps
from runner.compare.report.sections import (
    cells_table,
    commands,
    compared_line,
    definitions,
    differing_table,
    paragraphs,
    picture,
    runs_table,
)
from runner.compare.view import KINDS, View
from runner.errors import ConfigError
from runner.version import own_version

SCRIPTS = ("curves.js", "figure.js", "tables.js")
"""The parts of the page's script, in their order."""


class Words(NamedTuple):
    """What a page says of a comparison in words.

    Attributes:
        title: its title.
        cells: the table of `runner-compare`, the header first.
        sentences: what is said below that table: the verdict.
        notes: what was left out.
    """

    title: str
    cells: Sequence[Sequence[str]]
    sentences: Sequence[str]
    notes: Sequence[str] = ()


def check_library(file: Path) -> None:
    """Check that what draws the curves is installed.

    Raises:
        ConfigError: it is not.
    """
    if importlib.util.find_spec("plotly") is None:
        raise ConfigError(
            f"--output {file}: a page needs plotly, which is not installed: pip install plotly "
            "(it is the extra `report`)"
        )


def save_page(file: Path, groups: Sequence[Group], view: View, words: Words) -> None:
    """Write a page.

    Args:
        file: where.
        groups: the groups that are compared.
        view: what is shown of them at first.
        words: what the page says.

    Raises:
        ConfigError: the kind of figure cannot be drawn of these groups.
        OSError: the file cannot be written.
    """
    file.write_text(page(groups, view, words), encoding="utf-8")


def page(groups: Sequence[Group], view: View, words: Words) -> str:
    """Make a page.

    Args:
        groups: the groups that are compared.
        view: what is shown of them at first.
        words: what the page says.

    Returns:
        The HTML.

    Raises:
        ConfigError: the kind of figure cannot be drawn of these groups.
    """
    from plotly.offline import get_plotlyjs

    by_problem = KINDS[view.kind].by_problem
    ordered = groups if by_problem else [row.group for row in table(groups, view.chosen_measure)]
    runs = runs_of(ordered)
    known = content(ordered, view)
    scripts = [get_plotlyjs(), "\n".join(['"use strict";', *map(_part, SCRIPTS)])]
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    group_cells = words.cells
    if by_problem:
        keys = list(ordered[0].settings)
        group_cells = [[*keys, "runs"]]
        group_cells += [
            [*map(format_setting, group.settings.values()), group.outcome] for group in ordered
        ]
    return string.Template(_part("page.html")).substitute(
        policy=f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; "
        f"script-src {hashes}",
        style=_part("page.css"),
        title=escape(words.title),
        compared=escape(compared_line(ordered, runs)),
        verdict=paragraphs(words.sentences),
        picture=picture(groups, view),
        problems=f"<h2>Problems</h2>{cells_table('problems', words.cells)}" if by_problem else "",
        groups=cells_table("groups", group_cells),
        runs=runs_table(runs, list(ordered[0].settings)),
        differing=differing_table(runs),
        common=definitions(common_settings(runs)),
        rerun=commands(commands_of_sweeps(runs), [run["command"] for run in known["runs"]]),
        notes=paragraphs(words.notes),
        made=escape(f"{own_version()} on {datetime.now(UTC):%Y-%m-%d}"),
        content=safe_json(known),
        plotly=scripts[0],
        script=scripts[1],
    )


def _part(name: str) -> str:
    """A file of this package."""
    return (resources.files("runner.compare.report") / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
