"""The figure of the objective along its gradient, beside the parabola that predicts it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from runner.compare.figures.inside import MOST_PANELS, measured, note, title_of_panel
from runner.compare.figures.style import (
    LABEL_SIZE,
    OKABE_ITO,
    empty_panels,
    legend_beside,
    number_ticks,
    small_print,
)
from runner.compare.grouping import Group
from runner.compare.look import PLAIN, Look
from runner.options.diagnostics.curvature import TABLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SPAN = 10.0
"""Objectives whose largest is this many times the least have a logarithmic axis."""


def along_gradient_figure(groups: Sequence[Group], look: Look = PLAIN) -> Figure:
    """Draw the objective after one step along the gradient, against the size of the step.

    Args:
        groups: the groups; of each the run with the least seed is shown.
        look: how the figure looks.

    Raises:
        ConfigError: no run has such diagnostics.
    """
    found = measured(groups, TABLE, "along_gradient", "diagnostics=curvature")
    shown = found[:MOST_PANELS]
    figure, panels = empty_panels(len(shown), look, sharey=False)
    for panel, (group, rows) in zip(panels, shown, strict=True):
        ends = rows[[0, -1]] if len(rows) > 1 else rows
        for row, color in zip(ends, ("black", OKABE_ITO[0])[-len(ends) :], strict=True):
            _draw(panel, row, color)
        start, low = ends["objective"].max(), ends["line_losses"].min()
        if 0 < _SPAN * low < start:
            panel.set_yscale("log")
            panel.set_ylim(0.7 * low, 2 * start)
            number_ticks(panel, is_percentage=False)
        elif np.isfinite(start) and start > low:
            panel.set_ylim(low - 0.1 * (start - low), start + 0.5 * (start - low))
        panel.set_xscale("log")
        panel.set_xlabel("size of the step", fontsize=LABEL_SIZE)
        if len(shown) > 1:
            panel.set_title(title_of_panel(group), fontsize=LABEL_SIZE)
    panels[0].set_ylabel("objective after the step", fontsize=LABEL_SIZE)
    legend_beside(figure, panels[0], "", look)
    words = "one step along the gradient; dashed: parabola by g'g and g'Hg; dotted: learning rate"
    small_print(figure, "; ".join(filter(None, [words, note(groups, len(found))])))
    return figure


def _draw(panel: Axes, row: npt.NDArray, color: str) -> None:
    """Draw an evaluation: what is measured, what the parabola says, and the learning rate."""
    steps, name = row["line_steps"], f"epoch {row['epoch']}"
    first, second = steps * row["gradient_square"], steps**2 * row["gradient_curvature"] / 2
    panel.plot(steps, row["line_losses"], color=color, lw=1.2, label=name)
    parabola = row["objective"] - first + second
    panel.plot(steps, parabola, ls="--", color=color, lw=0.8, label=f"_predicted: {name}")
    panel.axvline(steps[len(steps) // 2], ls=":", color=color, lw=0.8, label="_child")
