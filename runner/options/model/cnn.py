"""A convolutional network in the classic form: convolutions, pooling, dense layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from runner.options.layer import (
    KernelMap,
    Layer,
    LayerState,
    Params,
    Shape,
    pure,
    same_kernel,
    serial,
)
from runner.options.model.base import (
    AffineWeights,
    LayerOptions,
    Model,
    dense,
    flatten,
    hidden,
    hidden_dense,
)
from runner.options.model.convolution import Padding, convolve, max_pool
from runner.options.option import Facts, HiddenLayer, number, option
from runner.options.parameters import LOGITS

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray

    from runner.options.initializer.base import Initializer


@option
class CNN(Model):
    """Convolutions with normalization and activation, one max-pooling, then dense layers.

    The defaults are the widespread MNIST example: 3x3 convolutions to 32 and 64 channels without
    padding, 2x2 max-pooling, 128 hidden units. Strides are 1. `normalization=batch` normalizes
    each channel after each convolution. For images only.
    """

    channels: tuple[int, ...] = number((32, 64), minimum=1)
    kernel_size: int = number(3, minimum=1)
    padding: Padding = "valid"
    pool_size: int = number(2, minimum=1)
    widths: tuple[int, ...] = number((128,), minimum=1)

    is_spatial: ClassVar[bool] = True

    @property
    def hidden_layers(self) -> tuple[HiddenLayer, ...]:
        """The convolutions and the dense layers."""
        convolutions = (HiddenLayer(units, has_positions=True) for units in self.channels)
        dense_layers = (HiddenLayer(units, has_positions=False) for units in self.widths)
        return (*convolutions, *dense_layers)

    def network(self, chosen: LayerOptions, classes: int) -> Layer:
        """Return the convolutions, the pooling, the hidden layers and one affine map."""
        convolutions = {
            f"convolution_{index + 1}": self._hidden_convolution(channels, chosen.of_layer(index))
            for index, channels in enumerate(self.channels)
        }
        dense_layers = {
            f"hidden_{index + 1}": hidden_dense(width, chosen.of_layer(len(self.channels) + index))
            for index, width in enumerate(self.widths)
        }
        return serial(
            **convolutions,
            pool=_pool(self.pool_size),
            flatten=flatten(),
            **dense_layers,
            **{LOGITS: dense(classes, chosen.of_layer(-1).initializer)},
        )

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse inputs that are no images, and an architecture that leaves no pixel of them."""
        if len(facts.input_shape) != 3:
            yield (
                "name",
                "a convolution needs images [height, width, channels], and an example has the "
                f"shape {list(facts.input_shape)}; use model=mlp",
            )
            return
        lost = 0 if self.padding == "same" else (self.kernel_size - 1) * len(self.channels)
        for side in facts.input_shape[:2]:
            if (side - lost) // self.pool_size < 1:
                yield (
                    "kernel_size",
                    f"{len(self.channels)} convolutions of {self.kernel_size} and pooling of "
                    f"{self.pool_size} leave nothing of an image of {side} pixels",
                )
                return

    def _hidden_convolution(self, channels: int, chosen: LayerOptions) -> Layer:
        affine = convolution(
            channels,
            self.kernel_size,
            self.padding,
            chosen.initializer,
            bias=chosen.bias(has_positions=True),
            kernel_map=chosen.kernel_map(),
        )
        return hidden(chosen, convolution=affine)


def convolution(
    channels: int,
    size: int,
    padding: Padding,
    initializer: Initializer,
    *,
    bias: bool = True,
    kernel_map: KernelMap = same_kernel,
) -> Layer:
    """Return a convolution of stride 1.

    Args:
        channels: the number of output channels.
        size: the side of the kernel, in pixels.
        padding: `valid` (none) or `same` (zeros, so that the image keeps its size).
        initializer: draws the trained kernel, of shape `(size, size, in, channels)`.
        bias: whether a bias is added to each channel, starting at 0.
        kernel_map: from the trained kernel to the one that is applied.
    """
    weights = AffineWeights(initializer, bias, kernel_map)

    def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
        height, width, inputs = shape
        params, state = weights.init(key, (size, size, inputs, channels))
        lost = 0 if padding == "same" else size - 1
        return params, state, (height - lost, width - lost, channels)

    def apply(
        params: Params,
        state: LayerState,
        inputs: Float[Array, "batch height width channels"],
        training: bool,
    ) -> tuple[Float[Array, "batch new_height new_width new_channels"], LayerState]:
        kernel, state = weights.kernel(params, state, training)
        return weights.with_bias(params, convolve(inputs, kernel, padding=padding)), state

    return Layer(init, apply)


def _pool(size: int) -> Layer:
    return pure(
        lambda inputs: max_pool(inputs, size),
        lambda shape: (shape[0] // size, shape[1] // size, shape[2]),
    )
