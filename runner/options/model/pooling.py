"""Pooling: one number for each window of an image, the largest or the mean."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from runner.lazy import jnp, np
from runner.options.model.convolution import Padding, outputs_of_side, padding_of_side

if TYPE_CHECKING:
    from jaxtyping import Array, Float

Pool = Literal["max", "average"]


def max_pool(
    inputs: Float[Array, "batch height width channels"],
    size: int,
    stride: int | None = None,
    padding: Padding = "valid",
) -> Float[Array, "batch new_height new_width channels"]:
    """Return the largest value of each `size` by `size` window.

    Where several values of a window are equal and largest, the first has the gradient, row by row,
    as in PyTorch. A window with a NaN is NaN.

    Args:
        inputs: a batch of images.
        size: the side of a window, in pixels.
        stride: how many pixels a window is from the next one; None: `size`, so that they do not
            overlap.
        padding: with `valid`, rows and columns that do not fill a last window are left out; with
            `same` there is a window for every `stride`-th pixel, and what lies outside of the image
            does not count.
    """
    return functools.reduce(_larger, _places(inputs, size, stride or size, padding, -np.inf))


def average_pool(
    inputs: Float[Array, "batch height width channels"],
    size: int,
    stride: int | None = None,
    padding: Padding = "valid",
) -> Float[Array, "batch new_height new_width channels"]:
    """Return the mean of each `size` by `size` window.

    With `same` it is the mean of the pixels inside the image, as in Keras; PyTorch's `AvgPool2d`
    counts the zeros outside unless `count_include_pad=False`.

    Args:
        inputs: a batch of images.
        size: see `max_pool`.
        stride: see `max_pool`.
        padding: see `max_pool`.
    """
    places = _places(inputs, size, stride or size, padding, 0.0)
    return functools.reduce(jnp.add, places) / _counts(inputs.shape, size, stride or size, padding)


def _places(
    inputs: Float[Array, "batch height width channels"],
    size: int,
    stride: int,
    padding: Padding,
    outside: float,
) -> Iterator[Float[Array, "batch new_height new_width channels"]]:
    """Yield what all windows have at one place, row by row; `outside` beyond the image."""
    batch, height, width, channels = inputs.shape
    down, right = (outputs_of_side(side, size, stride, padding) for side in (height, width))
    if padding == "same":
        sides = [padding_of_side(side, size, stride) for side in (height, width)]
        if any(map(any, sides)):
            edges = [(0, 0), *sides, (0, 0)]
            inputs = jnp.pad(inputs, edges, constant_values=outside)
    if stride == size:  # windows beside each other are a matter of shape
        inputs = inputs[:, : down * size, : right * size]
        windows = inputs.reshape(batch, down, size, right, size, channels)
        for row, column in itertools.product(range(size), repeat=2):
            yield windows[:, :, row, :, column]
        return
    for row, column in itertools.product(range(size), repeat=2):
        rows = slice(row, row + (down - 1) * stride + 1, stride)
        yield inputs[:, rows, column : column + (right - 1) * stride + 1 : stride]


def _counts(shape: tuple[int, ...], size: int, stride: int, padding: Padding) -> np.ndarray:
    """How many pixels of an image each window has: `[new_height, new_width, 1]`."""
    counts = []
    for side in shape[1:3]:
        outputs = outputs_of_side(side, size, stride, padding)
        first = stride * np.arange(outputs)
        if padding == "same":
            first = first - padding_of_side(side, size, stride)[0]
        counts.append(np.minimum(first + size, side) - np.maximum(first, 0))
    return (counts[0][:, None] * counts[1])[..., None].astype(np.float32)


def _larger(
    first: Float[Array, "*shape"], second: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return the larger number of each pair; NaN where one is NaN.

    A choice has a gradient of 1 for one of the two, whatever rounding does. JAX's own gradient of a
    maximum asks which numbers equal it, and XLA may compute these again in another fusion, with
    other last bits: the gradient was then wrong.
    """
    return jnp.where((second > first) | jnp.isnan(second), second, first)
