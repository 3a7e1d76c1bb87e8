"""Activations: the layer that follows an affine map, nearly always a function of each number."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from runner.lazy import jax, jnp
from runner.options.layer import Layer, pure
from runner.options.option import Option, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class Activation(Option):
    """A layer after an affine map, which makes the network nonlinear."""

    @abstractmethod
    def layer(self) -> Layer:
        """Return the layer; it keeps the shape of its inputs."""


class Elementwise(Activation):
    """A function of one number, applied elementwise; nothing of it is learned."""

    def layer(self) -> Layer:
        """Return the layer that applies the function."""
        return pure(self)

    @abstractmethod
    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return f(x) for every element."""


@option
class Relu(Elementwise):
    """f(x) = max(0, x), with the gradient 0 at 0. Nair & Hinton 2010."""

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return max(0, x)."""
        return jax.nn.relu(inputs)


@option
class Tanh(Elementwise):
    """f(x) = tanh(x), an odd function with values between -1 and 1."""

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return tanh(x)."""
        return jnp.tanh(inputs)


@option
class Sigmoid(Elementwise):
    """f(x) = 1 / (1 + exp(-x)), between 0 and 1; a mean near 1/2 slows deep networks down."""

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return 1 / (1 + exp(-x))."""
        return jax.nn.sigmoid(inputs)


@option
class Identity(Elementwise):
    """f(x) = x: layers without a nonlinearity, a deep linear network (Saxe et al. 2014)."""

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return x."""
        return inputs
