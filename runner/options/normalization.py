"""Normalizations: layers before each activation of the hidden layers.

The last axis of the inputs counts the units (of a dense layer) or channels (of a convolution). Each
unit or channel has a learned `gain`, which starts at 1, and `shift`, which starts at 0. Statistics
are computed in the type of these two, which is float32 even where `precision=bfloat16`.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from runner.lazy import jax, jnp
from runner.options.layer import KernelMap, Layer, LayerState, Params, Shape, pure, same_kernel
from runner.options.moving_average import moving_average
from runner.options.option import Facts, Option, number, option
from runner.options.parameters import GAIN, SHIFT

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


class Normalization(Option):
    """A layer between an affine map and its activation."""

    replaces_bias: ClassVar[bool] = False
    """Whether the bias of the affine map before it has no effect and is left out."""

    over_batch: ClassVar[bool] = False
    """Whether the outputs of an example depend on the other examples of its batch."""

    @abstractmethod
    def layer(self) -> Layer:
        """Return the normalizing layer."""

    def kernel_map(self) -> KernelMap:
        """Return what is applied instead of the kernel of a hidden layer: by default itself."""
        return same_kernel

    def without_memory(self) -> Normalization:
        """Return the normalization whose state after a batch is of that batch alone.

        Its statistics are averaged over the training set where the evaluated parameters are not
        the trained ones. By default the normalization itself.
        """
        return self


@option
class NoNormalization(Normalization):
    """y = x."""

    def layer(self) -> Layer:
        """Return the identity."""
        return pure(lambda inputs: inputs)


@option
class BatchNorm(Normalization):
    """y = gain * (x - mean) / sqrt(variance + epsilon) + shift, each unit over the batch.

    Ioffe & Szegedy 2015, algorithms 1 and 2. In training, mean and (biased) variance are taken over
    the n examples of the batch (for a convolution: each channel over the n = examples * positions),
    and gradients flow through both. At evaluation they are moving averages over the steps,
    `average <- momentum * average + (1 - momentum) * batch`, of the mean and of the unbiased
    variance (n / (n - 1) times the biased one), as in the paper and PyTorch; Keras and Flax
    average the biased one. PyTorch's `momentum` is one minus this one. The layer before it has no
    bias, because subtracting the mean would cancel it. Optimizers that evaluate an average of the
    parameters (`averaged_sgd`, `lookahead`, ...) are evaluated with statistics of that average: the
    means over batches of 500 training examples, of all examples but at most 10,000.

    A variance needs n >= 2. Batches and micro-batches of 1 are refused. Where the last batch of an
    epoch, or the last micro-batch, is left with n = 1, its outputs are `shift` and the moving
    averages stay as they are (PyTorch raises an error there).
    """

    momentum: float = number(0.9, minimum=0, below=1)
    epsilon: float = number(1e-5, above=0)

    replaces_bias: ClassVar[bool] = True
    over_batch: ClassVar[bool] = True

    def layer(self) -> Layer:
        """Return batch normalization with moving averages for evaluation."""

        def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
            units = shape[-1]
            averages = {"mean": jnp.zeros(units), "variance": jnp.ones(units)}
            return _affine(units), averages, shape

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


@option
class LayerNorm(Normalization):
    """y = gain * (x - mean) / sqrt(variance + epsilon) + shift, each example over its layer.

    Ba, Kiros & Hinton 2016, eq. 4: mean and biased variance are taken over all units of the layer
    (for a convolution over positions and channels), separately for each example, in training and
    at evaluation alike. Keras and Flax take them over the channels only by default.
    """

    epsilon: float = number(1e-5, above=0)

    def layer(self) -> Layer:
        """Return layer normalization."""

        def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
            return _affine(shape[-1]), {}, shape

        def apply(
            params: Params, state: LayerState, inputs: Float[Array, "batch *units"], training: bool
        ) -> tuple[Float[Array, "batch *units"], LayerState]:
            inputs = inputs.astype(params[GAIN].dtype)
            axes = tuple(range(1, inputs.ndim))
            mean = inputs.mean(axes, keepdims=True)
            variance = inputs.var(axes, keepdims=True)
            normal = (inputs - mean) * jax.lax.rsqrt(variance + self.epsilon)
            return normal * params[GAIN] + params[SHIFT], state

        return Layer(init, apply)


def _affine(units: int) -> Params:
    return {GAIN: jnp.ones(units), SHIFT: jnp.zeros(units)}
