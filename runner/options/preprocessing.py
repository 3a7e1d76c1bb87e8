"""Preprocessing: from the stored numbers (pixels as uint8) to the inputs of the network.

The statistics are fitted once, on the training split alone, by NumPy in float64 on the host; they
are applied inside the compiled step, batch by batch, so that the data stay on the device in the
compact form in which they were stored.
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
    """What `fit` found, on the device: of all features together or of each.

    `offset` is subtracted (a mean, a minimum) and `spread` divides (a deviation, a range).
    """

    offset: Float[Array, "*feature"]
    spread: Float[Array, "*feature"]


class Preprocessing(Option):
    """A map of the inputs, fitted on the training split."""

    @abstractmethod
    def fit(self, inputs: npt.NDArray) -> Fitted:
        """Compute the statistics of the training inputs `[examples, *feature]`, on the host."""

    @abstractmethod
    def __call__(
        self, statistics: Statistics, inputs: Num[Array, "batch *feature"]
    ) -> Float[Array, "batch *feature"]:
        """Map a batch, inside the compiled program."""


@option
class Raw(Preprocessing):
    """x as stored, only turned into floats: pixels from 0 to 255 (digits: 0 to 16)."""

    def fit(self, inputs: npt.NDArray) -> Fitted:
        """Nothing to fit: the identity."""
        return np.zeros(()), np.ones(())

    def __call__(
        self, statistics: Statistics, inputs: Num[Array, "batch *feature"]
    ) -> Float[Array, "batch *feature"]:
        """Return x as floats."""
        return jnp.asarray(inputs, float)


@option
class Standardize(Preprocessing):
    """(x - mean) / (standard deviation + epsilon): zero mean and unit variance.

    `per: dataset` takes one mean and one deviation over all features, which keeps an image an
    image; `per: feature` takes one for each (scikit-learn's StandardScaler), where a pixel that is
    nearly always 0 can become very large the one time it is not.
    """

    per: Per = "dataset"
    epsilon: float = number(1e-8, minimum=0)

    def fit(self, inputs: npt.NDArray) -> Fitted:
        """The mean and the (biased) standard deviation."""
        if self.per == "dataset":
            values, counts = np.unique(inputs, return_counts=True)
            mean = np.average(values, weights=counts)
            return mean, np.sqrt(np.average((values - mean) ** 2, weights=counts))
        return inputs.mean(axis=0, dtype=float), inputs.std(axis=0, dtype=float)

    def __call__(
        self, statistics: Statistics, inputs: Num[Array, "batch *feature"]
    ) -> Float[Array, "batch *feature"]:
        """Return (x - mean) / (standard deviation + epsilon)."""
        return (inputs - statistics.offset) / (statistics.spread + self.epsilon)


@option
class MinMax(Preprocessing):
    """low + (high - low) * (x - min) / (max - min), linear onto [low, high].

    Minimum and maximum are those of the training split, over the whole data set or of each
    feature; a feature that never varies is mapped to `low`. Inputs of the other splits may fall
    outside.
    """

    per: Per = "dataset"
    low: float = number(0.0)
    high: float = number(1.0)

    def fit(self, inputs: npt.NDArray) -> Fitted:
        """The minimum, and the distance from there to the maximum (1 where that is 0)."""
        axis = None if self.per == "dataset" else 0
        low, high = inputs.min(axis=axis).astype(float), inputs.max(axis=axis).astype(float)
        return low, np.where(high > low, high - low, 1.0)

    def __call__(
        self, statistics: Statistics, inputs: Num[Array, "batch *feature"]
    ) -> Float[Array, "batch *feature"]:
        """Return the inputs on [low, high]."""
        unit = (inputs - statistics.offset) / statistics.spread
        return self.low + (self.high - self.low) * unit
