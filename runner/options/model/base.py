"""What every model is, and the blocks that models share."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from runner.lazy import jnp
from runner.options.layer import Layer, LayerState, Params, Shape, pure, serial
from runner.options.option import Option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray

    from runner.options.activation import Activation
    from runner.options.initializer import Initializer
    from runner.options.normalization import Normalization
    from runner.options.regularization import Regularization


class Parts(NamedTuple):
    """The choices of other groups that a model puts into its layers."""

    activation: Activation
    initializer: Initializer
    normalization: Normalization
    regularization: tuple[Regularization, ...] = ()


class Model(Option):
    """An architecture."""

    @abstractmethod
    def network(self, parts: Parts, classes: int) -> Layer:
        """The network from one example's features to `classes` logits.

        The last layer is always affine: no normalization and no activation follow it.
        """


def dense(units: int, initializer: Initializer, *, bias: bool = True) -> Layer:
    """Y = x W + b with W of shape `(inputs, units)` drawn by the initializer and b = 0."""

    def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
        params: Params = {"kernel": initializer(key, (shape[-1], units))}
        if bias:
            params["bias"] = jnp.zeros(units)
        return params, {}, (*shape[:-1], units)

    def apply(
        params: Params, state: LayerState, inputs: Float[Array, "batch inputs"], training: bool
    ) -> tuple[Float[Array, "batch units"], LayerState]:
        outputs = inputs @ params["kernel"]
        return (outputs + params["bias"] if bias else outputs), state

    return Layer(init, apply)


def hidden_dense(units: int, parts: Parts) -> Layer:
    """A dense layer, its normalization, its activation and what follows that, in this order."""
    return serial(
        dense=dense(units, parts.initializer, bias=not parts.normalization.replaces_bias),
        normalization=parts.normalization.layer(),
        activation=pure(parts.activation),
        regularization=regularized(parts),
    )


def regularized(parts: Parts) -> Layer:
    """What the regularizations do to the units of a hidden layer."""
    layers = {f"layer_{i}": each.layer() for i, each in enumerate(parts.regularization, start=1)}
    return serial(**layers)


def flatten() -> Layer:
    """One axis of features, whatever the shape of an example."""

    def shape(inputs: Shape) -> Shape:
        size = 1
        for length in inputs:
            size *= length
        return (size,)

    return pure(lambda inputs: inputs.reshape(inputs.shape[0], -1), shape)
