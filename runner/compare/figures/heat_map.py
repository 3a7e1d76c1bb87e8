"""The heat map: final values for two numbers, for example learning rate and momentum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from runner.compare.curve import measure_label
from runner.compare.curve_summary import summarize
from runner.compare.figures.style import LABEL_SIZE, TICK_SIZE, empty_panels
from runner.compare.grouping import Group

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def heat_map(groups: Sequence[Group], measure: str, across: str, up: str) -> Figure:
    """Draw the median final value for two numbers, with a cross where the median run diverged.

    Args:
        groups: the groups.
        measure: the name of the measure.
        across: the setting on the horizontal axis, a number in all groups.
        up: the setting on the vertical axis, a number in all groups.
    """
    xs = sorted({float(group.settings[across]) for group in groups})
    ys = sorted({float(group.settings[up]) for group in groups})
    values = np.full((len(ys), len(xs)), math.nan)
    for group in groups:
        finals = [summarize(run, measure).final for run in group.runs]
        place = ys.index(float(group.settings[up])), xs.index(float(group.settings[across]))
        values[place] = float(np.median(finals)) if finals else math.nan
    figure, (panel,) = empty_panels(1)
    finite = np.where(np.isfinite(values), values, math.nan)
    image = panel.imshow(finite, origin="lower", aspect="auto", cmap="viridis_r")
    panel.set_xticks(range(len(xs)), [f"{x:g}" for x in xs], fontsize=TICK_SIZE)
    panel.set_yticks(range(len(ys)), [f"{y:g}" for y in ys], fontsize=TICK_SIZE)
    panel.set_xlabel(across, fontsize=LABEL_SIZE)
    panel.set_ylabel(up, fontsize=LABEL_SIZE)
    for row, column in zip(*np.nonzero(np.isinf(values)), strict=True):
        panel.text(column, row, "x", ha="center", va="center", fontsize=LABEL_SIZE)
    panel.grid(False)
    bar = figure.colorbar(image, ax=panel)
    bar.set_label(f"final {measure_label(measure)} (x: diverged)", fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=TICK_SIZE)
    return figure
