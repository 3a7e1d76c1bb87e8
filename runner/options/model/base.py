"""The base class of models, and the layers that models share."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from runner.lazy import jnp
from runner.options.layer import Layer, LayerState, Params, Shape, pure, serial
from runner.options.option import Option
from runner.options.parameters import BIAS, KERNEL

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray

    from runner.options.activation import Activation
    from runner.options.initializer import Initializer
    from runner.options.normalization import Normalization
    from runner.options.regularization import Regularization


class LayerOptions(NamedTuple):
    """The options of other groups from which a model builds its layers."""

    activation: Activation
    initializer: Initializer
    normalization: Normalization
    regularization: tuple[Regularization, ...] = ()


class Model(Option):
    """An architecture."""

    is_spatial: ClassVar[bool] = False
    """Whether it uses which pixels of an image are beside each other."""

    @abstractmethod
    def network(self, chosen: LayerOptions, classes: int) -> Layer:
        """Return the network from the features of an example to its logits.

        The last layer is affine, without normalization or activation after it, and its parameters
        are stored under `runner.options.parameters.LOGITS`.

        Args:
            chosen: the activation, initializer, normalization and regularizations of the run.
            classes: the number of logits.
        """


def dense(units: int, initializer: Initializer, *, bias: bool = True) -> Layer:
    """Return the layer y = x W + b.

    Args:
        units: the number of outputs.
        initializer: draws W, of shape `(inputs, units)`; b starts at 0.
        bias: whether there is a b.
    """

    def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
        params: Params = {KERNEL: initializer(key, (shape[-1], units))}
        if bias:
            params[BIAS] = jnp.zeros(units)
        return params, {}, (*shape[:-1], units)

    def apply(
        params: Params, state: LayerState, inputs: Float[Array, "batch inputs"], training: bool
    ) -> tuple[Float[Array, "batch units"], LayerState]:
        outputs = inputs @ params[KERNEL]
        return (outputs + params[BIAS] if bias else outputs), state

    return Layer(init, apply)


def hidden_dense(units: int, chosen: LayerOptions) -> Layer:
    """Return a dense layer, then normalization, activation and regularizations, in this order."""
    return serial(
        dense=dense(units, chosen.initializer, bias=not chosen.normalization.replaces_bias),
        normalization=chosen.normalization.layer(),
        activation=pure(chosen.activation),
        regularization=regularized(chosen),
    )


def regularized(chosen: LayerOptions) -> Layer:
    """Return the layers that the regularizations put after the activation of a hidden layer."""
    layers = {f"layer_{i}": each.layer() for i, each in enumerate(chosen.regularization, start=1)}
    return serial(**layers)


def flatten() -> Layer:
    """Return the layer that turns examples of any shape into vectors."""
    return pure(lambda inputs: inputs.reshape(len(inputs), -1), lambda shape: (math.prod(shape),))
