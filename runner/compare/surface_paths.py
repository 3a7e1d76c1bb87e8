"""Runs on surfaces in the plane: which surface, which way over it, and which part of it to show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from runner.compare.runs import Run
from runner.config.values import settings
from runner.data.surface import Surface
from runner.errors import ConfigError
from runner.experiment.table import OPTIONS

_LEAST_SIDE = 0.5
"""How much of the plane is shown around what must be seen, as a part of its extent."""

_MOST = 1.8
"""How far out paths are followed: in half extents of what must be seen."""

_AROUND = 1.25
"""Half the side of the square around a saddle point, in distances of the start."""

_MARGIN = 0.08


class Window(NamedTuple):
    """A rectangle of the plane."""

    low: npt.NDArray
    high: npt.NDArray

    def holds(self, points: npt.NDArray) -> npt.NDArray:
        """Which of the points lie in it."""
        return np.all((points >= self.low) & (points <= self.high), axis=-1)


class Route(NamedTuple):
    """The part of a path that can be seen; `steps` may end before a whole step: at the edge.

    `left`: it left the window for good, or became infinite.
    """

    steps: npt.NDArray
    points: npt.NDArray
    left: bool


def surface_of(run: Run) -> Surface | None:
    """The surface that a run walked on, with its start; None if it was on none that is known."""
    data = run.config.get("data")
    if not isinstance(data, Mapping):
        return None
    kind = OPTIONS["data"].get(str(data.get("name")))
    if kind is None or not issubclass(kind, Surface):
        return None
    try:
        return settings(kind, data)
    except ConfigError:
        return None


def has_minimum(run: Run) -> bool:
    """Whether it makes sense to ask how far down a run came: not on a surface without a bottom."""
    surface = surface_of(run)
    return surface is None or bool(surface.minima)


def points_of(run: Run) -> npt.NDArray:
    """The path as an array [steps + 1, 2], up to the first point that is not finite."""
    points = np.stack([run.path["x"], run.path["y"]], axis=1).astype(float)
    wrong = np.flatnonzero(~np.isfinite(points).all(axis=1))
    return points[: wrong[0]] if len(wrong) else points


def window(surfaces: Iterable[Surface], paths: Iterable[npt.NDArray]) -> Window:
    """What to show: starts and minima, and of the paths what is not too far out.

    Of a surface without a minimum: a square around the saddle point, somewhat beyond the start.
    """
    landmarks: list[tuple[float, float]] = []
    for surface in surfaces:
        if surface.minima:
            landmarks += [(surface.x, surface.y), *surface.minima]
        else:
            side = _AROUND * (max(abs(surface.x), abs(surface.y)) or 1.0)
            landmarks += [(-side, -side), (side, side)]
            paths = ()
    low, high = np.min(landmarks, axis=0), np.max(landmarks, axis=0)
    middle, reach = (low + high) / 2, (high - low).max() / 2 or 1.0
    low = np.minimum(low, middle - _LEAST_SIDE * reach)
    high = np.maximum(high, middle + _LEAST_SIDE * reach)
    for points in paths:
        if len(points):
            near = np.clip(points, middle - _MOST * reach, middle + _MOST * reach)
            low, high = np.minimum(low, near.min(axis=0)), np.maximum(high, near.max(axis=0))
    margin = _MARGIN * (high - low)
    return Window(low - margin, high + margin)


def route(points: npt.NDArray, shown: Window, diverged: bool) -> Route:
    """A path up to where it leaves the window for good, there cut off at the edge."""
    inside = np.flatnonzero(shown.holds(points))
    if not len(inside):
        return Route(np.zeros(0), points[:0], diverged)
    last = int(inside[-1])
    if last == len(points) - 1:
        return Route(np.arange(len(points)), points, diverged)
    here, there = points[last], points[last + 1]
    edge = np.where(there > here, shown.high, shown.low)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(there != here, (edge - here) / (there - here), np.inf)
    part = min(1.0, float(parts.min()))
    seen = np.vstack([points[: last + 1], here + part * (there - here)])
    return Route(np.append(np.arange(last + 1), last + part), seen, True)


def levels(values: npt.NDArray, least: float | None, count: int = 14) -> npt.NDArray:
    """Values for contour lines: in equal ratios above the least value.

    Where there is none: the squares of equal steps, on both sides of 0, so that the lines are
    evenly spaced around a saddle point.

    Args:
        values: of the surface over the window.
        least: its least value; None if it has none.
        count: about how many lines.
    """
    if least is None:
        roots = np.linspace(-1, 1, count + 1)
        return np.sign(roots) * roots**2 * float(np.abs(values).max())
    heights = values - least
    most = float(heights.max())
    lowest = max(float(np.quantile(heights, 0.005)), most * 1e-6)
    return least + np.geomspace(lowest, most, count)


def grid(surface: Surface, shown: Window, count: int = 260) -> Sequence[npt.NDArray]:
    """x, y and f over a window, each an array [count, count]."""
    x, y = np.meshgrid(*np.linspace(shown.low, shown.high, count).T)
    return x, y, np.asarray(surface.value(x, y), float)
