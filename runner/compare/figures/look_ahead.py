"""Nesterov's look-ahead as arrows: a step down the slope, then on with the velocity.

The recorded points of `optimizer=nesterov` are those at which it takes gradients. From each of them
a solid arrow shows the step down the gradient there, -learning_rate g; the dotted arrow from its
head shows how far the velocity carries on, to the point where the next gradient is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from runner.compare.runs import Run
from runner.compare.surface_paths import Window, finite_points
from runner.data.surface import Plane, Surface

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

MOST_STEPS = 20
"""In longer paths arrows would hide each other."""

_DIFFERENCE = 1e-5


def look_ahead(run: Run, surface: Surface) -> npt.NDArray | None:
    """Find where the gradient alone would lead from each point of a path.

    Args:
        run: a run on the surface.
        surface: the surface.

    Returns:
        An array [steps, 2]; None unless the optimizer is Nesterov's, in the plane, and its
        gradients are those of the surface.
    """
    treatments = run.config.get("gradient")
    plain = isinstance(treatments, dict) and set(treatments) <= {"none"}
    is_nesterov = run.settings.get("optimizer") == "nesterov"
    if not (is_nesterov and plain and isinstance(surface, Plane)):
        return None
    points = finite_points(run)[:-1]
    rates = np.asarray(run.steps["learning_rate"], float)[: len(points), None]
    points = points[: len(rates)]
    across, up = _DIFFERENCE * np.eye(2)
    slopes = [
        (surface.value(*(points + d).T) - surface.value(*(points - d).T)) / (2 * _DIFFERENCE)
        for d in (across, up)
    ]
    return points - rates * np.stack(slopes, axis=1)


def draw_look_ahead(
    panel: Axes, run: Run, surface: Surface, window: Window
) -> list[tuple[int, list[Artist]]]:
    """Draw the arrows of a short path.

    Args:
        panel: the panel.
        run: a run on the surface.
        surface: the surface.
        window: the part of the plane that is shown; what leaves it has no arrows.

    Returns:
        The number of each step that has arrows, and its artists; none where there are none.
    """
    heads, points = look_ahead(run, surface), finite_points(run)
    if heads is None or len(points) > MOST_STEPS + 1:
        return []
    drawn: list[tuple[int, list[Artist]]] = []
    for step, head in enumerate(heads):
        here, there = points[step], points[step + 1]
        if not window.holds(np.stack([here, head, there])).all():
            continue
        arrows: list[Artist] = []
        for start, end, dashes in ((here, head, "-"), (head, there, ":")):
            style = {"arrowstyle": "-|>", "color": "black", "lw": 0.9, "ls": dashes}
            shape = {"shrinkA": 0, "shrinkB": 0, "mutation_scale": 6}
            arrow = panel.annotate(
                "", end, start, arrowprops={**style, **shape}, zorder=4.5, annotation_clip=True
            )
            arrows.append(arrow)
        drawn.append((step, arrows))
    return drawn
