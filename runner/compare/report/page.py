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

from runner.compare.conclusions import notes, verdict
from runner.compare.curve_summary import table
from runner.compare.grouping import Group, runs_of
from runner.compare.report.content import common_settings, content, safe_json
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
from runner.compare.rerun import commands_of_sweeps
from runner.compare.tables import group_cells, profile_cells
from runner.compare.view import View
from runner.errors import ConfigError, RecordError
from runner.version import own_version
from runner.whole_files import replace_text

SCRIPTS = ("curves.js", "figure.js", "tables.js")
"""The parts of the page's script, in their order."""


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


def save_page(
    file: Path, groups: Sequence[Group], view: View, title: str, left_out: int = 0
) -> None:
    """Write a page; see `page`.

    Args:
        file: where.
        groups: the groups that are compared.
        view: what is shown of them at first.
        title: the title of the page.
        left_out: how many folders were left out.

    Raises:
        ConfigError: the kind of figure cannot be drawn of these groups.
        RecordError: the file cannot be written.
    """
    text = page(groups, view, title, left_out)
    try:
        replace_text(file, text)
    except OSError as error:
        raise RecordError(f"{file}: cannot be written: {error}") from error


def page(groups: Sequence[Group], view: View, title: str, left_out: int = 0) -> str:
    """Make a page.

    Args:
        groups: the groups that are compared.
        view: what is shown of them at first.
        title: the title of the page.
        left_out: how many folders were left out, such as copies of runs.

    Returns:
        The HTML.

    Raises:
        ConfigError: the kind of figure cannot be drawn of these groups.
    """
    from plotly.offline import get_plotlyjs

    measure, problems = view.chosen_measure, ""
    rows = table(groups, measure, view.target)
    if view.by_problem:
        rows.sort(key=lambda row: groups.index(row.group))  # problems have no common order
        problems = (
            f"<h2>Problems</h2>{cells_table('problems', profile_cells(view.profile(groups)))}"
        )
    ordered = [row.group for row in rows]
    runs = runs_of(ordered)
    known = content(ordered, view)
    why = "copies, confirmations, or not runs"
    unread = f"Left out: {left_out} of the folders ({why})." if left_out else ""
    scripts = [get_plotlyjs(), "\n".join(['"use strict";', *map(_part, SCRIPTS)])]
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    return string.Template(_part("page.html")).substitute(
        policy=f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; "
        f"script-src {hashes}",
        style=_part("page.css"),
        title=escape(view.title or title),
        compared=escape(compared_line(ordered, runs)),
        verdict=paragraphs([verdict(view, groups), *notes(view, groups), unread]),
        picture=picture(groups, view),
        problems=problems,
        groups=cells_table("groups", group_cells(rows, measure, view.target)),
        runs=runs_table(runs, list(ordered[0].settings)),
        differing=differing_table(runs),
        common=definitions(common_settings(runs)),
        rerun=commands(commands_of_sweeps(runs), [run["command"] for run in known["runs"]]),
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
