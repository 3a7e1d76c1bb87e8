"""The critical batch size: the size up to which a larger batch saves steps.

In batches of B examples a target takes

    S(B) = S_min * (1 + B_crit / B)

steps: below the critical size B_crit twice the batch takes half the steps ("perfect scaling", the
asymptote S_min * B_crit / B), above it hardly any step is saved, since S_min steps are needed with
any batch. That is the trade (S / S_min - 1) * (E / E_min - 1) = 1 between the steps S and the
examples E = B * S, with B_crit = E_min / S_min (McCandlish et al. 2018, section 2.3; measured for
many workloads by Shallue et al. 2019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from runner.statistics.intervals import t_quantile

FEWEST = 4
"""The least number of sizes for a fit: it has two parameters, and an interval."""

_GRID_MARGIN, _GRID_POINTS = 1e3, 20_001
"""The grid of B_crit reaches beyond the measured sizes by this factor, in this many points."""


class Fit(NamedTuple):
    """The fitted law.

    Attributes:
        least_steps: S_min.
        critical: B_crit, in examples.
        low: the lower end of the 95 % interval of B_crit; 0 if it is open.
        high: the upper end; infinite if it is open.
        smallest: the smallest measured batch size.
        largest: the largest one.
    """

    least_steps: float
    critical: float
    low: float
    high: float
    smallest: float
    largest: float

    @property
    def is_conclusive(self) -> bool:
        """Whether both regimes were measured: B_crit is among the sizes, its interval bounded."""
        among = self.smallest <= self.critical <= self.largest
        return among and self.low > 0 and math.isfinite(self.high)

    @property
    def verdict(self) -> str:
        """B_crit with its interval or, if the fit is not conclusive, why not."""
        if self.is_conclusive:
            size, low, high = map(_two_digits, (self.critical, self.low, self.high))
            return f"critical batch size {size} (95 %: {low} to {high})"
        if self.critical > self.largest:
            return f"no critical batch size up to {self.largest:g}"
        if self.critical < self.smallest:
            return f"critical batch size below {self.smallest:g}"
        return "critical batch size not determined"


def fit(sizes: Sequence[float], steps: Sequence[float]) -> Fit | None:
    """Fit the law by least squares of log S over a fine grid of B_crit.

    For a given B_crit the best log S_min is a mean, which leaves one unknown. Its interval are the
    values whose sum of squares R is at most R_min * (1 + t^2 / (n - 2)), with the quantile t of
    Student's distribution (the profile likelihood).

    Args:
        sizes: batch sizes B, all different.
        steps: the number of steps S with each, more than 0.

    Returns:
        The fit; None for fewer than `FEWEST` sizes.
    """
    if len(sizes) < FEWEST:
        return None
    size, log_steps = np.asarray(sizes, float), np.log(np.asarray(steps, float))
    grid = np.geomspace(size.min() / _GRID_MARGIN, size.max() * _GRID_MARGIN, _GRID_POINTS)
    log_least = log_steps - np.log1p(grid[:, None] / size)
    squares = log_least.var(axis=1) * len(size)
    best = int(squares.argmin())
    freedom = len(size) - 2
    inside = np.flatnonzero(squares <= squares[best] * (1 + t_quantile(freedom) ** 2 / freedom))
    return Fit(
        float(np.exp(log_least[best].mean())),
        float(grid[best]),
        0.0 if inside[0] == 0 else float(grid[inside[0]]),
        math.inf if inside[-1] == _GRID_POINTS - 1 else float(grid[inside[-1]]),
        float(size.min()),
        float(size.max()),
    )


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"
