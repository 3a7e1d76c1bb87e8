"""Rectifiers: activations of two or three straight pieces, of which one passes the input on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from runner.lazy import jax, jnp
from runner.options.activation.base import Activation, Elementwise
from runner.options.layer import Layer, LayerState, Params, Shape
from runner.options.option import number, option
from runner.options.parameters import SLOPE

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


@option
class Relu(Elementwise):
    """f(x) = max(0, x), with the gradient 0 at 0. Nair & Hinton 2010."""

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return max(0, x)."""
        return jax.nn.relu(inputs)


@option
class Relu6(Elementwise):
    """f(x) = min(max(0, x), 6): bounded, for arithmetic of few bits. Krizhevsky 2010."""

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return min(max(0, x), 6)."""
        return jax.nn.relu6(inputs)


@option
class LeakyRelu(Elementwise):
    """f(x) = x for x > 0, else slope * x: no unit is ever without a gradient.

    Maas et al. 2013, with their slope, which is PyTorch's and JAX's as well; Keras's layer has 0.3.
    """

    slope: float = number(0.01)

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return x for x > 0, else slope * x."""
        return jnp.where(inputs > 0, inputs, self.slope * inputs)


@option
class PRelu(Activation):
    """f(x) = x for x > 0, else a * x. The slope a starts at `slope` and is trained.

    He et al. 2015, eq. 1. `per` says how many slopes a layer has: one for each unit (in a
    convolution one for each channel, the paper's "channel-wise") or one for all units ("channel-
    shared"). PyTorch has one a layer by default, Keras one for each unit and, unless told
    otherwise, for each position of an image. As in the paper, weight decay does not act on slopes.
    """

    slope: float = number(0.25)
    per: Literal["layer", "unit"] = "unit"

    def layer(self) -> Layer:
        """Return the layer with its slopes."""

        def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
            count = 1 if self.per == "layer" else shape[-1]
            return {SLOPE: jnp.full(count, self.slope)}, {}, shape

        def apply(
            params: Params, state: LayerState, inputs: Float[Array, "batch *units"], training: bool
        ) -> tuple[Float[Array, "batch *units"], LayerState]:
            return jnp.where(inputs > 0, inputs, params[SLOPE] * inputs), state

        return Layer(init, apply)


@option
class ThresholdRelu(Elementwise):
    """f(x) = x for x > threshold, else 0: sparser than relu, and it jumps at the threshold.

    Konda et al. 2015; Keras's `ThresholdedReLU`, PyTorch's `Threshold(threshold, 0)`.
    """

    threshold: float = number(1.0, minimum=0)

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return x for x > threshold, else 0."""
        return jnp.where(inputs <= self.threshold, 0.0, inputs)
