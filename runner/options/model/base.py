"""The base class of models, and the layers that models share."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

from runner.lazy import jax, jnp
from runner.options.layer import (
    KernelMap,
    Layer,
    LayerState,
    Params,
    Shape,
    always_training,
    maps_in_turn,
    pure,
    same_kernel,
    serial,
)
from runner.options.option import HiddenLayer, Option
from runner.options.parameters import BIAS, KERNEL, LOGITS
from runner.options.signals import watched

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray

    from runner.options.activation.base import Activation
    from runner.options.initializer.base import Initializer
    from runner.options.normalization.base import Normalization
    from runner.options.regularization.base import Regularization

    Draw = Initializer | Callable[[PRNGKeyArray, Shape], Float[Array, "*inputs outputs"]]
    """What draws a kernel of a shape."""


class LayerOptions(NamedTuple):
    """The options of other groups from which a model builds its layers.

    `sampling` says whether evaluations draw random masks as well, for those regularizations whose
    `samples` is not 0; `watched` whether the state after an evaluation has the signals of the
    activations, and normalizations over the batch use its own statistics. `each_step` says whether
    the targets are of each step of a sequence: then the network maps `[batch, steps, features]` to
    `[batch, steps, classes]`.
    """

    activation: Activation
    initializer: Initializer
    normalization: Normalization
    regularization: tuple[Regularization, ...] = ()
    sampling: bool = False
    watched: bool = False
    each_step: bool = False

    def of_layer(self, index: int) -> LayerOptions:
        """Return the options of one layer, in which every number that may differ by layer is one.

        Args:
            index: the place of the layer among those with a kernel, from 0 in the order in which
                data pass through them; -1 is the last.
        """
        return self._replace(initializer=self.initializer.of_layer(index))

    def kernel_map(self) -> KernelMap:
        """Return what normalization and regularizations make of the kernel of a hidden layer."""
        return maps_in_turn(
            normalization=self.normalization.kernel_map(),
            regularization=maps_in_turn(**self._of_each(lambda each: each.kernel_map())),
        )

    def bias(self, *, has_positions: bool = False) -> bool:
        """Return whether a hidden layer has a bias.

        Args:
            has_positions: whether it is a convolution.
        """
        return not self.normalization.cancels_bias(has_positions=has_positions)

    def nonlinearity(self) -> dict[str, Layer]:
        """Return normalization and activation by name, in the order in which they are applied."""
        layers = {
            "normalization": self.normalization.layer(),
            "activation": self.activation.layer(),
        }
        if self.watched:
            layers = {
                "normalization": always_training(layers["normalization"]),
                "activation": watched(layers["activation"], self.activation.steepest),
            }
        follows = self.normalization.follows_activation
        return dict(reversed(layers.items())) if follows else layers

    def regularized(self) -> Layer:
        """Return the layers of the regularizations after the activation of a hidden layer."""
        return serial(**self._of_each(lambda each: each.layer()))

    def regularized_inputs(self) -> Layer | None:
        """Return the layers of the regularizations on the inputs; None if there are none."""
        layers = self._of_each(lambda each: each.input_layer())
        return serial(**layers) if layers else None

    def recurrent_masks(self) -> dict[str, Layer]:
        """Return the layers that turn ones into masks for all time steps of a recurrent network.

        Those of the inputs are under `input_mask`, those of the state under `state_mask`, where a
        regularization has any.
        """
        masks = {
            "input_mask": self._of_each(lambda each: each.input_mask()),
            "state_mask": self._of_each(lambda each: each.state_mask()),
        }
        return {name: serial(**layers) for name, layers in masks.items() if layers}

    def _of_each(self, part: Callable[[Regularization], _Part | None]) -> dict[str, _Part]:
        """A part of each regularization that has it, under a name that counts them."""
        parts = {}
        for index, each in enumerate(self.regularization, start=1):
            own = part(each)
            if own is not None:
                samples = self.sampling and each.samples
                parts[f"layer_{index}"] = always_training(own) if samples else own
        return parts


_Part = TypeVar("_Part", Layer, KernelMap)


class Model(Option):
    """An architecture."""

    is_spatial: ClassVar[bool] = False
    """Whether it uses which pixels of an image are beside each other."""

    reads_sequences: ClassVar[bool] = False
    """Whether it can compute outputs at each step of a sequence (`LayerOptions.each_step`)."""

    wants_bounded_activation: ClassVar[bool] = False
    """Whether it is made for an activation with values between two bounds."""

    wants_normalization: ClassVar[bool] = False
    """Whether it is made for a normalization."""

    is_recurrent: ClassVar[bool] = False
    """Whether it reads a sequence into a state, step by step."""

    reconstructs: ClassVar[bool] = False
    """Whether the target is the input, as the preprocessing leaves it, whatever the data say."""

    ignores: ClassVar[tuple[str, ...]] = ()
    """Groups that have no effect on it."""

    @property
    def hidden_layers(self) -> tuple[HiddenLayer, ...] | None:
        """The layers with a kernel before that of the logits, in the order of the data.

        A model that says so builds each layer from `chosen.of_layer`. None, unless a model says so:
        then all its layers have the same numbers, and their sizes are not checked.
        """
        return None

    @property
    def layer_paths(self) -> tuple[str, ...]:
        """Where the parameters of each hidden layer are, as far as the model says; the logits."""
        return (*(layer.path for layer in self.hidden_layers or ()), LOGITS)

    @property
    def layers(self) -> int | None:
        """How many layers with a kernel the network has, that of the logits included."""
        return None if self.hidden_layers is None else len(self.hidden_layers) + 1

    @abstractmethod
    def network(self, chosen: LayerOptions, classes: int) -> Layer:
        """Return the network from the features of an example to its logits.

        The last layer is affine, without normalization or activation after it, and its parameters
        are stored under `runner.options.parameters.LOGITS`.

        Args:
            chosen: the activation, initializer, normalization and regularizations of the run.
            classes: the number of outputs: one for each class, or for each number of a target.
        """


class AffineWeights(NamedTuple):
    """The kernel and the bias of an affine map or a convolution.

    Attributes:
        initializer: draws the trained kernel of a shape; the bias starts at 0, and
            `bias_initializer` sets it.
        bias: whether there is a bias.
        kernel_map: from the trained kernel to the one that is applied.
    """

    initializer: Draw
    bias: bool = True
    kernel_map: KernelMap = same_kernel

    def init(self, key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState]:
        """Return the parameters and the state of a kernel of the given shape."""
        params: Params = {KERNEL: self.initializer(key, shape)}
        state: LayerState = {}
        if self.kernel_map is not same_kernel:
            key = jax.random.fold_in(key, 1)
            of_map, state = self.kernel_map.init(key, params[KERNEL])
            params |= of_map
        if self.bias:
            params[BIAS] = jnp.zeros(shape[-1])
        return params, state

    def kernel(
        self, params: Params, state: LayerState, training: bool
    ) -> tuple[Float[Array, "*inputs outputs"], LayerState]:
        """Return the kernel to apply, and the state after.

        Args:
            params: the trained kernel under `KERNEL`, with the parameters of the kernel map.
            state: the state of the kernel map.
            training: whether it is a training step; false at evaluation.
        """
        return self.kernel_map.apply(params, state, params[KERNEL], training)

    def with_bias(
        self, params: Params, outputs: Float[Array, "*batch outputs"]
    ) -> Float[Array, "*batch outputs"]:
        """Return the outputs with the bias added, if there is one."""
        return outputs + params[BIAS] if self.bias else outputs


def dense(
    units: int, initializer: Draw, *, bias: bool = True, kernel_map: KernelMap = same_kernel
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


def in_blocks(initializer: Initializer, blocks: int) -> Draw:
    """Return what draws a kernel as several ones side by side, each with fans of its own.

    Args:
        initializer: draws one of them.
        blocks: how many there are; for one it is the initializer itself.
    """
    if blocks == 1:
        return initializer

    def draw(key: PRNGKeyArray, shape: Shape) -> Float[Array, "*inputs outputs"]:
        one = (*shape[:-1], shape[-1] // blocks)
        keys = jax.random.split(key, blocks)
        return jnp.concatenate([initializer(key, one) for key in keys], axis=-1)

    return draw


def hidden_dense(units: int, chosen: LayerOptions) -> Layer:
    """Return a dense layer with what follows it in a hidden layer."""
    kernel_map = chosen.kernel_map()
    affine = dense(units, chosen.initializer, bias=chosen.bias(), kernel_map=kernel_map)
    return hidden(chosen, dense=affine)


def hidden(chosen: LayerOptions, **affine: Layer) -> Layer:
    """Return an affine map with what follows it in a hidden layer.

    Normalization and activation follow, in the order that the normalization says, and then the
    regularizations.

    Args:
        chosen: the options.
        affine: the affine map under its name.
    """
    return serial(**affine, **chosen.nonlinearity(), regularization=chosen.regularized())


def flatten() -> Layer:
    """Return the layer that turns examples of any shape into vectors."""
    return pure(lambda inputs: inputs.reshape(len(inputs), -1), lambda shape: (math.prod(shape),))
