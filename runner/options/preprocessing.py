"""Preprocessing: from the stored numbers (pixels as uint8) to the inputs of the network.

The statistics are computed once, from the training split alone, by NumPy in float64 on the host.
They are applied inside the compiled step, batch by batch, so that the data stay on the device in
the compact form in which they were stored.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal, NamedTuple

from runner.lazy import jnp, np
from runner.options.option import Option, number, option

if TYPE_CHECKING:
    import numpy.typing as npt
    from jaxtyping import Array, Float, Num

    Fitted = tuple[npt.NDArray, npt.NDArray]

Per = Literal["dataset", "feature"]


class Statistics(NamedTuple):
    """What `fit` computed, on the device: scalars, or one number for each feature."""

    offset: Float[Array, "*feature"]  # is subtracted: a mean, a minimum
    spread: Float[Array, "*feature"]  # divides: a standard deviation, a range; never 0


class Preprocessing(Option):
    """A map of the inputs, fitted on the training split."""

    @abstractmethod
    def fit(self, inputs: npt.NDArray) -> Fitted:
        """Compute offset and spread of the training inputs `[examples, *feature]`, on the host."""

    @abstractmethod
    def __call__(
        self, statistics: Statistics, inputs: Num[Array, "batch *feature"]
    ) -> Float[Array, "batch *feature"]:
        """Map a batch, inside the compiled program."""


@option
class Raw(Preprocessing):
    """x as stored, converted to floats: pixels from 0 to 255 (digits: 0 to 16)."""

    def fit(self, inputs: npt.NDArray) -> Fitted:
        """Return an offset of 0 and a spread of 1."""
        return np.zeros(()), np.ones(())

    def __call__(
        self, statistics: Statistics, inputs: Num[Array, "batch *feature"]
    ) -> Float[Array, "batch *feature"]:
        """Return x as floats."""
        return jnp.asarray(inputs, float)


@option
class Standardize(Preprocessing):
    """(x - mean) / (standard deviation + epsilon): zero mean and unit variance.

    `per: dataset` uses one mean and one deviation for all features, which keeps the contrast of an
    image; `per: feature` uses one for each feature, where a pixel that is nearly always 0 becomes
    very large when it is not. A feature that is constant in the training split is only centred, x -
    mean, so it is 0 for every training example; scikit-learn's StandardScaler does the same.
    """

    per: Per = "dataset"
    epsilon: float = number(1e-8, minimum=0)

    def fit(self, inputs: npt.NDArray) -> Fitted:
        """Return the mean and the (biased) standard deviation, 1 for what is constant."""
        if self.per == "dataset":
            values, counts = np.unique(inputs, return_counts=True)
            mean = np.average(values, weights=counts)
            deviation = np.sqrt(np.average((values - mean) ** 2, weights=counts))
            return mean, deviation if len(values) > 1 else np.ones(())
        # Rounding can leave the deviation of a constant feature just above 0: compare the ends.
        constant = inputs.min(axis=0) == inputs.max(axis=0)
        deviation = inputs.std(axis=0, dtype=float)
        return inputs.mean(axis=0, dtype=float), np.where(constant, 1.0, deviation)

    def __call__(
        self, statistics: Statistics, inputs: Num[Array, "batch *feature"]
    ) -> Float[Array, "batch *feature"]:
        """Return (x - mean) / (standard deviation + epsilon)."""
        return (inputs - statistics.offset) / (statistics.spread + self.epsilon)


@option
class MinMax(Preprocessing):
    """low + (high - low) * (x - min) / (max - min), linear onto [low, high].

    Minimum and maximum are taken over the training split, of all features together or of each
    feature. A feature that is constant there is mapped to `low`. Inputs of the other splits may
    fall outside [low, high].
    """

    per: Per = "dataset"
    low: float = number(0.0)
    high: float = number(1.0)

    def fit(self, inputs: npt.NDArray) -> Fitted:
        """Return the minimum and the range, 1 for what is constant."""
        axis = None if self.per == "dataset" else 0
        low, high = inputs.min(axis=axis).astype(float), inputs.max(axis=axis).astype(float)
        return low, np.where(high > low, high - low, 1.0)

    def __call__(
        self, statistics: Statistics, inputs: Num[Array, "batch *feature"]
    ) -> Float[Array, "batch *feature"]:
        """Return the inputs on [low, high]."""
        unit = (inputs - statistics.offset) / statistics.spread
        return self.low + (self.high - self.low) * unit
