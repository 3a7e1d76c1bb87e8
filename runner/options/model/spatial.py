"""Layers of images: convolution and pooling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.options.layer import (
    KernelMap,
    Layer,
    LayerState,
    Params,
    Shape,
    pure,
    same_kernel,
)
from runner.options.model.base import AffineWeights, LayerOptions, hidden
from runner.options.model.convolution import Padding, convolve, outputs_of_side
from runner.options.model.pooling import Pool, average_pool, max_pool
from runner.options.option import Facts

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray

    from runner.options.initializer.base import Initializer


def image_conflicts(facts: Facts) -> Iterator[tuple[str, str]]:
    """Refuse inputs that are no images, for the `conflicts` of a model with convolutions."""
    if len(facts.input_shape) != 3:
        yield (
            "name",
            "a convolution needs images [height, width, channels], and an example has the "
            f"shape {list(facts.input_shape)}; use model=mlp",
        )


def convolution(
    channels: int,
    size: int,
    padding: Padding,
    initializer: Initializer,
    *,
    stride: int = 1,
    bias: bool = True,
    kernel_map: KernelMap = same_kernel,
) -> Layer:
    """Return a convolution.

    Args:
        channels: the number of output channels.
        size: the side of the kernel, in pixels.
        padding: `valid` (none) or `same` (zeros, so that there is an output for every `stride`-th
            pixel).
        initializer: draws the trained kernel, of shape `(size, size, in, channels)`.
        stride: how many pixels an output is from the next one.
        bias: whether a bias is added to each channel, starting at 0.
        kernel_map: from the trained kernel to the one that is applied.
    """
    weights = AffineWeights(initializer, bias, kernel_map)

    def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
        params, state = weights.init(key, (size, size, shape[-1], channels))
        sides = (outputs_of_side(side, size, stride, padding) for side in shape[:2])
        return params, state, (*sides, channels)

    def apply(
        params: Params,
        state: LayerState,
        inputs: Float[Array, "batch height width channels"],
        training: bool,
    ) -> tuple[Float[Array, "batch new_height new_width new_channels"], LayerState]:
        kernel, state = weights.kernel(params, state, training)
        outputs = convolve(inputs, kernel, padding=padding, stride=stride)
        return weights.with_bias(params, outputs), state

    return Layer(init, apply)


def hidden_convolution(
    channels: int, size: int, chosen: LayerOptions, *, padding: Padding, stride: int = 1
) -> Layer:
    """Return a convolution with what follows it in a hidden layer; see `convolution`.

    Args:
        channels: the number of output channels.
        size: the side of the kernel, in pixels.
        chosen: the options of the layer.
        padding: `valid` or `same`.
        stride: how many pixels an output is from the next one.
    """
    return hidden(
        chosen, convolution=convolution_of(channels, size, chosen, padding=padding, stride=stride)
    )


def convolution_of(
    channels: int, size: int, chosen: LayerOptions, *, padding: Padding, stride: int = 1
) -> Layer:
    """Return a convolution of a hidden layer, without what follows it; see `convolution`.

    Args:
        channels: the number of output channels.
        size: the side of the kernel, in pixels.
        chosen: the options of the layer: its initializer, kernel map, and whether it has a bias.
        padding: `valid` or `same`.
        stride: how many pixels an output is from the next one.
    """
    return convolution(
        channels,
        size,
        padding,
        chosen.initializer,
        stride=stride,
        bias=chosen.bias(has_positions=True),
        kernel_map=chosen.kernel_map(),
    )


def pooling(pool: Pool, size: int, stride: int, padding: Padding) -> Layer:
    """Return the pooling of windows of `size` by `size` pixels; see `max_pool`.

    Args:
        pool: `max`, or the mean.
        size: the side of a window, in pixels.
        stride: how many pixels a window is from the next one.
        padding: `valid` or `same`.
    """
    function = max_pool if pool == "max" else average_pool

    def shape(inputs: Shape) -> Shape:
        sides = (outputs_of_side(side, size, stride, padding) for side in inputs[:2])
        return (*sides, inputs[2])

    return pure(lambda inputs: function(inputs, size, stride, padding), shape)
