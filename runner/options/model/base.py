"""The base class of models, and the layers that models share."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from runner.lazy import jax, jnp
from runner.options.layer import (
    KernelMap,
    Layer,
    LayerState,
    Params,
    Shape,
    maps_in_turn,
    pure,
    same_kernel,
    serial,
)
from runner.options.option import Option
from runner.options.parameters import BIAS, KERNEL

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray

    from runner.options.activation.base import Activation
    from runner.options.initializer.base import Initializer
    from runner.options.normalization import Normalization
    from runner.options.regularization import Regularization


class LayerOptions(NamedTuple):
    """The options of other groups from which a model builds its layers."""

    activation: Activation
    initializer: Initializer
    normalization: Normalization
    regularization: tuple[Regularization, ...] = ()

    def of_layer(self, index: int) -> LayerOptions:
        """Return the options of one layer, in which every number that may differ by layer is one.

        Args:
            index: the place of the layer among those with a kernel, from 0 in the order in which
                data pass through them; -1 is the last.
        """
        return self._replace(initializer=self.initializer.of_layer(index))

    def kernel_map(self) -> KernelMap:
        """Return what normalization and regularizations make of the kernel of a hidden layer."""
        regularizations = {
            f"layer_{i}": each.kernel_map() for i, each in enumerate(self.regularization, start=1)
        }
        return maps_in_turn(
            normalization=self.normalization.kernel_map(),
            regularization=maps_in_turn(**regularizations),
        )


class Model(Option):
    """An architecture."""

    is_spatial: ClassVar[bool] = False
    """Whether it uses which pixels of an image are beside each other."""

    @property
    def layers(self) -> int | None:
        """How many layers with a kernel the network has; each is built from `chosen.of_layer`.

        None, unless a model says so: then all its layers have the same numbers.
        """
        return None

    @abstractmethod
    def network(self, chosen: LayerOptions, classes: int) -> Layer:
        """Return the network from the features of an example to its logits.

        The last layer is affine, without normalization or activation after it, and its parameters
        are stored under `runner.options.parameters.LOGITS`.

        Args:
            chosen: the activation, initializer, normalization and regularizations of the run.
            classes: the number of logits.
        """


class AffineWeights(NamedTuple):
    """The kernel and the bias of an affine map or a convolution.

    Attributes:
        initializer: draws the kernel; the bias starts at 0, and `bias_initializer` sets it.
        bias: whether there is a bias.
        kernel_map: from the trained kernel to the one that is applied.
    """

    initializer: Initializer
    bias: bool = True
    kernel_map: KernelMap = same_kernel

    def init(self, key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState]:
        """Return the parameters and the state of a kernel of the given shape."""
        kernel = self.initializer(key, shape)
        of_map, state = self.kernel_map.init(jax.random.fold_in(key, 1), kernel)
        params: Params = {KERNEL: kernel, **of_map}
        if self.bias:
            params[BIAS] = jnp.zeros(shape[-1])
        return params, state

    def kernel(
        self, params: Params, state: LayerState, training: bool
    ) -> tuple[Float[Array, "*inputs outputs"], LayerState]:
        """Return the kernel to apply, and the state after."""
        return self.kernel_map.apply(params, state, params[KERNEL], training)

    def with_bias(
        self, params: Params, outputs: Float[Array, "*batch outputs"]
    ) -> Float[Array, "*batch outputs"]:
        """Return the outputs with the bias added, if there is one."""
        return outputs + params[BIAS] if self.bias else outputs


def dense(
    units: int, initializer: Initializer, *, bias: bool = True, kernel_map: KernelMap = same_kernel
) -> Layer:
    """Return the layer y = x W + b.

    Args:
        units: the number of outputs.
        initializer: draws the trained kernel, of shape `(inputs, units)`; b starts at 0.
        bias: whether there is a b.
        kernel_map: from the trained kernel to W.
    """
    weights = AffineWeights(initializer, bias, kernel_map)

    def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
        params, state = weights.init(key, (shape[-1], units))
        return params, state, (*shape[:-1], units)

    def apply(
        params: Params, state: LayerState, inputs: Float[Array, "batch inputs"], training: bool
    ) -> tuple[Float[Array, "batch units"], LayerState]:
        kernel, state = weights.kernel(params, state, training)
        return weights.with_bias(params, inputs @ kernel), state

    return Layer(init, apply)


def hidden_dense(units: int, chosen: LayerOptions) -> Layer:
    """Return a dense layer, then normalization, activation and regularizations, in this order."""
    bias, kernel_map = not chosen.normalization.replaces_bias, chosen.kernel_map()
    return hidden(chosen, dense=dense(units, chosen.initializer, bias=bias, kernel_map=kernel_map))


def hidden(chosen: LayerOptions, **affine: Layer) -> Layer:
    """Return an affine map with what follows it in a hidden layer.

    Args:
        chosen: normalization, activation and regularizations, which follow in this order.
        affine: the affine map under its name.
    """
    return serial(
        **affine,
        normalization=chosen.normalization.layer(),
        activation=chosen.activation.layer(),
        regularization=regularized(chosen),
    )


def regularized(chosen: LayerOptions) -> Layer:
    """Return the layers that the regularizations put after the activation of a hidden layer."""
    layers = {f"layer_{i}": each.layer() for i, each in enumerate(chosen.regularization, start=1)}
    return serial(**layers)


def flatten() -> Layer:
    """Return the layer that turns examples of any shape into vectors."""
    return pure(lambda inputs: inputs.reshape(len(inputs), -1), lambda shape: (math.prod(shape),))
