"""Losses of numbers: of the difference e of an output and its target, as a mean over the outputs.

With classes as targets the numbers are 1 for the class of the example and 0 for all others (Hui &
Belkin 2021 compare this with the cross-entropy).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.lazy import jnp
from runner.options.loss.base import Loss, as_numbers
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Num


@option
class SquaredError(Loss):
    """Mean of e^2, with e = output - target.

    Without the factor 1/2, as in PyTorch's `MSELoss`, Keras's `MeanSquaredError` and scikit-learn's
    `mean_squared_error`; scikit-learn's `MLPRegressor` and many papers minimize half of it.
    """

    def __call__(
        self, outputs: Float[Array, "*batch outputs"], targets: Num[Array, "*batch_and_columns"]
    ) -> Float[Array, "*batch"]:
        """Return the mean of e^2."""
        return jnp.mean(jnp.square(outputs - as_numbers(targets, outputs)), axis=-1)


@option
class AbsoluteError(Loss):
    """Mean of |e|, with e = output - target; its minimum is the median.

    PyTorch's `L1Loss`, Keras's `MeanAbsoluteError`. The gradient at e = 0 is 0.
    """

    def __call__(
        self, outputs: Float[Array, "*batch outputs"], targets: Num[Array, "*batch_and_columns"]
    ) -> Float[Array, "*batch"]:
        """Return the mean of |e|."""
        return jnp.mean(jnp.abs(outputs - as_numbers(targets, outputs)), axis=-1)


@option
class Huber(Loss):
    """Mean of e^2 / 2 where |e| <= delta, and delta (|e| - delta / 2) elsewhere.

    Huber 1964; PyTorch's `HuberLoss` and Keras's `Huber`. PyTorch's `SmoothL1Loss` is this divided
    by delta. For a large delta it is half of the squared error.
    """

    delta: float = number(1.0, above=0)

    def __call__(
        self, outputs: Float[Array, "*batch outputs"], targets: Num[Array, "*batch_and_columns"]
    ) -> Float[Array, "*batch"]:
        """Return the mean of c (|e| - c / 2), with c = min(|e|, delta)."""
        distances = jnp.abs(outputs - as_numbers(targets, outputs))
        quadratic = jnp.minimum(distances, self.delta)
        return jnp.mean(quadratic * (distances - 0.5 * quadratic), axis=-1)
