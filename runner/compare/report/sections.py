"""The pieces of a page in HTML: its first line, tables and lists. All text is escaped here."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from runner.compare.curve import label_for
from runner.compare.curve_summary import have_rules
from runner.compare.grouping import Group, format_range, runs_of
from runner.compare.problems import PROBLEM
from runner.compare.report.content import (
    common_settings,
    counted_values,
    values_of,
    varying_keys,
)
from runner.compare.rerun import command
from runner.compare.view import View
from runner.status import count_statuses

if TYPE_CHECKING:
    from runner.compare.runs import Run


def compared_line(groups: Sequence[Group], runs: Sequence[Run]) -> str:
    """One line: how many runs, in which groups, and how they ended."""
    ends = ", ".join(
        f"{n} {status}" for status, n in count_statuses(r.status for r in runs).items()
    )
    text = f"{len(runs)} runs ({ends})" if len(runs) > 1 else f"1 run ({ends})"
    keys = list(groups[0].settings)
    if len(groups) > 1:
        text += f" in {len(groups)} groups that differ in {_listed(keys)}"
    seeds = format_range([len({run.seed for run in group.runs}) for group in groups])
    text += f"; {seeds} {'seed' if seeds == '1' else 'seeds'}{' each' * (len(groups) > 1)}"
    shared = common_settings(runs)
    about = [f"{key}={shared[key]}" for key in PROBLEM if key in shared]
    return "; ".join([text, *([", ".join(about)] if about else [])]) + "."


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def picture(groups: Sequence[Group], view: View) -> str:
    """The figure of a kind that is not curves, as an image."""
    suited = view.suited(groups)
    if suited.kind == "curves":
        return ""
    data = io.BytesIO()
    suited.draw(groups).savefig(data, format="png", dpi=200)
    source = base64.b64encode(data.getvalue()).decode()
    name = escape(
        f"{suited.kind} of {label_for(runs_of(groups), suited.chosen_measure)}".replace("_", " ")
    )
    return (
        f'<section><h2>Figure</h2><img alt="{name}" src="data:image/png;base64,{source}"></section>'
    )


def cells_table(name: str, cells: Sequence[Sequence[str]]) -> str:
    """A table of texts; `name` is the name by which the page's script finds it."""
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


def runs_table(runs: Sequence[Run], keys: Sequence[str]) -> str:
    """A row for each run, with the exact numbers to sort by."""
    rules = have_rules(runs)
    lines = [values_of(run, keys, rules=rules) for run in runs]
    rows = []
    for index, line in enumerate(lines):
        cells = ""
        for _, text, number in line:
            exact = "" if number is None else f' data-value="{number!r}"'
            cells += f"<td{exact}>{escape(text)}</td>"
        rows.append(f'<tr data-index="{index}">{cells}</tr>')
    return _table_of("runs", [key for key, _, _ in lines[0]], rows)


def differing_table(runs: Sequence[Run]) -> str:
    """What differs between the configs: each key with its values and how many runs have them."""
    counted = counted_values(runs, varying_keys(runs))
    if not counted:
        return "<p>Nothing but the seed.</p>" if len(runs) > 1 else "<p>There is one run.</p>"
    cells = [
        [key, ", ".join(f"{value} ({count})" for value, count in values.items())]
        for key, values in counted.items()
    ]
    return cells_table("differing", [["setting", "values (runs)"], *cells])


def definitions(settings: Mapping[str, str]) -> str:
    """A list of settings with their values."""
    items = (f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>" for key, text in settings.items())
    return f"<dl>{''.join(items)}</dl>"


def commands(sweeps: Mapping[str, str], runs: Iterable[str]) -> str:
    """The commands of sweeps, by their names, and of runs, and the one that repeats a record."""
    text = "".join(
        f"<p>The sweep {escape(name)}:</p><pre>{escape(typed)}</pre>"
        for name, typed in sweeps.items()
    )
    lines = escape("\n".join(filter(None, runs)))
    if lines:
        state = "" if text else " open"
        text += f"<details{state}><summary>Each run</summary><pre>{lines}</pre></details>"
    text = text or "<p>The folders of these runs do not record what was typed.</p>"
    folder = next(iter(sweeps), "FOLDER")
    repeat = escape(command("runner", ["--rerun", folder]))
    return f"{text}<p>What a folder records, repeated and compared:</p><pre>{repeat}</pre>"


def paragraphs(sentences: Iterable[str]) -> str:
    """A paragraph for each sentence that is not empty."""
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences if sentence)
