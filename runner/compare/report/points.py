"""Curves with few points, for a page: the mean, the least and the largest value of some rows each.

Means, unlike single rows, can be smoothed without bias, and the least and the largest value keep
every spike. The first and the last row are alone, so that a curve starts and ends with its exact
values.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

from runner.compare.curve import AXES, MEASURES, kept_points, position, rows_of
from runner.compare.runs import Run
from runner.measures import STEP_MEASURES


def condensed(
    values: npt.NDArray, starts: npt.NDArray
) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
    """Compute the mean, the least and the largest value in each bin; NaN where none is finite.

    Args:
        values: the values of all rows [n]; those that are not finite are left out.
        starts: the first row of each bin [m].

    Returns:
        Three arrays [m].
    """
    known = np.isfinite(values)
    count = np.add.reduceat(known.astype(int), starts)
    total = np.add.reduceat(np.where(known, values, 0.0), starts)
    low = np.minimum.reduceat(np.where(known, values, np.inf), starts)
    high = np.maximum.reduceat(np.where(known, values, -np.inf), starts)
    empty = count == 0
    mean = np.where(empty, np.nan, total / np.maximum(count, 1))
    return mean, np.where(empty, np.nan, low), np.where(empty, np.nan, high)


class Arrays(list[str]):
    """Arrays for JSON, each different one once: little-endian float32 in base64.

    That is a third of the size of text. Runs of one length share their axes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[str, int] = {}

    def number_of(self, values: npt.NDArray) -> int:
        """The place of an array in this list; it is added unless an equal one is there."""
        text = base64.b64encode(np.asarray(values, "<f4").tobytes()).decode()
        place = self._places.setdefault(text, len(self))
        if place == len(self):
            self.append(text)
        return place


def curves_of(run: Run, most: int, arrays: Arrays) -> dict[str, Any]:
    """All curves of a run, for the page's JSON.

    Args:
        run: the run.
        most: about how many points a curve may have.
        arrays: where the numbers are put; the result has their places there.

    Returns:
        For `steps` and `epochs` the places of their points on each axis (`x`), the measures with
        some finite values (`y`: the mean and, where they differ, `low` and `high`), and of how many
        rows a point is the mean at most (`rows`).
    """
    found: dict[str, Any] = {}
    for kind, measures in (
        ("steps", STEP_MEASURES),
        ("epochs", [measure for measure in MEASURES if measure not in STEP_MEASURES]),
    ):
        rows = rows_of(run, measures[0])
        if not len(rows):
            continue
        starts = kept_points(len(rows), most)
        x = {axis: condensed(position(run, rows, axis), starts)[0] for axis in AXES}
        known = [measure for measure in measures if np.isfinite(rows[measure]).any()]
        found[kind] = {
            "x": {axis: arrays.number_of(place) for axis, place in x.items()},
            "y": {measure: _curve(rows[measure], starts, arrays) for measure in known},
            "rows": int(np.diff(np.append(starts, len(rows))).max()),
        }
    return found


def _curve(values: npt.NDArray, starts: npt.NDArray, arrays: Arrays) -> dict[str, int]:
    mean, low, high = condensed(np.asarray(values, float), starts)
    found = {"mean": mean}
    if np.any(low < high):
        found |= {"low": low, "high": high}
    return {name: arrays.number_of(array) for name, array in found.items()}
