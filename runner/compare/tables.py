"""The table of a comparison, for the terminal, Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import math
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence

from runner.compare.curve import label_for
from runner.compare.curve_summary import TIMES, Row, are_shares, kept_or_final
from runner.compare.escapes import in_latex, in_markdown, in_spreadsheet
from runner.compare.grouping import format_setting, runs_of
from runner.compare.profile import Profile
from runner.errors import one_line
from runner.measures import is_minimized
from runner.statistics.intervals import half_width
from runner.statistics.ranks import are_equal

FORMATS = ("text", "markdown", "csv", "latex")


def group_cells(rows: Sequence[Row], measure: str, target: float | None) -> list[list[str]]:
    """The header and a line for each group.

    With a stopping rule the value of a run is that of the evaluation that it keeps.

    Args:
        rows: the groups in numbers.
        measure: the name of the measure that they summarize.
        target: with one there are columns for the time to it.
    """
    keys = list(rows[0].group.settings) if rows else []
    several = any(len(row.group.runs) > 1 for row in rows)
    runs = runs_of(row.group for row in rows)
    final = f"{kept_or_final(runs)} {label_for(runs, measure)}"
    header = [*keys, *([f"median {final}", "mean", "95 %"] if several else [final])]
    if is_minimized(measure):
        header.append("at best validation" if measure.startswith("test_") else "best")
    header.append("mean over epochs")
    if target is not None:
        shares = "seconds (shares)" if are_shares([row.group for row in rows]) else "seconds"
        header += [f"{unit} to {target:g}" for unit in (*list(TIMES)[:-1], shares)]
        header += ["reached"] if several else []
    lines = [[*header, "runs"]]
    for row in rows:
        median = row.median
        line = list(map(format_setting, row.group.settings.values()))
        line += _finals(row) if several else [format_number(median.kept)]
        line += [format_number(median.best)] if is_minimized(measure) else []
        line.append(format_number(median.area))
        if target is not None:
            line += [format_number(getattr(median, unit)) for unit in TIMES]
            line += [f"{row.reached}/{len(row.group.runs)}"] if several else []
        lines.append([*line, row.group.outcome])
    return lines


def _finals(row: Row) -> list[str]:
    """The median, the mean and its interval, with the digits that the interval leaves."""
    known = [final for final in row.finals if math.isfinite(final)]
    if len(known) < len(row.finals):
        return [format_number(row.median.kept), "-", ""]  # infinite values have no mean
    width = uncertainty(known)
    values = [format_rounded(value, width) for value in (row.median.kept, row.mean)]
    return [*values, interval(known, lambda value: format_rounded(value, width))]


def uncertainty(values: Sequence[float]) -> float | None:
    """Half the width of the interval of a mean, of two values their distance; None for one.

    0 if the values are equal but for rounding.
    """
    if len(values) > 1 and are_equal(min(values), max(values)):
        return 0.0
    if len(values) == 2:
        return abs(values[0] - values[1])
    return half_width(values)


def interval(values: Sequence[float], show: Callable[[float], str]) -> str:
    """The 95 % interval of a mean; of two values from one to the other; of one nothing.

    Args:
        values: the values, all finite.
        show: writes one of them.
    """
    if len(values) == 2:
        return f"{show(min(values))} to {show(max(values))}"
    half = uncertainty(values)
    return "" if half is None else f"+- {show(half)}"


def format_rounded(value: float, width: float | None) -> str:
    """A number with the decimals of two digits of its uncertainty; four digits if that is 0."""
    if not width or not math.isfinite(value) or not math.isfinite(width):
        return format_number(value)
    # Rounded first: 0.0996 has the two digits 0.10.
    decimals = 1 - math.floor(math.log10(float(f"{width:.1e}")))
    return f"{round(value, decimals):.{max(decimals, 0)}f}"


def profile_cells(profile: Profile) -> list[list[str]]:
    """The header, a line for each competitor (score, part solved, time by problem), the targets."""
    by_problem = [f"{profile.unit}: {problem.name}" for problem in profile.problems]
    lines = [["compared", "score", "solved", *by_problem]]
    for name, score in profile.scores.items():
        row = profile.names.index(name)
        times, ratios = profile.times[row], profile.ratios[row]
        spent = [
            "not run" if math.isnan(time) else _time_and_ratio(time, ratio)
            for time, ratio in zip(times, ratios, strict=True)
        ]
        solved = f"{sum(map(math.isfinite, times))}/{len(times)}"
        lines.append([name, f"{score:.2f}", solved, *spent])
    targets = [
        f"<= {format_number(problem.target)}" + " (met at step 0)" * at_start
        for problem, at_start in zip(profile.problems, profile.met_at_start, strict=True)
    ]
    return [*lines, [f"target ({profile.label})", "", "", *targets]]


def _time_and_ratio(time: float, ratio: float) -> str:
    return format_number(time) + (f" (x{ratio:.3g})" if math.isfinite(ratio) and ratio > 1 else "")


def render(lines: Sequence[Sequence[str]], form: str) -> str:
    """Render a table.

    Args:
        lines: the cells of each line, the header first.
        form: one of `FORMATS`: text with aligned columns, and titles on several lines where the
            terminal is narrower; Markdown, CSV, or LaTeX (with `booktabs`).
    """
    if form == "csv":
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([map(in_spreadsheet, line) for line in lines])
        return file.getvalue()
    if form == "markdown":
        return markdown([list(map(in_markdown, line)) for line in lines], "---|" * len(lines[0]))
    if form == "latex":
        return latex([list(map(in_latex, line)) for line in lines], "l" * len(lines[0]))
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else math.inf
    lines = _with_narrow_titles([list(map(one_line, line)) for line in lines], room)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        + "\n"
        for line in lines
    )


def _with_narrow_titles(lines: list[list[str]], room: float) -> list[list[str]]:
    """The cells with titles on several lines, as wide as their columns need, if there is no room.

    Args:
        lines: the cells, the titles first.
        room: how many letters a line may have.
    """
    columns = list(zip(*lines, strict=True))
    if sum(max(map(len, column)) + 2 for column in columns) - 2 <= room:
        return lines
    parts = [
        textwrap.wrap(title, max(1, *map(len, [*cells, *title.split()])), break_on_hyphens=False)
        for title, *cells in columns
    ]
    height = max(map(len, parts))
    titles = [[""] * (height - len(part)) + part for part in parts]
    return [*map(list, zip(*titles, strict=True)), *lines[1:]]


def markdown(lines: Sequence[Sequence[str]], alignment: str) -> str:
    """A table in Markdown.

    Args:
        lines: the cells of each line in Markdown, the header first.
        alignment: `---|` for each column, or `---:|` for one that is aligned to the right.
    """
    head, *body = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([head, f"|{alignment}", *body]) + "\n"


def latex(lines: Sequence[Sequence[str]], columns: str) -> str:
    """A table in LaTeX, with `booktabs`.

    Args:
        lines: the cells of each line in LaTeX, the header first.
        columns: the letter of each column: `l`, or `r` for one that is aligned to the right.
    """
    head, *body = [rf"{' & '.join(line)} \\" for line in lines]
    begin, end = rf"\begin{{tabular}}{{{columns}}}", r"\end{tabular}"
    rows = [begin, r"\toprule", head, r"\midrule", *body, r"\bottomrule", end]
    return "\n".join(rows) + "\n"


def format_number(value: float) -> str:
    """A number in a table: four digits, `never` if infinite, `-` if not known."""
    if math.isnan(value):
        return "-"
    return "never" if math.isinf(value) else f"{value:.4g}"
