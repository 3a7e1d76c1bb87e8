"""Normalizations: layers put before each activation of the hidden layers.

The last axis of the inputs counts the units (of a dense layer) or channels (of a convolution); each
has its own learned `gain`, starting at 1, and `shift`, starting at 0.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from runner.lazy import jax, jnp
from runner.options.layer import Layer, LayerState, Params, Shape, pure
from runner.options.option import Facts, Option, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


class Normalization(Option):
    """A layer between an affine map and its activation."""

    replaces_bias: ClassVar[bool] = False
    """Whether the bias of the affine map before it has no effect and is left out."""

    over_batch: ClassVar[bool] = False
    """Whether an example's outputs depend on the rest of its batch."""

    @abstractmethod
    def layer(self) -> Layer:
        """The normalizing layer."""


@option
class NoNormalization(Normalization):
    """y = x."""

    def layer(self) -> Layer:
        """The identity."""
        return pure(lambda inputs: inputs)


@option
class Batch(Normalization):
    """y = gain * (x - mean) / sqrt(variance + epsilon) + shift, each unit over the batch.

    Ioffe & Szegedy 2015, algorithms 1 and 2. In training, mean and (biased) variance are those of
    the batch, for a convolution those of a channel over batch and positions, and gradients flow
    through both. At evaluation they are moving averages over the steps,
    `average <- momentum * average + (1 - momentum) * batch`, of the mean and of the unbiased
    variance (n / (n - 1) times the biased one), as the paper and PyTorch do; Keras and Flax
    average the biased one. PyTorch's `momentum` is one minus this one. The bias before it is
    omitted, since the mean takes it away.
    """

    momentum: float = number(0.9, minimum=0, below=1)
    epsilon: float = number(1e-5, above=0)

    replaces_bias: ClassVar[bool] = True
    over_batch: ClassVar[bool] = True

    def layer(self) -> Layer:
        """Batch normalization with moving averages for evaluation."""

        def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
            units = shape[-1]
            averages = {"mean": jnp.zeros(units), "variance": jnp.ones(units)}
            return _affine(units), averages, shape

        def apply(
            params: Params, state: LayerState, inputs: Float[Array, "batch *units"], training: bool
        ) -> tuple[Float[Array, "batch *units"], LayerState]:
            if not training:
                return self._normalize(params, inputs, state["mean"], state["variance"]), state
            axes = tuple(range(inputs.ndim - 1))
            mean, variance = inputs.mean(axes), inputs.var(axes)
            count = inputs.size // inputs.shape[-1]
            seen = {"mean": mean, "variance": variance * (count / max(count - 1, 1))}
            averages = jax.tree.map(
                lambda average, new: self.momentum * average + (1 - self.momentum) * new,
                state,
                jax.lax.stop_gradient(seen),
            )
            return self._normalize(params, inputs, mean, variance), averages

        return Layer(init, apply)

    def _normalize(
        self,
        params: Params,
        inputs: Float[Array, "batch *units"],
        mean: Float[Array, " units"],
        variance: Float[Array, " units"],
    ) -> Float[Array, "batch *units"]:
        slope = params["gain"] * jax.lax.rsqrt(variance + self.epsilon)
        return (inputs - mean) * slope + params["shift"]

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse batches of one example, whose variance is zero."""
        if facts.batch_size == 1:
            yield (
                "name",
                "batch normalization needs at least 2 examples in a batch: the variance of one "
                "is zero and nothing below it would learn; use normalization=layer or a larger "
                "batch_size",
            )


@option
class LayerNorm(Normalization):
    """y = gain * (x - mean) / sqrt(variance + epsilon) + shift, each example over its layer.

    Ba, Kiros & Hinton 2016, eq. 4: mean and biased variance are taken over all units of the layer
    (for a convolution over positions and channels), for each example alone, the same way in
    training and evaluation. Keras and Flax take them over channels only unless told otherwise.
    """

    epsilon: float = number(1e-5, above=0)

    def layer(self) -> Layer:
        """Layer normalization."""

        def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
            return _affine(shape[-1]), {}, shape

        def apply(
            params: Params, state: LayerState, inputs: Float[Array, "batch *units"], training: bool
        ) -> tuple[Float[Array, "batch *units"], LayerState]:
            axes = tuple(range(1, inputs.ndim))
            mean = inputs.mean(axes, keepdims=True)
            variance = inputs.var(axes, keepdims=True)
            normal = (inputs - mean) * jax.lax.rsqrt(variance + self.epsilon)
            return normal * params["gain"] + params["shift"], state

        return Layer(init, apply)


def _affine(units: int) -> Params:
    return {"gain": jnp.ones(units), "shift": jnp.zeros(units)}
