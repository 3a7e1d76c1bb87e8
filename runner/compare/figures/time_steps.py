"""The figure of gradients through time: what reaches each time step of a recurrent layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from runner.compare.curve import measure_label
from runner.compare.figures.inside import measured, note
from runner.compare.figures.style import (
    LABEL_SIZE,
    empty_panels,
    legend_beside,
    line_styles,
    number_ticks,
    small_print,
    title_of,
)
from runner.compare.grouping import Group
from runner.compare.look import PLAIN, Look
from runner.options.diagnostics.layers import TIME_MEASURES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEASURES = TIME_MEASURES
DEFAULT = TIME_MEASURES[0]

MOST_LINES = 8


def time_steps_figure(groups: Sequence[Group], measure: str, look: Look = PLAIN) -> Figure:
    """Draw a measure against the time step, a line for each run and recurrent layer.

    The line is of the last evaluation, and a dotted one of the first. What is 0 or not finite has
    no place on the logarithmic axis.

    Args:
        groups: the groups; of each the run with the least seed is shown.
        measure: one of `MEASURES`.
        look: how the figure looks.

    Raises:
        ConfigError: no run has such diagnostics.
    """
    found = measured(groups, "time_steps", "time_steps", "diagnostics=layers and a recurrent model")
    lines = [
        (_name(group.label, layer, rows["name"].tolist(), len(found)), of[measure], of["epoch"])
        for group, rows in found
        for layer in dict.fromkeys(rows["name"].tolist())
        for of in (rows[rows["name"] == layer],)
    ][:MOST_LINES]
    figure, (panel,) = empty_panels(1, look)
    if not look.size and not look.is_paper:
        figure.set_size_inches(5.5, 2.8)
    with np.errstate(divide="ignore", invalid="ignore"):
        for (name, values, _), style in zip(lines, line_styles(len(lines), look), strict=True):
            steps = np.arange(1, values.shape[1] + 1)
            shown = np.where(values > 0, values, np.nan)
            panel.plot(steps, shown[-1], **style, label=name)
            if len(values) > 1:
                faint = {**style, "ls": ":", "marker": None, "lw": 1.0}
                panel.plot(steps, shown[0], **faint, label=f"_start: {name}")
    panel.set_yscale("log" if look.yscale == "auto" else look.yscale)
    number_ticks(panel, is_percentage=False)
    panel.set_xlabel("time step", fontsize=LABEL_SIZE)
    of = "with respect to the state" if measure == DEFAULT else ""
    panel.set_ylabel(f"{measure_label(measure)}\n{of}".strip(), fontsize=LABEL_SIZE)
    last = {int(epochs[-1]) for _, _, epochs in lines}
    end = f"epoch {last.pop()}" if len(last) == 1 else "the last evaluation"
    words = [f"line: {end}, dotted: epoch {lines[0][2][0]}", "mean over the probe batch"]
    small_print(figure, "; ".join(filter(None, [*words, note(groups)])))
    if len(lines) > 1:
        legend_beside(figure, panel, title_of(groups[0].settings), look)
    return figure


def _name(label: str, layer: str, layers: Sequence[str], groups: int) -> str:
    """The name of a line: the layer where there are several, of several groups the label."""
    if len(set(layers)) == 1:
        return label
    return f"{label}, {layer}" if groups > 1 else layer
