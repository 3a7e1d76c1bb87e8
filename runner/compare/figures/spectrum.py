"""The figure of the spectrum: the eigenvalues of the Hessian at the start and at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from runner.compare.figures.inside import MOST_PANELS, measured, note, title_of_panel
from runner.compare.figures.style import (
    LABEL_SIZE,
    OKABE_ITO,
    TICK_SIZE,
    empty_panels,
    legend_beside,
    small_print,
)
from runner.compare.grouping import Group
from runner.compare.look import PLAIN, Look
from runner.options.diagnostics.curvature import TABLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 0.01
"""The standard deviation of the Gaussian that is drawn for an eigenvalue, relative to the range."""

_LEAST_DENSITY = 1e-5
_SMALLEST_SHARE = 1e-9
"""What an axis reaches down to: so that the ends of a spectrum are seen, of which each represents
about one eigenvalue, and no further than the share of one among a billion."""


def spectrum_figure(groups: Sequence[Group], look: Look = PLAIN) -> Figure:
    """Draw the spectral density of the Hessian before the first step and at the end.

    Each eigenvalue is drawn as a Gaussian with 1 % of the range for its standard deviation, as high
    as the share of the spectrum that it represents.

    Args:
        groups: the groups; of each the run with the least seed is shown.
        look: how the figure looks.

    Raises:
        ConfigError: no run has such diagnostics.
    """
    found = measured(groups, TABLE, "spectrum", "diagnostics=curvature")
    shown = found[:MOST_PANELS]
    figure, panels = empty_panels(len(shown), look)
    for panel, (group, rows) in zip(panels, shown, strict=True):
        first, last = rows[0], rows[-1]
        grid = _grid(first, last)
        at_end = _density(last, grid)
        panel.plot(grid, at_end, color=OKABE_ITO[0], lw=1, label=f"epoch {last['epoch']}")
        panel.fill_between(grid, 0, at_end, color=OKABE_ITO[0], alpha=0.3, lw=0)
        if len(rows) > 1:
            at_start = _density(first, grid)
            panel.plot(grid, at_start, color="black", lw=0.8, label=f"epoch {first['epoch']}")
        panel.set_xlabel("eigenvalue of the Hessian", fontsize=LABEL_SIZE)
        panel.set_title(_ends(title_of_panel(group) * (len(shown) > 1), last), fontsize=TICK_SIZE)
    panels[0].set_yscale("log")
    panels[0].set_ylim(_least_density([row for _, rows in shown for row in rows[[0, -1]]]), 2)
    panels[0].set_ylabel("share of the spectrum", fontsize=LABEL_SIZE)
    legend_beside(figure, panels[0], "", look)
    words = "each eigenvalue a Gaussian of 1 % of the range; peak: its share; above: the ends"
    words += " with their residuals"
    small_print(figure, "; ".join(filter(None, [words, note(groups, len(found))])))
    return figure


def _ends(label: str, row: npt.NDArray) -> str:
    """The label of a group, and the ends of a spectrum with their residuals."""
    ends = " to ".join(
        f"{row[name]:.3g} $\\pm$ {row[f'{name}_residual']:.1g}" for name in ("smallest", "largest")
    )
    return "\n".join(filter(None, [label, ends]))


def _grid(*rows: npt.NDArray) -> npt.NDArray:
    """Places from below the smallest to above the largest eigenvalue of some evaluations."""
    values = np.concatenate([row["eigenvalues"] for row in rows])
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    margin = 0.05 * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, 1000)


def _least_density(rows: Sequence[npt.NDArray]) -> float:
    """Half of the least share of an end of a spectrum, unless it is large or nearly nothing."""
    ends = [
        row["weights"][[row["eigenvalues"].argmin(), row["eigenvalues"].argmax()]] for row in rows
    ]
    return float(np.clip(np.min(ends) / 2, _SMALLEST_SHARE, _LEAST_DENSITY))


def _density(row: npt.NDArray, grid: npt.NDArray) -> npt.NDArray:
    """The weights of the eigenvalues, each spread over a Gaussian with a peak of 1."""
    width = _WIDTH * (grid[-1] - grid[0])
    distances = (grid[:, None] - row["eigenvalues"]) / width
    return np.exp(-0.5 * distances**2) @ row["weights"]
