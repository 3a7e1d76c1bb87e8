"""The base classes of activations, and the activation that changes nothing."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from runner.options.layer import Layer, pure
from runner.options.option import Option, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class Activation(Option):
    """A layer after an affine map, which makes the network nonlinear."""

    self_normalizes: ClassVar[bool] = False
    """Whether it keeps a mean of 0 and a variance of 1 from layer to layer, as SELU does."""

    @property
    def steepest(self) -> float:
        """The largest slope, which saturation is measured by: by default 1."""
        return 1.0

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
class Identity(Elementwise):
    """f(x) = x: layers without a nonlinearity, a deep linear network (Saxe et al. 2014)."""

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return x."""
        return inputs
