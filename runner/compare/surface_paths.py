"""Runs on surfaces and curves: the surface, the path over it, and the part of both to show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from runner.compare.recorded_options import recorded_option
from runner.compare.runs import Run
from runner.data.curve import Curve
from runner.data.surface import Surface

_LEAST_SIDE = 0.5
"""The least height and width of the window around the landmarks, relative to their extent."""

_MOST = 1.8
"""How far from their middle paths are followed, in half extents of the landmarks."""

_SADDLE_WINDOW = 1.25
"""Half the side of the window around a saddle point, in distances of the start from it."""

_MARGIN = 0.08


class Window(NamedTuple):
    """A rectangle of the plane, from the corner `low` to the corner `high`, each [2]."""

    low: npt.NDArray
    high: npt.NDArray

    def holds(self, points: npt.NDArray) -> npt.NDArray:
        """Which of some points [n, 2] lie in it, as a boolean array [n]."""
        return np.all((points >= self.low) & (points <= self.high), axis=-1)


class VisiblePath(NamedTuple):
    """The part of a path that lies in a window.

    Attributes:
        steps: the number of each point [n]; the last one has a fraction if the path ends at the
            edge.
        points: the points [n, 2].
        left: whether the path left the window for good, or became infinite.
    """

    steps: npt.NDArray
    points: npt.NDArray
    left: bool


def surface_of(run: Run) -> Surface | None:
    """The surface on which a run walked, with its start; None if there is no known one."""
    data = recorded_option(run, "data")
    return data if isinstance(data, Surface) else None


def has_minimum(run: Run) -> bool:
    """Whether less is better: not on a surface that falls without end."""
    surface = surface_of(run)
    return surface is None or bool(surface.minima)


def finite_points(run: Run) -> npt.NDArray:
    """The path as an array [steps + 1, 2], up to the first point that is not finite."""
    points = np.stack([run.path["x"], run.path["y"]], axis=1).astype(float)
    wrong = np.flatnonzero(~np.isfinite(points).all(axis=1))
    return points[: wrong[0]] if len(wrong) else points


def choose_window(surfaces: Iterable[Surface], paths: Iterable[npt.NDArray]) -> Window:
    """Choose what to show: the starts, the minima, and the paths where they are not too far out.

    For a surface without a minimum: a square around the saddle point, somewhat beyond the start.
    For a curve: x and f(x), which have no common scale, and the curve between the landmarks.

    Args:
        surfaces: one surface, with one or several starts.
        paths: arrays [n, 2].
    """
    landmarks: list[tuple[float, float]] = []
    on_curve = False
    for surface in surfaces:
        if surface.minima:
            landmarks.append(surface.drawn(*surface.first))
            landmarks += [surface.drawn(*minimum) for minimum in surface.minima]
        else:
            side = _SADDLE_WINDOW * (max(map(abs, surface.first)) or 1.0)
            landmarks += [(-side, -side), (side, side)]
            paths = ()
        if isinstance(surface, Curve):
            on_curve = True
            x = np.array(landmarks)[:, 0]
            landmarks += np.stack(draw_curve(surface, x.min(), x.max()), axis=1).tolist()
    low, high = np.min(landmarks, axis=0), np.max(landmarks, axis=0)
    middle, extents = (low + high) / 2, high - low
    reach = (extents if on_curve else np.full(2, extents.max())) / 2
    reach = np.where(reach > 0, reach, 1.0)
    low = np.minimum(low, middle - _LEAST_SIDE * reach)
    high = np.maximum(high, middle + _LEAST_SIDE * reach)
    for points in paths:
        if len(points):
            near = np.clip(points, middle - _MOST * reach, middle + _MOST * reach)
            low, high = np.minimum(low, near.min(axis=0)), np.maximum(high, near.max(axis=0))
    margin = _MARGIN * (high - low)
    return Window(low - margin, high + margin)


def draw_curve(
    curve: Curve, low: float, high: float, count: int = 500
) -> tuple[npt.NDArray, npt.NDArray]:
    """Evaluate a curve from x = `low` to `high`: x and f(x), each an array [count].

    Args:
        curve: the function of one number.
        low: the first x.
        high: the last x.
        count: how many x there are, at equal distances.
    """
    x = np.linspace(low, high, count)
    return x, np.asarray(curve.value(x), float)


def visible_path(points: npt.NDArray, window: Window, diverged: bool) -> VisiblePath:
    """Cut a path off where it leaves a window for good, at the edge.

    Args:
        points: the path [n, 2].
        window: the window.
        diverged: whether the path became infinite after these points.
    """
    inside = np.flatnonzero(window.holds(points))
    if not len(inside):
        return VisiblePath(np.zeros(0), points[:0], diverged)
    last = int(inside[-1])
    if last == len(points) - 1:
        return VisiblePath(np.arange(len(points)), points, diverged)
    here, there = points[last], points[last + 1]
    edge = np.where(there > here, window.high, window.low)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(there != here, (edge - here) / (there - here), np.inf)
    part = min(1.0, float(parts.min()))
    seen = np.vstack([points[: last + 1], here + part * (there - here)])
    return VisiblePath(np.append(np.arange(last + 1), last + part), seen, True)


def contour_levels(values: npt.NDArray, least: float | None, count: int = 14) -> npt.NDArray:
    """Choose the values of contour lines: in equal ratios above the least value.

    Without a least value: the squares of equal steps, on both sides of 0, so that the lines are
    evenly spaced around a saddle point.

    Args:
        values: the surface over the window.
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


def evaluate_on_grid(
    surface: Surface, window: Window, count: int = 260
) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
    """Evaluate a surface over a window.

    Args:
        surface: the surface f.
        window: the window.
        count: the number of points to a side.

    Returns:
        x, y and f(x, y), each an array [count, count].
    """
    x, y = np.meshgrid(*np.linspace(window.low, window.high, count).T)
    return x, y, np.asarray(surface.value(x, y), float)
