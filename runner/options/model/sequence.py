"""How models of sequences read an example, whatever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.options.layer import Layer, LayerState, Params, Shape, pure

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


def sequence(pixels: bool) -> Layer:
    """Return the layer that makes a sequence `[steps, features]` of an example.

    Its steps are the rows of an image from the top, the pixels of an image, or the numbers of a
    vector. The channels of a pixel stay together. What is a sequence stays as it is.

    Args:
        pixels: whether an image is read pixel by pixel, and not row by row.
    """

    def shape(inputs: Shape) -> Shape:
        if len(inputs) == 1:
            return (inputs[0], 1)
        if len(inputs) == 2:
            return inputs
        height, width, channels = inputs
        return (height * width, channels) if pixels else (height, width * channels)

    return pure(lambda inputs: inputs.reshape(len(inputs), *shape(inputs.shape[1:])), shape)


def by_step(layer: Layer) -> Layer:
    """Return what a layer of vectors makes of each step of a sequence by itself.

    Args:
        layer: a layer of `[batch, features]` without a state.
    """

    def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
        params, state, outputs = layer.init(key, shape[1:])
        return params, state, (shape[0], *outputs)

    def apply(
        params: Params,
        state: LayerState,
        inputs: Float[Array, "batch steps features"],
        training: bool,
    ) -> tuple[Float[Array, "batch steps outputs"], LayerState]:
        batch, steps, *features = inputs.shape
        each, state = layer.apply(params, state, inputs.reshape(-1, *features), training)
        return each.reshape(batch, steps, *each.shape[1:]), state

    return Layer(init, apply)
