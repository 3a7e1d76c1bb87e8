"""Normalizations of each example by itself, the same in training and at evaluation."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.lazy import jax, jnp
from runner.options.layer import Layer, LayerState, Params, Shape
from runner.options.normalization.base import (
    NormalizingLayer,
    Position,
    gain_and_shift,
    scaled,
)
from runner.options.option import Facts, HiddenLayer, number, option
from runner.options.parameters import GAIN

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


class ExampleNormalization(NormalizingLayer):
    """gain * n(x) + shift, with n a function of one example."""

    @abstractmethod
    def normalized(self, inputs: Float[Array, "batch *units"]) -> Float[Array, "batch *units"]:
        """Return n(x)."""

    def start(self, shape: Shape) -> Params:
        """Return the initial gain and shift; without any, inputs of this shape stay as they are."""
        return gain_and_shift(shape[-1])

    def layer(self) -> Layer:
        """Return the layer; it has no state."""

        def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
            return self.start(shape), {}, shape

        def apply(
            params: Params, state: LayerState, inputs: Float[Array, "batch *units"], training: bool
        ) -> tuple[Float[Array, "batch *units"], LayerState]:
            if not params:
                return inputs, state
            return scaled(params, self.normalized(inputs.astype(params[GAIN].dtype))), state

        return Layer(init, apply)


@option
class LayerNorm(ExampleNormalization):
    """y = gain * (x - mean) / sqrt(variance + epsilon) + shift, each example over its layer.

    Ba, Kiros & Hinton 2016, eq. 4: mean and biased variance are taken over all units of the layer
    (for a convolution over positions and channels), separately for each example, in training and
    at evaluation alike. Keras and Flax take them over the channels only by default.
    """

    epsilon: float = number(1e-5, above=0)
    position: Position = "before_activation"

    def normalized(self, inputs: Float[Array, "batch *units"]) -> Float[Array, "batch *units"]:
        """Return (x - mean) / sqrt(variance + epsilon) over all but the first axis."""
        return _standardized(inputs, tuple(range(1, inputs.ndim)), self.epsilon)


@option
class GroupNorm(ExampleNormalization):
    """y = gain * (x - mean) / sqrt(variance + epsilon) + shift, each example over groups of units.

    Wu & He 2018, eq. 7: the units (or channels) are divided in their order into `groups` of equal
    size; mean and biased variance are taken over a group and, for a convolution, all positions.
    One group is `layer`; as many groups as channels are `instance`. The paper has 32 groups in
    networks of 64 to 2,048 channels. `groups` must divide every hidden layer, and leave each group
    of a dense layer at least 2 units. Two become -1 and 1 whatever they are, and pass on hardly any
    gradient.
    """

    groups: int = number(8, minimum=1)
    epsilon: float = number(1e-5, above=0)
    position: Position = "before_activation"

    def normalized(self, inputs: Float[Array, "batch *units"]) -> Float[Array, "batch *units"]:
        """Return (x - mean) / sqrt(variance + epsilon) over the positions and units of a group."""
        *others, units = inputs.shape
        grouped = inputs.reshape(*others, self.groups, units // self.groups)
        axes = (*range(1, inputs.ndim - 1), grouped.ndim - 1)
        return _standardized(grouped, axes, self.epsilon).reshape(inputs.shape)

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse groups that do not divide a layer, or consist of a single number."""
        layers = facts.hidden_layers or ()
        wrong = next((layer for layer in layers if not _divides(self.groups, layer)), None)
        if wrong is None:
            return
        fitting = (
            groups
            for groups in range(self.groups, 0, -1)
            if all(_divides(groups, layer, least=3) for layer in layers)
        )
        why = "units cannot be divided into groups of equal size"
        if wrong.units % self.groups == 0:
            why = "units of a dense layer would be groups of one number, whose variance is 0"
        best = next(fitting, None)
        advice = "normalization=none" if best is None else f"normalization.groups={best}"
        yield "groups", f"the {wrong.units} {why}; use {advice}"

    def cautions(self, facts: Facts) -> Iterator[str]:
        """Say where a group is two numbers, of which only their order is left."""
        if not all(_divides(self.groups, layer, least=3) for layer in facts.hidden_layers or ()):
            yield (
                "groups of two units become -1 and 1 whatever the units are, and pass on hardly "
                "any gradient; use fewer normalization.groups or more units"
            )


@option
class InstanceNorm(ExampleNormalization):
    """y = gain * (x - mean) / sqrt(variance + epsilon) + shift, each channel of each example.

    Ulyanov, Vedaldi & Lempitsky 2016, eq. 4: mean and biased variance are taken over the positions
    of a channel, in training and at evaluation alike. The convolution before it has no bias,
    because subtracting the mean would cancel it. The dense layers of a network with convolutions
    have no positions and are not normalized; a model without convolutions is refused. PyTorch's
    layer has neither gain nor shift by default.
    """

    epsilon: float = number(1e-5, above=0)
    position: Position = "before_activation"

    def cancels_bias(self, *, has_positions: bool) -> bool:
        """Return whether it normalizes the layer, and before the activation."""
        return has_positions and not self.follows_activation

    def start(self, shape: Shape) -> Params:
        """Return gain and shift of each channel, and nothing for a dense layer."""
        return super().start(shape) if len(shape) > 1 else {}

    def normalized(self, inputs: Float[Array, "batch *units"]) -> Float[Array, "batch *units"]:
        """Return (x - mean) / sqrt(variance + epsilon) over the positions."""
        return _standardized(inputs, tuple(range(1, inputs.ndim - 1)), self.epsilon)

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse a model without convolutions."""
        layers = facts.hidden_layers or ()
        if layers and not any(layer.has_positions for layer in layers):
            yield (
                "name",
                "instance normalization is over the positions of each channel, and the model has "
                "no convolutions: the variance of a single number is zero; use "
                "normalization=layer or model=cnn",
            )


@option
class RMSNorm(ExampleNormalization):
    """y = gain * x / sqrt(mean(x^2) + epsilon), each example over its layer.

    Zhang & Sennrich 2019, eq. 4: layer normalization without its mean. The mean of the squares is
    taken over all units of the layer (for a convolution over positions and channels). There is no
    shift; the bias of the affine map before it stays. Flax and PyTorch take the mean over the
    channels only, or over the axes that they are told. The paper has no epsilon; PyTorch's default
    is 1.2e-7.
    """

    epsilon: float = number(1e-6, above=0)
    position: Position = "before_activation"

    def start(self, shape: Shape) -> Params:
        """Return the gain alone."""
        return {GAIN: super().start(shape)[GAIN]}

    def normalized(self, inputs: Float[Array, "batch *units"]) -> Float[Array, "batch *units"]:
        """Return x / sqrt(mean(x^2) + epsilon) over all but the first axis."""
        axes = tuple(range(1, inputs.ndim))
        squares = jnp.square(inputs).mean(axes, keepdims=True)
        return inputs * jax.lax.rsqrt(squares + self.epsilon)


def _standardized(
    inputs: Float[Array, "..."], axes: tuple[int, ...], epsilon: Float[Array, ""] | float
) -> Float[Array, "..."]:
    """Subtract the mean over some axes, and divide by the deviation over them."""
    mean = inputs.mean(axes, keepdims=True)
    variance = inputs.var(axes, keepdims=True)
    return (inputs - mean) * jax.lax.rsqrt(variance + epsilon)


def _divides(groups: int, layer: HiddenLayer, least: int = 2) -> bool:
    """Whether a layer has groups of equal size, of `least` numbers or more."""
    size, left = divmod(layer.units, groups)
    return left == 0 and (size >= least or layer.has_positions)
