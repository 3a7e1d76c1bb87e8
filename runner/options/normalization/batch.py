"""Batch normalization: each unit over the examples of a batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from runner.lazy import jax, jnp
from runner.options.layer import Layer, LayerState, Params, Shape
from runner.options.moving_average import moving_average
from runner.options.normalization.base import (
    Normalization,
    NormalizingLayer,
    Position,
    gain_and_shift,
)
from runner.options.option import Facts, number, option
from runner.options.parameters import GAIN, SHIFT

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


@option
class BatchNorm(NormalizingLayer):
    """y = gain * (x - mean) / sqrt(variance + epsilon) + shift, each unit over the batch.

    Ioffe & Szegedy 2015, algorithms 1 and 2. In training, mean and (biased) variance are taken over
    the n examples of the batch (for a convolution: each channel over the n = examples * positions),
    and gradients flow through both. At evaluation they are moving averages over the steps,
    `average <- momentum * average + (1 - momentum) * batch`, of the mean and of the unbiased
    variance (n / (n - 1) times the biased one), as in the paper and PyTorch; Keras and Flax
    average the biased one. PyTorch's `momentum` is one minus this one. Before the activation it
    takes the place of the bias, because subtracting the mean would cancel that.

    With `statistics: training_set` both are measured on the training set at each evaluation, for
    the parameters that are evaluated, as in algorithm 2: the means of the mean and of the unbiased
    variance over batches of equal size, at most 500 examples, that are spread evenly over the
    training set (less than one example a batch is left over). An evaluation then costs one more
    pass over the training set. Optimizers that evaluate an average of the parameters
    (`averaged`, `lookahead`, ...) are always evaluated with such statistics, from at most
    10,000 examples unless the whole set is asked for. What draws random masks in training draws
    them here, too, as it does for the moving averages.

    A variance needs n >= 2. Batches and micro-batches of 1 are refused. Where the last batch of an
    epoch, or the last micro-batch, is left with n = 1, its outputs are `shift` and the moving
    averages stay as they are (PyTorch raises an error there).
    """

    momentum: float = number(0.9, minimum=0, below=1)
    epsilon: float = number(1e-5, above=0)
    statistics: Literal["moving_average", "training_set"] = "moving_average"
    position: Position = "before_activation"

    over_batch: ClassVar[bool] = True

    @property
    def needs_training_set(self) -> bool:
        """Whether `statistics` is `training_set`."""
        return self.statistics == "training_set"

    def cancels_bias(self, *, has_positions: bool) -> bool:
        """Return whether it comes before the activation."""
        return not self.follows_activation

    def layer(self) -> Layer:
        """Return batch normalization with moving averages for evaluation."""

        def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
            units = shape[-1]
            averages = {"mean": jnp.zeros(units), "variance": jnp.ones(units)}
            return gain_and_shift(units), averages, shape

        def apply(
            params: Params, state: LayerState, inputs: Float[Array, "batch *units"], training: bool
        ) -> tuple[Float[Array, "batch *units"], LayerState]:
            inputs = inputs.astype(params[GAIN].dtype)
            if not training:
                return self._normalize(params, inputs, state["mean"], state["variance"]), state
            axes = tuple(range(inputs.ndim - 1))
            mean, variance = inputs.mean(axes), inputs.var(axes)
            outputs = self._normalize(params, inputs, mean, variance)
            count = inputs.size // inputs.shape[-1]
            if count == 1:
                return outputs, state  # one example says nothing about the variance
            batch = {"mean": mean, "variance": variance * (count / (count - 1))}
            averages = moving_average(state, jax.lax.stop_gradient(batch), self.momentum)
            return outputs, averages

        return Layer(init, apply)

    def without_memory(self) -> Normalization:
        """Return it with a momentum of 0."""
        return dataclasses.replace(self, momentum=0.0)

    def _normalize(
        self,
        params: Params,
        inputs: Float[Array, "batch *units"],
        mean: Float[Array, " units"],
        variance: Float[Array, " units"],
    ) -> Float[Array, "batch *units"]:
        slope = params[GAIN] * jax.lax.rsqrt(variance + self.epsilon)
        return (inputs - mean) * slope + params[SHIFT]

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse batches of one example, whose variance is zero."""
        if facts.batch_size == 1:
            yield (
                "name",
                "batch normalization needs at least 2 examples in a batch: the variance of one "
                "is zero and the layers before it would not learn; use normalization=layer or a "
                "larger batch_size",
            )
