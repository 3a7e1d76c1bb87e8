"""The rate at which a curve falls: a power of the number of steps, or a factor a step.

Two laws are fitted to the excess e_k = f(theta_k) - min f after k steps:

- `sublinear`: e_k = c k^-p, a straight line of log e against log k. Gradient descent on a convex
  function has p = 1, its accelerated form p = 2, stochastic gradients p = 1/2 (Nesterov 2004,
  theorems 2.1.14 and 2.2.2; Nemirovski et al. 2009).
- `linear`: e_k = c r^k, a straight line of log e against k, as on strongly convex functions.

The fit is by least squares over the last three quarters of the steps. They are cut into
`BLOCKS` blocks of equal width on the axis on which the law is straight, and each block is one
point, its mean: neighbouring steps are no independent measurements, and the interval (Student's,
for a straight line through the blocks) contains how far the curve is from straight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from runner.statistics.intervals import half_width, t_quantile

Law = Literal["sublinear", "linear"]
LAWS: tuple[Law, ...] = ("sublinear", "linear")

BLOCKS = 8
FROM = 0.25
"""The part of the steps that is left out at the start."""

ROUNDING = 1e-12
"""Below this part of its first value an excess is not followed: in single precision (1.2e-7) the
square of a distance, which a loss is near its minimum, stops falling at about 1.4e-14."""


LEAST_FALL = 0.01
"""What falls by less of its size over the fitted steps has arrived, or is stuck."""


class Slope(NamedTuple):
    """A straight line through the logarithms of a curve.

    Attributes:
        value: its slope: -p, or log r.
        half: half the width of the 95 % interval of the slope.
        squares: the sum of the squared residuals.
        span: the length of the fitted part, on the axis on which the law is straight.
    """

    value: float
    half: float
    squares: float
    span: float


class Rate(NamedTuple):
    """The rate of one curve, or of several.

    Attributes:
        law: the law that fits better.
        value: the power p, or the factor r.
        low: the lower end of its 95 % interval.
        high: the upper end.
        fall: by what log e falls over the fitted steps.
    """

    law: Law
    value: float
    low: float
    high: float
    fall: float

    @property
    def is_falling(self) -> bool:
        """Whether the excess falls by a hundredth or more, at all rates of the interval."""
        falls = self.low > 0 if self.law == "sublinear" else self.high < 1
        return falls and self.fall > LEAST_FALL

    @property
    def steps_per_tenth(self) -> float:
        """How many steps divide the excess by ten, if the rate is linear; else infinite."""
        return steps_per_tenth(self.value) if self.law == "linear" else math.inf

    def __str__(self) -> str:
        """The rate in words: `k^-1.02 (-1.05 to -0.99)`, `0.961^k (0.9608 to 0.9612)`."""
        if not self.is_falling:
            return "does not fall"
        if self.law == "sublinear":
            return f"k^-{self.value:.2f} ({-self.high:.2f} to {-self.low:.2f})"
        value, low, high = (with_digits(x, self.value) for x in (self.value, self.low, self.high))
        return f"{value}^k ({low} to {high})"


def with_digits(factor: float, of: float) -> str:
    """A factor a step with the decimals that show how far another one is below 1."""
    digits = max(2, 2 - math.floor(math.log10(1 - of))) if of < 1 else 4
    return f"{factor:.{digits}f}"


def steps_per_tenth(factor: float) -> float:
    """How many steps divide by ten what falls by a factor a step; infinite if it does not fall."""
    if factor <= 0:
        return 0.0
    return math.log(10) / -math.log(factor) if factor < 1 else math.inf


def usable(steps: npt.NDArray, excess: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray]:
    """The part of a curve that can be fitted: before it reaches what rounding leaves, for k > 0.

    Args:
        steps: the numbers of steps k [n], ascending.
        excess: the excess after each [n].
    """
    if not len(excess):
        return steps, excess
    below = np.flatnonzero(excess < ROUNDING * abs(excess[0]))
    end = below[0] if len(below) and np.max(excess[below[0] :]) < 1e-9 * abs(excess[0]) else None
    kept = slice(int(steps[0] == 0), end)
    return steps[kept], excess[kept]


def slope(law: Law, steps: npt.NDArray, excess: npt.NDArray) -> Slope | None:
    """Fit a law to one curve.

    Args:
        law: which.
        steps: the numbers of steps k [n], ascending and above 0.
        excess: the excess after each [n].

    Returns:
        The fit; None unless there are five points of which the mean is above 0.
    """
    late = steps >= FROM * steps[-1] if len(steps) else np.zeros(0, bool)
    k, e = steps[late].astype(float), excess[late].astype(float)
    place = np.log(k) if law == "sublinear" else k
    if len(k) <= BLOCKS:
        known = e > 0
        xs, ys = place[known], np.log(e[known])
    else:
        edges = np.linspace(place[0], place[-1], BLOCKS + 1)[1:-1]
        block = np.searchsorted(edges, place, side="right")
        means = [(place[block == i].mean(), e[block == i].mean()) for i in set(block.tolist())]
        points = np.array([(x, math.log(y)) for x, y in means if y > 0]).reshape(-1, 2)
        xs, ys = points.T
    if len(xs) < 5:
        return None
    spread = ((xs - xs.mean()) ** 2).sum()
    value = ((xs - xs.mean()) * ys).sum() / spread
    squares = float(((ys - ys.mean() - value * (xs - xs.mean())) ** 2).sum())
    half = t_quantile(len(xs) - 2) * math.sqrt(squares / (len(xs) - 2) / spread)
    return Slope(float(value), half, squares, float(place[-1] - place[0]))


def rate(curves: Sequence[tuple[npt.NDArray, npt.NDArray]]) -> Rate | None:
    """Fit both laws to some curves and keep the one that leaves less.

    Args:
        curves: for each run the numbers of steps and the excess.

    Returns:
        Of one or two curves the mean slope with the mean of their intervals; of three and more
        the mean with Student's interval over them. None where a curve cannot be fitted.
    """
    best: tuple[float, Rate] | None = None
    parts = [usable(*each) for each in curves]
    for law in LAWS:
        slopes = [slope(law, *part) for part in parts]
        known = [each for each in slopes if each is not None]
        if not known or len(known) < len(slopes):
            return None
        value = sum(each.value for each in known) / len(known)
        half = half_width([each.value for each in known])
        half = sum(each.half for each in known) / len(known) if half is None else half
        squares = sum(each.squares for each in known)
        if best is None or squares < best[0]:
            ends = value - half, value, value + half
            fall = -value * min(each.span for each in known)
            if law == "sublinear":
                found = Rate(law, -ends[1], -ends[2], -ends[0], fall)
            else:
                low, middle, high = map(math.exp, ends)
                found = Rate(law, middle, low, high, fall)
            best = squares, found
    return best[1] if best else None
