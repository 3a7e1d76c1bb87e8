"""What a notebook shows of runs: a small table with a line or two below, and figures.

All text in the tables is escaped here.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.config.keys import typed
from runner.status import Status
from runner.terminal.live import closing_cells, closing_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 160
"""Of a figure in a notebook, where two make a pixel of the page."""

_NAMED = ("data", "model", "optimizer", "schedule", "seed")
"""The settings that tell what a run is, at a glance."""


def run_in_html(summary: Mapping[str, Any], directory: Path | None) -> str:
    """A run as a notebook shows it: what it is, its losses and errors, how it ended.

    Args:
        summary: its summary; empty if it has none.
        directory: where it is recorded, if it is.
    """
    settings = typed(summary.get("config", {}))
    what = ", ".join(f"{key}={settings[key]}" for key in _NAMED if key in settings)
    where = [f"Recorded in {directory}"] if directory else []
    if "final" not in summary:
        return in_html([], [what, f"{summary.get('status', Status.NOT_RUN)}", *where])
    reason = [str(summary["reason"])] if summary.get("reason") else []
    return in_html(closing_cells(summary), [what, *closing_lines(summary), *reason, *where])


def in_html(cells: Sequence[Sequence[str]], lines: Sequence[str]) -> str:
    """A table with lines below it.

    Args:
        cells: the header and the lines of the table; none: there is no table.
        lines: what is said below.
    """
    table = ""
    if cells:
        head, *body = cells
        rows = "".join(f"<tr>{_row(line, 'td')}</tr>" for line in body)
        table = f"<table><thead><tr>{_row(head, 'th')}</tr></thead><tbody>{rows}</tbody></table>"
    below = "".join(f"<div>{escape(line)}</div>" for line in lines if line)
    return f"<div>{table}{below}</div>"


def _row(cells: Sequence[str], tag: str) -> str:
    return "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells)


def shown(figure: Figure) -> Figure:
    """Let a notebook show a figure that is the last value of a cell, whatever its backend is."""
    figure._repr_png_ = functools.partial(_png, figure)  # type: ignore[attr-defined]
    return figure


def _png(figure: Figure) -> tuple[bytes, dict[str, int]]:
    """The figure for dense screens, and the width at which it is shown."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=DOTS_PER_INCH)
    return data.getvalue(), {"width": round(figure.get_figwidth() * DOTS_PER_INCH / 2)}
