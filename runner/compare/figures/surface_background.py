"""What paths are drawn on: the contours of a surface, or the curve of a function of one number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from runner.compare.surface_paths import (
    Window,
    contour_levels,
    draw_curve,
    evaluate_on_grid,
)
from runner.data.curve import Curve
from runner.data.surface import Surface

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOW, _HIGH = "#aab4c4", "#fafbfd"


def draw_landscape(panel: Axes, surface: Surface, window: Window) -> None:
    """Draw what the paths are on: a curve, or the contours of a surface.

    Args:
        panel: what is drawn on.
        surface: the function of one or two numbers.
        window: the part of the plane that the panel shows.
    """
    if isinstance(surface, Curve):
        x, y = draw_curve(surface, window.low[0], window.high[0])
        panel.plot(x, y, color="#7d899c", lw=1.2, zorder=2)
        panel.fill_between(x, y, window.low[1], color=_HIGH, lw=0)
    else:
        _contours(panel, surface, window)


def _contours(panel: Axes, surface: Surface, window: Window) -> None:
    """Draw filled contours, in grays that leave the colors to the paths."""
    from matplotlib.colors import LinearSegmentedColormap

    x, y, values = evaluate_on_grid(surface, window)
    least = (
        min(float(surface.value(*point)) for point in surface.minima) if surface.minima else None
    )
    lines = contour_levels(values, least)
    scale = LinearSegmentedColormap.from_list("heights", [_LOW, _HIGH])
    colors = scale(np.linspace(0, 1, len(lines) + 1))
    filled = panel.contourf(x, y, values, lines, colors=colors, extend="both")
    filled.set_rasterized(True)
    panel.contour(x, y, values, lines, colors="#7d899c", linewidths=0.35, linestyles="solid")
