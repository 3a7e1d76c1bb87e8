"""What all figures share: panels, palette, legend, small print.

Made for the column of a paper: 7 inches wide, labels of 8 points, colors that remain
distinguishable with a red-green deficiency (Okabe & Ito 2008; for numbers the scale `viridis`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runner.compare.curve import rows_of
from runner.compare.grouping import Group, is_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
DASHES = ("-", "--", ":", "-.")
LABEL_SIZE, TICK_SIZE, NOTE_SIZE = 8, 7, 6
"""Sizes of letters, in points."""

CROSS_HEIGHT = 0.97
"""Where in a panel a cross marks what has no value, relative to its height."""

MEANS = {False: "mean", True: "geometric mean"}
"""What is drawn on a linear and on a logarithmic axis."""


def empty_panels(count: int, sharey: bool = True) -> tuple[Figure, list[Axes]]:
    """Make a figure with panels side by side, of the width of a column or, for several, a page.

    Args:
        count: the number of panels.
        sharey: whether all panels have the same vertical axis.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7 if count > 1 else 4.5, 2.8), layout="constrained")
    panels = figure.subplots(1, count, sharey=sharey, squeeze=False)[0].tolist()
    for panel in panels:
        panel.tick_params(which="both", labelsize=TICK_SIZE)
        panel.grid(alpha=0.25, lw=0.5)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, panels


def line_styles(count: int) -> list[dict[str, Any]]:
    """A color of the palette for each line; beyond the palette the same with other dashes."""
    return [
        {"color": OKABE_ITO[i % len(OKABE_ITO)], "ls": DASHES[i // len(OKABE_ITO) % len(DASHES)]}
        for i in range(count)
    ]


def group_styles(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """A style for each group: colors of a scale if they differ in one number, else the palette."""
    values = [list(group.settings.values()) for group in groups]
    if len(groups) > 2 and all(
        len(own) == 1 and (is_number(own[0]) or own[0] == "full") for own in values
    ):
        from matplotlib import colormaps

        scale = colormaps["viridis"]
        return [{"color": scale(0.92 * i / (len(groups) - 1))} for i in range(len(groups))]
    return line_styles(len(groups))


def legend_beside(figure: Figure, panel: Axes, title: str) -> None:
    """Put a panel's legend beside all panels, where it covers nothing.

    Args:
        figure: the figure.
        panel: the panel whose lines it explains.
        title: above the legend; may be empty.
    """
    figure.legend(
        *panel.get_legend_handles_labels(),
        title=title or None,
        loc="outside right upper",
        fontsize=TICK_SIZE,
        title_fontsize=TICK_SIZE,
        frameon=False,
    )


def small_print(figure: Figure, text: str) -> None:
    """Write a note below the panels that says what is drawn, such as what a band is."""
    figure.supxlabel(text, x=0.01, ha="left", fontsize=NOTE_SIZE, color="0.35")


def add_to_small_print(figure: Figure, text: str) -> None:
    """Add a line to the note below the panels; nothing if it is empty."""
    if text:
        small_print(figure, "\n".join(filter(None, (figure.get_supxlabel(), text))))


def cross_at_top(panel: Axes, x: float, color: Any, size: float = 5) -> None:
    """Mark at the top of a panel a place where there is no value.

    Args:
        panel: the panel.
        x: the place on its horizontal axis.
        color: the color of the cross.
        size: the size of the cross, in points.
    """
    top = panel.get_xaxis_transform()
    panel.plot([x], [CROSS_HEIGHT], "x", ms=size, zorder=1, transform=top, color=color)


def is_log_measure(groups: Sequence[Group], measure: str) -> bool:
    """Whether a measure belongs on a logarithmic axis: a loss or a norm that is never negative.

    The losses of some functions are negative.

    Args:
        groups: the groups that are drawn.
        measure: the name of the measure.
    """
    if not measure.endswith(("loss", "norm")):
        return False
    curves = [rows_of(run, measure)[measure] for group in groups for run in group.runs]
    is_negative = any((values < 0).any() for values in curves)
    return not is_negative and any((values > 0).any() for values in curves)


def mean_on_axis(values: Sequence[float], is_log: bool) -> float:
    """The mean; on a logarithmic axis the geometric mean, if all values are positive."""
    if is_log and min(values) > 0:
        return math.exp(np.log(values).mean())
    return float(np.mean(values))


def save(figure: Figure, file: Path) -> None:
    """Write a figure in the format that the ending of the file's name says.

    Raises:
        OSError: the file cannot be written.
    """
    figure.savefig(file, dpi=200)
    figure.set_layout_engine("none")  # it has its layout now; for another file it takes as long
