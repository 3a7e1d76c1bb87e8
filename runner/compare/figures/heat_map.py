"""The heat map: final values for two numbers, for example learning rate and momentum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from runner.compare.curve import label_for
from runner.compare.curve_summary import summarize
from runner.compare.figures.style import (
    LABEL_SIZE,
    TICK_SIZE,
    empty_panels,
    is_rate,
    readable,
    small_print,
)
from runner.compare.grouping import Group, runs_of
from runner.compare.look import PLAIN, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

MOST_NUMBERS = 9
"""With more columns than this there is no room for numbers in the cells."""

_SPAN = 3.0
"""Values whose largest is this many times the least have a logarithmic scale of colors."""


def heat_map(
    groups: Sequence[Group], measure: str, across: str, up: str, look: Look = PLAIN
) -> Figure:
    """Draw the median final value for two numbers, with a cross where the median run diverged.

    The best cell has a frame. Colors are spaced by ratios, which shows the good end.

    Args:
        groups: the groups.
        measure: the name of the measure.
        across: the setting on the horizontal axis, a number in all groups.
        up: the setting on the vertical axis, a number in all groups.
        look: how the figure looks.
    """
    xs = sorted({float(group.settings[across]) for group in groups})
    ys = sorted({float(group.settings[up]) for group in groups})
    values = np.full((len(ys), len(xs)), math.nan)
    for group in groups:
        place = ys.index(float(group.settings[up])), xs.index(float(group.settings[across]))
        values[place] = median_final(group, measure)
    figure, (panel,) = empty_panels(1, look)
    known = values[np.isfinite(values)]
    finite = np.where(np.isfinite(values), values, math.nan)
    image = panel.imshow(finite, origin="lower", aspect="auto", **color_scale(known))
    panel.set_xticks(range(len(xs)), [f"{x:g}" for x in xs], fontsize=TICK_SIZE)
    panel.set_yticks(range(len(ys)), [f"{y:g}" for y in ys], fontsize=TICK_SIZE)
    panel.set_xlabel(readable(across), fontsize=LABEL_SIZE)
    panel.set_ylabel(readable(up), fontsize=LABEL_SIZE)
    panel.grid(False)
    for row, column in zip(*np.nonzero(np.isinf(values)), strict=True):
        panel.text(column, row, "x", ha="center", va="center", fontsize=LABEL_SIZE)
    if len(known):
        rate = is_rate(groups, measure)
        if len(xs) <= MOST_NUMBERS:
            _write_numbers(panel, image, finite, rate)
        _frame_best(panel, finite)
        color_bar(figure, panel, image, groups, measure)
    unit = "in %, " if is_rate(groups, measure) else ""
    words = [f"{unit}frame: the least"] * bool(len(known)) + ["x: diverged"] * bool(
        np.isinf(values).any()
    )
    small_print(figure, "; ".join(["median over seeds", *words]))
    return figure


def median_final(group: Group, measure: str) -> float:
    """The median of the final values of a group; infinite if the median run diverged."""
    finals = [summarize(run, measure).final for run in group.runs]
    return float(np.median(finals)) if finals else math.nan


def color_scale(values: Sequence[float] | np.ndarray) -> dict[str, Any]:
    """The colors of values, the least brightest, by ratios if the values span it."""
    from matplotlib.colors import LogNorm, Normalize, PowerNorm

    least, largest = (min(values), max(values)) if len(values) else (0.0, 1.0)
    norm: Normalize = Normalize(least, largest)
    if largest > _SPAN * least >= 0:
        norm = LogNorm(least, largest) if least > 0 else PowerNorm(0.5, least, largest)
    return {"cmap": "viridis_r", "norm": norm}


def color_bar(
    figure: Figure, panel: Axes, colored: ScalarMappable, groups: Sequence[Group], measure: str
) -> None:
    """Draw the scale of colors beside a panel.

    Args:
        figure: the figure.
        panel: the panel.
        colored: what has the colors.
        groups: the groups, whose runs say whether the measure is a rate.
        measure: the name of the measure.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

    bar = figure.colorbar(colored, ax=panel)
    bar.set_label(f"final {label_for(runs_of(groups), measure)}", fontsize=LABEL_SIZE)
    bar.ax.tick_params(labelsize=TICK_SIZE)
    low, high = sorted(bar.ax.get_ylim())
    if low > 0 and high > _SPAN * low:
        steps = [m * 10.0**e for e in range(-12, 13) for m in (1, 2, 5)]
        ticks = [step for step in steps if low <= step <= high]
        bar.set_ticks(ticks if len(ticks) < 9 else ticks[::3])
        bar.ax.yaxis.set_minor_locator(NullLocator())
    else:
        bar.ax.yaxis.set_major_locator(MaxNLocator(6))
    rate = is_rate(groups, measure)
    bar.ax.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{100 * value:.4g} %" if rate else f"{value:.4g}")
    )


def _write_numbers(
    panel: Axes, image: ScalarMappable, values: np.ndarray, is_percentage: bool
) -> None:
    """The value of each cell, dark on bright colors and bright on dark ones."""
    for (row, column), value in np.ndenumerate(values):
        if not math.isfinite(value):
            continue
        red, green, blue, _ = image.to_rgba(value)
        is_bright = 0.3 * red + 0.59 * green + 0.11 * blue > 0.5
        panel.text(
            column,
            row,
            f"{100 * value:.1f}" if is_percentage else f"{value:.2g}",
            ha="center",
            va="center",
            fontsize=TICK_SIZE,
            color="black" if is_bright else "white",
            fontweight="bold" if value == np.nanmin(values) else "normal",
        )


def _frame_best(panel: Axes, values: np.ndarray) -> None:
    """A frame around each cell of the least value."""
    from matplotlib.patches import Rectangle

    for row, column in np.argwhere(values == np.nanmin(values)):
        corner = (column - 0.5, row - 0.5)
        panel.add_patch(Rectangle(corner, 1, 1, fill=False, ec="black", lw=1.8, clip_on=False))
