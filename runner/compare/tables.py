"""The table of a comparison, for the terminal, Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Literal

from runner.compare.reading import Row

Format = Literal["text", "markdown", "csv", "latex"]


def cells(rows: Sequence[Row], measure: str, target: float | None) -> list[list[str]]:
    """The header, and a line for each row."""
    keys = list(rows[0].group.settings) if rows else []
    several = any(len(row.group.runs) > 1 for row in rows)
    name = measure.replace("_", " ")
    header = [*keys, f"final {name}", *(["95 %"] if several else []), "best", "mean over epochs"]
    if target is not None:
        header += [f"{unit} to {target:g}" for unit in ("steps", "epochs", "seconds")]
        header += ["reached"] if several else []
    lines = [[*header, "runs"]]
    for row in rows:
        median = row.median
        line = [str(value) for value in row.group.settings.values()] + [number(median.final)]
        if several:
            line.append("" if row.half_width is None else f"+- {row.half_width:.2g}")
        line += [number(median.best), number(median.area)]
        if target is not None:
            line += [number(value) for value in (median.steps, median.epochs, median.seconds)]
            line += [f"{row.reached}/{len(row.group.runs)}"] if several else []
        lines.append([*line, row.outcome])
    return lines


def render(lines: Sequence[Sequence[str]], kind: Format) -> str:
    """The lines as text with aligned columns, Markdown, CSV or LaTeX (with `booktabs`)."""
    if kind == "csv":
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows(lines)
        return file.getvalue()
    if kind == "markdown":
        head, *body = [f"| {' | '.join(line)} |" for line in lines]
        return "\n".join([head, "|" + "---|" * len(lines[0]), *body]) + "\n"
    if kind == "latex":
        head, *body = [" & ".join(map(_escaped, line)) + r" \\" for line in lines]
        columns = "l" * len(lines[0])
        begin, end = rf"\begin{{tabular}}{{{columns}}}", r"\end{tabular}"
        middle = [r"\toprule", head, r"\midrule", *body, r"\bottomrule"]
        return "\n".join([begin, *middle, end]) + "\n"
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        + "\n"
        for line in lines
    )


def _escaped(text: str) -> str:
    for sign in "&%$#_{}":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("+-", r"$\pm$")


def number(value: float) -> str:
    """A number as a table shows it: four digits, `never` if infinite, `-` if not known."""
    if math.isnan(value):
        return "-"
    return "never" if math.isinf(value) else f"{value:.4g}"
