"""Convolution and max-pooling, in the formulation that is fast on the machine.

On accelerators this is XLA's convolution. On a CPU XLA's convolution is slow inside a loop (by a
factor of twenty and more), and training is a loop, so a convolution is one matrix product over
patches there. Both compute the same function, and are tested against each other.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from runner.lazy import jax, jnp, np

if TYPE_CHECKING:
    from jaxtyping import Array, Float

Padding = Literal["valid", "same"]
Method = Literal["auto", "native", "patches"]

PATCHES_BYTES = 3 * 2**20
"""How large the patches that are multiplied at a time may be, to stay in a processor's cache."""


def convolve(
    inputs: Float[Array, "batch height width in"],
    kernel: Float[Array, "rows columns in out"],
    *,
    padding: Padding,
    method: Method = "auto",
) -> Float[Array, "batch new_height new_width out"]:
    """Correlate images with a kernel, stride 1 (what neural networks call a convolution).

    y[b, i, j, o] = sum over (r, c, n) of x[b, i + r, j + c, n] * kernel[r, c, n, o].

    Args:
        inputs: a batch of images.
        kernel: the weights.
        padding: `valid` (none) or `same`, which surrounds the images by zeros so that they keep
            their size, with one more below and to the right if a side of the kernel is even, as
            XLA and TensorFlow do.
        method: `native` (XLA's convolution), `patches` (a matrix product), or `auto` to choose by
            the machine.
    """
    if method == "auto":
        method = "patches" if jax.default_backend() == "cpu" else "native"
    if method == "native":
        layout = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            inputs, kernel, (1, 1), padding.upper(), dimension_numbers=layout
        )
    return _by_patches(inputs, kernel, padding)


def _by_patches(
    inputs: Float[Array, "batch height width in"],
    kernel: Float[Array, "rows columns in out"],
    padding: Padding,
) -> Float[Array, "batch new_height new_width out"]:
    """Gather every patch into a row, and multiply by the kernel as a matrix, some images at a time.

    The patches are `rows * columns` times as large as the images. Those of `PATCHES_BYTES` stay in
    the processor's cache, and are gathered again for the gradient: reading them from memory would
    take longer.
    """
    rows, columns, channels, out = kernel.shape
    if padding == "same":
        sides = [((size - 1) // 2, size // 2) for size in (rows, columns)]
        inputs = jnp.pad(inputs, [(0, 0), *sides, (0, 0)])
    height, width = inputs.shape[1] - rows + 1, inputs.shape[2] - columns + 1
    patches = _patches_of(rows, columns)

    def of_image(
        image: Float[Array, "height width in"],
    ) -> Float[Array, "new_height new_width out"]:
        return patches(image) @ kernel.reshape(-1, out)

    bytes_of_image = height * width * rows * columns * channels * inputs.dtype.itemsize
    together = max(PATCHES_BYTES // bytes_of_image, 1)
    if together >= len(inputs):
        return jax.vmap(of_image)(inputs)
    return jax.lax.map(jax.checkpoint(of_image), inputs, batch_size=together)


def _patches_of(rows: int, columns: int) -> Callable[[Array], Array]:
    """Return the function from an image to its patches, one for each place of the kernel.

    Patches and their derivative are written as gathers, which XLA computes in one vectorized pass.
    A concatenation of slices is written to memory twice, and its derivative, a sum of padded
    slices, takes a branch for each number.
    """

    def gather(image: Float[Array, "height width in"]) -> Float[Array, "down right patch"]:
        height, width, _ = image.shape
        down = np.arange(height - rows + 1)[:, None] + np.arange(rows)
        right = np.arange(width - columns + 1)[:, None] + np.arange(columns)
        windows = image[down[:, None, :, None], right[None, :, None, :]]
        return windows.reshape(len(down), len(right), -1)

    def add_up(_: None, to_patches: Float[Array, "down right patch"]) -> tuple[Array]:
        down, right = to_patches.shape[:2]
        windows = to_patches.reshape(down, right, rows, columns, -1)
        i, j = np.arange(down + rows - 1)[:, None], np.arange(right + columns - 1)
        to_image = jnp.zeros((), to_patches.dtype)
        for r in range(rows):
            for c in range(columns):
                inside = (i >= r) & (i - r < down) & (j >= c) & (j - c < right)
                part = windows[np.clip(i - r, 0, down - 1), np.clip(j - c, 0, right - 1), r, c]
                to_image = to_image + jnp.where(inside[..., None], part, 0)
        return (to_image,)

    patches = jax.custom_vjp(gather)
    patches.defvjp(lambda image: (gather(image), None), add_up)
    return patches


def max_pool(
    inputs: Float[Array, "batch height width channels"], size: int
) -> Float[Array, "batch new_height new_width channels"]:
    """Return the largest value of each `size` by `size` window; windows do not overlap.

    Rows and columns that do not fill a last window are left out. Where several values of a window
    are equal and largest, the first has the gradient, row by row, as in PyTorch. A window with a
    NaN is NaN.
    """
    batch, height, width, channels = inputs.shape
    new_height, new_width = height // size, width // size
    inputs = inputs[:, : new_height * size, : new_width * size]
    windows = inputs.reshape(batch, new_height, size, new_width, size, channels)
    places = itertools.product(range(size), repeat=2)
    return functools.reduce(_larger, (windows[:, :, row, :, column] for row, column in places))


def _larger(
    first: Float[Array, "*shape"], second: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """Return the larger number of each pair; NaN where one is NaN.

    A choice has a gradient of 1 for one of the two, whatever rounding does. JAX's own gradient of a
    maximum asks which numbers equal it, and XLA may compute these again in another fusion, with
    other last bits: the gradient was then wrong.
    """
    return jnp.where((second > first) | jnp.isnan(second), second, first)
