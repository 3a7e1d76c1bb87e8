"""The figure of examples: how they are stored, and below it what each preprocessing makes of them.

A row for each form, a column for each class. White is 0 in every row; each row has its own scale.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from runner.compare.examples import Pictures, pictures
from runner.compare.figures.style import COLUMN, LABEL_SIZE, TICK_SIZE, small_print
from runner.compare.grouping import Group
from runner.compare.look import PLAIN, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS = 12

_GAP = 0.08
"""Between two examples, relative to their width."""

_CLIPPED = 0.005
"""The share of the pixels of a row that exceed its scale, so that a few do not pale all others."""

_ROW_TITLE, _TITLE, _CLASSES, _NOTE_LINE, _MARGIN = 0.24, 0.28, 0.12, 0.13, 0.15
"""Room in inches: above a row, above all, below all, for a line of the note, and beside."""


def images_figure(groups: Sequence[Group], look: Look = PLAIN) -> Figure:
    """Draw examples before and after the preprocessings of some runs.

    Args:
        groups: the groups; the data and preprocessings of all their runs are shown.
        look: how the figure looks.

    Raises:
        ConfigError: the data have no images, or cannot be had (see `runner.compare.examples`).
        DataError: the data cannot be read.
    """
    from matplotlib.figure import Figure

    rows = pictures([run for group in groups for run in group.runs])
    shown = list(itertools.islice(rows, MOST_ROWS))
    note = _note(shown, is_complete=next(rows, None) is None)
    width = COLUMN if look.is_paper else 7.0
    heights = [_height(row, width - _MARGIN) + _ROW_TITLE for row in shown]
    lines = note.count("\n") + 1 + look.is_paper
    outside = _CLASSES + _NOTE_LINE * lines + _TITLE * bool(look.title)
    width, height = look.size or (width, sum(heights) + outside)
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights).ravel()
    for panel, row in zip(panels, shown, strict=True):
        _draw_row(panel, row)
    columns = np.arange(len(shown[-1].images)) * (1 + _GAP) + 0.5
    panels[-1].set_xticks(columns, list(map(str, shown[-1].classes)), fontsize=TICK_SIZE)
    small_print(figure, note)
    return figure


def _height(row: Pictures, width: float) -> float:
    """The height of a row of a width, in the same unit."""
    examples, height, across, _ = row.images.shape
    return width / (examples * (1 + _GAP) - _GAP) * height / across


def _draw_row(panel: Axes, row: Pictures) -> None:
    """Draw examples beside each other, each one unit wide."""
    examples, height, across, channels = row.images.shape
    scale = _scale(row.images)
    for place, (image, name) in enumerate(zip(row.images, row.classes, strict=True)):
        left = place * (1 + _GAP)
        pixels = image[..., 0] if channels == 1 else _colors(image, scale)
        drawn = panel.imshow(pixels, extent=(left, left + 1, 0, height / across), **scale)
        drawn.set_label(f"_pixels: {row.label}: {name}")
    panel.set_xlim(0, examples * (1 + _GAP) - _GAP)
    panel.set_ylim(0, height / across)
    panel.set_xticks([])
    panel.set_yticks([])
    panel.tick_params(length=0, pad=2)
    panel.spines[:].set_visible(False)
    panel.set_title(row.label, fontsize=LABEL_SIZE, x=0, ha="left", pad=3)
    ends = f"{row.images.min():.3g} to {row.images.max():.3g}"
    beside: dict[str, Any] = {"ha": "right", "va": "bottom", "fontsize": TICK_SIZE, "color": "0.35"}
    panel.text(1, 1.02, ends, transform=panel.transAxes, **beside)


def _scale(images: npt.NDArray) -> dict[str, Any]:
    """The colors of a row: white to black, or with negative numbers blue over white to red."""
    most = float(np.quantile(np.abs(images), 1 - _CLIPPED)) or 1.0
    if images.min() < 0:
        return {"cmap": "RdBu_r", "vmin": -most, "vmax": most}
    return {"cmap": "Greys", "vmin": 0.0, "vmax": most}


def _colors(image: npt.NDArray, scale: dict[str, Any]) -> npt.NDArray:
    """An image of three channels, in its own colors."""
    low, high = scale["vmin"], scale["vmax"]
    return np.clip((image[..., :3] - low) / (high - low), 0, 1)


def _note(shown: Sequence[Pictures], *, is_complete: bool) -> str:
    """What the rows show."""
    first = "the first training example of each class; right: the least and the largest number"
    colors = "white: 0" + "; red: positive, blue: negative" * any(
        row.images.min() < 0 and row.images.shape[-1] == 1 for row in shown
    )
    turned = [row.label for row in shown if row.is_turned_back]
    lines = [first, colors]
    if turned:
        lines.append(f"{', '.join(turned)}: the sum of the axes, weighted by the components")
    if not is_complete:
        lines.append(f"only the first {len(shown)} rows are shown")
    return "\n".join(lines)
