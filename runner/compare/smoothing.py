"""Smoothing of drawn curves by a window of equal width everywhere on the axis that is drawn.

A window of equal width in points instead would be wide where an axis is logarithmic, and one that
grows from the start of a curve lags behind it and has a kink where it stops growing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from runner.compare.curve import Curve, kept_points
from runner.compare.grouping import is_number
from runner.compare.runs import Run
from runner.experiment.table import OPTIONS
from runner.measures import LEARNING_RATE, STEP_MEASURES

_RANDOM = {
    "regularization": {"dropout", "variational_dropout", "alpha_dropout", "dropconnect"},
    "gradient": {"noise"},
}
_FIRST = 10
_EVERY_EXAMPLE_ONCE = ("permutation", "fixed")


def is_noisy(run: Run, measure: str) -> bool:
    """Whether a measure varies from step to step by chance.

    Learning rates and evaluations do not, nor do losses and norms of the full training set without
    random masks or noise in the gradient, nor those of functions without examples.
    """
    is_sampled = measure in STEP_MEASURES and measure != LEARNING_RATE
    return is_sampled and not _is_deterministic(run.settings, run.summary)


def _is_deterministic(settings: Mapping[str, Any], summary: Mapping[str, Any]) -> bool:
    data = OPTIONS["data"].get(str(settings.get("data")))
    if data is not None and "batch_size" in getattr(data, "ignores", ()):
        return "noise" not in _names(settings.get("gradient"))
    size, examples = settings.get("batch_size"), summary.get("train_examples", math.inf)
    is_full = size == "full" or (is_number(size) and float(size or 0) >= examples)
    return (
        is_full
        and settings.get("sampling", "permutation") in _EVERY_EXAMPLE_ONCE
        and not any(_names(settings.get(group)) & random for group, random in _RANDOM.items())
    )


def _names(chosen: str | Sequence[str] | None) -> set[str]:
    """The options of a group of which one or several are chosen."""
    return {chosen} if isinstance(chosen, str) else set(chosen or ())


def window_means(place: npt.NDArray, y: npt.NDArray, width: float, at: npt.NDArray) -> npt.NDArray:
    """Average a curve over a window around some of its points.

    The mean at the place c is 1 / (2 r) times the integral from c - r to c + r of the value of the
    nearest point. The half-width r is `width / 2`, and less near the ends of the curve, where the
    window shrinks on both sides alike: min(width / 2, c - first place, last place - c).

    Args:
        place: where the points are on the axis as it is drawn [n], ascending.
        y: their values [n].
        width: the width of the window, in the unit of `place`.
        at: the indices of the points around which to average [m].

    Returns:
        The means [m].
    """
    edges = np.concatenate([place[:1], (place[1:] + place[:-1]) / 2, place[-1:]])
    sums = np.concatenate([[0.0], np.cumsum(y * np.diff(edges))])
    center = place[at]
    reach = np.minimum(width / 2, np.minimum(center - place[0], place[-1] - center))
    low, high = center - reach, center + reach
    is_alone = (low >= edges[at]) & (high <= edges[at + 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        means = (np.interp(high, edges, sums) - np.interp(low, edges, sums)) / (2 * reach)
    return np.where(is_alone, y[at], means)


def smoothed_curve(line: Curve, place: npt.NDArray, width: float) -> Curve:
    """Smooth a curve, at no more points than are drawn.

    Left out are, since next to nothing is averaged there, the points within a sixth of a window
    from the end, and at the start no more than the first ten. The first and the last point are kept
    where they are the only ones.

    Args:
        line: the curve.
        place: where its points are on the axis as it is drawn.
        width: the width of the window on that axis; 0 smooths nothing.
    """
    at = kept_points(len(line.x))
    if width <= 0 or len(at) < 3:
        return line._replace(x=line.x[at], y=line.y[at])
    y = window_means(place, line.y, width, at)
    near = width / 6
    first, last = place[0], place[-1]
    is_inside = ((place[at] - first >= near) | (at >= _FIRST)) & (last - place[at] >= near)
    is_inside[0] = place[1] - first >= near
    is_inside[-1] = last - place[-2] >= near
    if is_inside.any():
        at, y = at[is_inside], y[is_inside]
    return line._replace(x=line.x[at], y=y)
