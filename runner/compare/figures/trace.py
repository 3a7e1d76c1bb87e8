"""The path of one run in the figure of paths, as it was after any number of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from runner.compare.surface_paths import VisiblePath
from runner.data.curve import Curve
from runner.data.surface import Surface

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


class Trace:
    """One path in a panel: a line, dots, a head, and a cross where it left the window for good.

    Args:
        panel: the panel.
        path: the path.
        every: a dot marks each step that is a multiple of this.
        style: the color and dashes of the line.
        surface: what it is on. Without a minimum a path that leaves has no cross; on a curve there
            is a dot for every step, and the line between them is thin.
    """

    def __init__(
        self, panel: Axes, path: VisiblePath, every: int, style: dict[str, Any], surface: Surface
    ) -> None:
        from matplotlib.patheffects import Normal, withStroke

        self._path = path
        self.lost = path.left and len(path.steps) > 0 and bool(surface.minima)
        on_curve = isinstance(surface, Curve)
        self._marked = (path.steps % (1 if on_curve else every) == 0) & (path.steps > 0)
        halo = [withStroke(linewidth=2.6, foreground="white", alpha=0.75), Normal()]
        line = {"lw": 0.5 if on_curve else 1.3, "zorder": 4}
        plain = {"color": style["color"], "ls": "none", "zorder": 5}
        self.line: Line2D
        (self.line,) = panel.plot([], [], path_effects=halo, **{**style, **line})
        (self._dots,) = panel.plot([], [], "o", ms=2.8, **plain)
        (self._head,) = panel.plot([], [], "o", ms=4.6, mec="white", mew=0.7, **plain)
        (self._cross,) = panel.plot([], [], "x", ms=6, mew=1.6, clip_on=False, **plain)

    @property
    def artists(self) -> list[Artist]:
        """What is drawn, from the line up."""
        return [self.line, self._dots, self._head, self._cross]

    def show(self, step: float) -> None:
        """End the path after some steps; within a step it is a straight line."""
        steps, points = self._path.steps, self._path.points
        until = int(np.searchsorted(steps, step, side="right"))
        gone = self._path.left and until == len(steps)
        seen = points[:until]
        self._dots.set_data(*seen[self._marked[:until]].T)
        if 0 < until < len(steps):
            part = (step - steps[until - 1]) / (steps[until] - steps[until - 1])
            here = points[until - 1] + part * (points[until] - points[until - 1])
            seen = np.vstack([seen, here])
        self.line.set_data(*seen.T)
        self._head.set_data(*(seen[:0] if gone else seen[-1:]).T)
        self._cross.set_data(*(seen[-1:] if gone and self.lost else seen[:0]).T)
