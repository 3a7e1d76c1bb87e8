"""Activations: the function between two layers, applied elementwise."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from runner.lazy import jax, jnp
from runner.options.option import Option, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class Activation(Option):
    """A function of one number, applied elementwise."""

    @abstractmethod
    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return f(x) for every element."""


@option
class Relu(Activation):
    """f(x) = max(0, x), with the gradient 0 at 0. Nair & Hinton 2010."""

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return max(0, x)."""
        return jax.nn.relu(inputs)


@option
class Tanh(Activation):
    """f(x) = tanh(x), an odd function with values between -1 and 1."""

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return tanh(x)."""
        return jnp.tanh(inputs)


@option
class Sigmoid(Activation):
    """f(x) = 1 / (1 + exp(-x)), between 0 and 1; a mean near 1/2 slows deep networks down."""

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return 1 / (1 + exp(-x))."""
        return jax.nn.sigmoid(inputs)


@option
class Identity(Activation):
    """f(x) = x: layers without a nonlinearity, a deep linear network (Saxe et al. 2014)."""

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return x."""
        return inputs
