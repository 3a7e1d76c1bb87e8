"""Preprocessings that shift and scale: all features alike, or each by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from runner.lazy import jnp, np
from runner.options.option import number, option
from runner.options.preprocessing.base import Preprocessing

if TYPE_CHECKING:
    import numpy.typing as npt
    from jaxtyping import Array, Float, Num

Per = Literal["dataset", "feature"]


class Statistics(NamedTuple):
    """What `fit` computes: scalars, or one number for each feature."""

    offset: Float[Array, "*feature"] | npt.NDArray  # is subtracted: a mean, a minimum
    spread: Float[Array, "*feature"] | npt.NDArray  # divides: a deviation, a range; never 0


@option
class Raw(Preprocessing[Statistics]):
    """x as stored, converted to floats: pixels from 0 to 255 (digits: 0 to 16)."""

    def fit(self, inputs: npt.NDArray) -> Statistics:
        """Return an offset of 0 and a spread of 1."""
        return Statistics(np.zeros(()), np.ones(()))

    def __call__(
        self, statistics: Statistics, inputs: Num[Array, "batch *feature"]
    ) -> Float[Array, "batch *feature"]:
        """Return x as floats."""
        return jnp.asarray(inputs, float)


@option
class Center(Preprocessing[Statistics]):
    """x - mean: zero mean, the variances as they are.

    `per: dataset` subtracts one mean from all features; `per: feature` subtracts from each its own,
    for images the mean image.
    """

    per: Per = "dataset"

    def fit(self, inputs: npt.NDArray) -> Statistics:
        """Return the mean and a spread of 1."""
        axis = None if self.per == "dataset" else 0
        return Statistics(inputs.mean(axis=axis, dtype=float), np.ones(()))

    def __call__(
        self, statistics: Statistics, inputs: Num[Array, "batch *feature"]
    ) -> Float[Array, "batch *feature"]:
        """Return x - mean."""
        return inputs - statistics.offset


@option
class Standardize(Preprocessing[Statistics]):
    """(x - mean) / (standard deviation + epsilon): zero mean and unit variance.

    `per: dataset` uses one mean and one deviation for all features, which keeps the contrast of an
    image; `per: feature` uses one for each feature, where a pixel that is nearly always 0 becomes
    very large when it is not. A feature that is constant in the training split is only centred, x -
    mean, so it is 0 for every training example; scikit-learn's StandardScaler does the same.
    """

    per: Per = "dataset"
    epsilon: float = number(1e-8, minimum=0)

    def fit(self, inputs: npt.NDArray) -> Statistics:
        """Return the mean and the (biased) standard deviation, 1 for what is constant."""
        if self.per == "dataset":
            values, counts = np.unique(inputs, return_counts=True)
            mean = np.average(values, weights=counts)
            deviation = np.sqrt(np.average((values - mean) ** 2, weights=counts))
            return Statistics(mean, deviation if len(values) > 1 else np.ones(()))
        # Rounding can leave the deviation of a constant feature just above 0: compare the ends.
        constant = inputs.min(axis=0) == inputs.max(axis=0)
        deviation = inputs.std(axis=0, dtype=float)
        mean = inputs.mean(axis=0, dtype=float)
        return Statistics(mean, np.where(constant, 1.0, deviation))

    def __call__(
        self, statistics: Statistics, inputs: Num[Array, "batch *feature"]
    ) -> Float[Array, "batch *feature"]:
        """Return (x - mean) / (standard deviation + epsilon)."""
        return (inputs - statistics.offset) / (statistics.spread + self.epsilon)


@option
class MinMax(Preprocessing[Statistics]):
    """low + (high - low) * (x - min) / (max - min), linear onto [low, high].

    Minimum and maximum are taken over the training split, of all features together or of each
    feature. A feature that is constant there is mapped to `low`. Inputs of the other splits may
    fall outside [low, high].
    """

    per: Per = "dataset"
    low: float = number(0.0)
    high: float = number(1.0)

    def fit(self, inputs: npt.NDArray) -> Statistics:
        """Return the minimum and the range, 1 for what is constant."""
        axis = None if self.per == "dataset" else 0
        low, high = inputs.min(axis=axis).astype(float), inputs.max(axis=axis).astype(float)
        return Statistics(low, np.where(high > low, high - low, 1.0))

    def __call__(
        self, statistics: Statistics, inputs: Num[Array, "batch *feature"]
    ) -> Float[Array, "batch *feature"]:
        """Return the inputs on [low, high]."""
        unit = (inputs - statistics.offset) / statistics.spread
        return self.low + (self.high - self.low) * unit
