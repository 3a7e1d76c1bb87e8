"""A comparison as one HTML file that needs nothing else: no network, no server.

The tables are in the HTML; the curves are JSON, which the page's script draws with plotly.js. The
page's content security policy allows these two scripts only, by their hashes, and no connection.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import string
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runner.compare.curve import measure_label
from runner.compare.curve_summary import table
from runner.compare.grouping import Group, format_range, format_setting
from runner.compare.report.content import (
    common_settings,
    content,
    counted_values,
    runs_of,
    safe_json,
    values_of,
    varying_keys,
)
from runner.compare.report.rerun import commands_of_sweeps
from runner.compare.view import KINDS, View
from runner.errors import ConfigError
from runner.status import count_statuses
from runner.version import own_version

if TYPE_CHECKING:
    from runner.compare.runs import Run

ENDING = ".html"
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
    """Make a page; see `save_page`."""
    from plotly.offline import get_plotlyjs

    by_problem = KINDS[view.kind].by_problem
    ordered = groups if by_problem else [row.group for row in table(groups, view.chosen_measure)]
    runs = runs_of(ordered)
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
        compared=escape(_compared(ordered, runs)),
        verdict=_paragraphs(words.sentences),
        picture=_picture(groups, view),
        problems=_html_table("problems", words.cells) if by_problem else "",
        groups=_html_table("groups", group_cells),
        runs=_runs_table(runs, list(ordered[0].settings)),
        differing=_differing(runs),
        common=_definitions(common_settings(runs)),
        rerun=_rerun(runs),
        notes=_paragraphs(words.notes),
        made=escape(f"{own_version()} on {datetime.now(UTC):%Y-%m-%d}"),
        content=safe_json(content(ordered, view)),
        plotly=scripts[0],
        script=scripts[1],
    )


def _part(name: str) -> str:
    """A file of this package."""
    return (resources.files("runner.compare.report") / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _compared(groups: Sequence[Group], runs: Sequence[Run]) -> str:
    """One line: how many runs, in which groups, and how they ended."""
    ends = ", ".join(
        f"{n} {status}" for status, n in count_statuses(r.status for r in runs).items()
    )
    text = f"{len(runs)} runs ({ends})" if len(runs) > 1 else f"1 run ({ends})"
    keys = list(groups[0].settings)
    if len(groups) > 1:
        text += f" in {len(groups)} groups that differ in {' and '.join(keys)}"
    seeds = format_range([len({run.seed for run in group.runs}) for group in groups])
    text += f"; {seeds} {'seed' if seeds == '1' else 'seeds'}{' each' * (len(groups) > 1)}"
    shared = common_settings(runs)
    about = [f"{key}={shared[key]}" for key in ("data", "model") if key in shared]
    return "; ".join([text, *([", ".join(about)] if about else [])]) + "."


def _picture(groups: Sequence[Group], view: View) -> str:
    """The figure of a kind that is not curves, as an image."""
    suited = view.suited(groups)
    if suited.kind == "curves":
        return ""
    data = io.BytesIO()
    suited.draw(groups).savefig(data, format="png", dpi=200)
    source = base64.b64encode(data.getvalue()).decode()
    name = escape(f"{suited.kind} of {measure_label(suited.chosen_measure)}".replace("_", " "))
    return (
        f'<section><h2>Figure</h2><img alt="{name}" src="data:image/png;base64,{source}"></section>'
    )


def _html_table(name: str, cells: Sequence[Sequence[str]]) -> str:
    head, *body = cells
    rows = [
        f'<tr data-index="{index}">{"".join(f"<td>{escape(cell)}</td>" for cell in line)}</tr>'
        for index, line in enumerate(body)
    ]
    return _table_of(name, head, rows)


def _table_of(name: str, head: Iterable[str], rows: Iterable[str]) -> str:
    header = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    return (
        f'<div class="scroll"><table id="{name}"><thead><tr>{header}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _runs_table(runs: Sequence[Run], keys: Sequence[str]) -> str:
    """A row for each run, with the exact numbers to sort by."""
    lines = [{key: (text, number) for key, text, number in values_of(run, keys)} for run in runs]
    head = list(dict.fromkeys(key for line in lines for key in line))
    rows = []
    for index, line in enumerate(lines):
        cells = ""
        for key in head:
            text, number = line.get(key, ("-", None))
            exact = "" if number is None else f' data-value="{number!r}"'
            cells += f"<td{exact}>{escape(text)}</td>"
        rows.append(f'<tr data-index="{index}">{cells}</tr>')
    return _table_of("runs", head, rows)


def _differing(runs: Sequence[Run]) -> str:
    """What differs between the configs: each key with its values and how many runs have them."""
    counted = counted_values(runs, varying_keys(runs))
    if not counted:
        return "<p>Nothing but the seed.</p>"
    cells = [
        [key, ", ".join(f"{value} ({count})" for value, count in values.items())]
        for key, values in counted.items()
    ]
    return _html_table("differing", [["setting", "values (runs)"], *cells])


def _definitions(settings: Mapping[str, str]) -> str:
    return (
        "<dl>"
        + "".join(
            f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>" for key, text in settings.items()
        )
        + "</dl>"
    )


def _rerun(runs: Sequence[Run]) -> str:
    """The commands of the sweeps."""
    commands = commands_of_sweeps(runs)
    return "".join(
        f"<p>The sweep {escape(name)}:</p><pre>{escape(command)}</pre>"
        for name, command in commands.items()
    )


def _paragraphs(sentences: Iterable[str]) -> str:
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences if sentence)
