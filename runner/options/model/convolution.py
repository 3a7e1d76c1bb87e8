"""Convolution, in the formulation that is fast on the machine.

On accelerators this is XLA's convolution. On a CPU XLA's convolution is slow inside a loop (by a
factor of twenty and more), and training is a loop, so a convolution is one matrix product over
patches there. Both compute the same function, and are tested against each other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

from runner.lazy import jax, jnp

if TYPE_CHECKING:
    from jaxtyping import Array, Float

Padding = Literal["valid", "same"]
Method = Literal["auto", "native", "patches"]

PATCHES_BYTES = 2 * 2**20
"""How large the patches that are multiplied at a time may be, to stay in a processor's cache."""


def convolve(
    inputs: Float[Array, "batch height width in"],
    kernel: Float[Array, "rows columns in out"],
    *,
    padding: Padding,
    stride: int = 1,
    method: Method = "auto",
) -> Float[Array, "batch new_height new_width out"]:
    """Correlate images with a kernel (what neural networks call a convolution).

    y[b, i, j, o] = sum over (r, c, n) of x[b, s i + r, s j + c, n] * kernel[r, c, n, o], with s the
    stride.

    Args:
        inputs: a batch of images.
        kernel: the weights.
        padding: `valid` (none) or `same`, which surrounds the images by zeros so that there is an
            output for every `stride`-th pixel. Of an odd number of rows or columns of zeros, one
            more is below or to the right, as in XLA and TensorFlow; PyTorch's `padding=1` with
            stride 2 has one more above and to the left.
        stride: how many pixels an output is from the next one.
        method: `native` (XLA's convolution), `patches` (a matrix product), or `auto` to choose by
            the machine.
    """
    if method == "auto":
        method = "patches" if jax.default_backend() == "cpu" else "native"
    if method == "native":
        layout = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(
            inputs, kernel, (stride, stride), padding.upper(), dimension_numbers=layout
        )
    return _by_patches(inputs, kernel, padding, stride)


def outputs_of_side(side: int, size: int, stride: int, padding: Padding) -> int:
    """Return how many outputs a side of an image has; less than 1: the window is too large.

    Args:
        side: the pixels of the side.
        size: those of the window or the kernel.
        stride: how many pixels an output is from the next one.
        padding: see `convolve`.
    """
    return -(-side // stride) if padding == "same" else (side - size) // stride + 1


def padding_of_side(side: int, size: int, stride: int) -> tuple[int, int]:
    """Return how many pixels `same` adds before and after a side of an image; see `convolve`.

    Args:
        side: the pixels of the side.
        size: those of the window or the kernel.
        stride: how many pixels an output is from the next one.
    """
    total = max((outputs_of_side(side, size, stride, "same") - 1) * stride + size - side, 0)
    return total // 2, total - total // 2


def _by_patches(
    inputs: Float[Array, "batch height width in"],
    kernel: Float[Array, "rows columns in out"],
    padding: Padding,
    stride: int,
) -> Float[Array, "batch new_height new_width out"]:
    """Cut every patch into a row, and multiply by the kernel as a matrix, some images at a time.

    The patches are `rows * columns` times as large as the images. Those of `PATCHES_BYTES` stay in
    the processor's cache, and are cut again for the gradient: reading them from memory would
    take longer.
    """
    rows, columns, channels, out = kernel.shape
    if padding == "same":
        pairs = zip(inputs.shape[1:3], (rows, columns), strict=True)
        sides = [padding_of_side(side, size, stride) for side, size in pairs]
        inputs = jnp.pad(inputs, [(0, 0), *sides, (0, 0)])
    patches, pixels = _patches_of(rows, columns, stride, inputs.shape[1:3])

    def of_images(
        images: Float[Array, "some height width in"],
    ) -> Float[Array, "some new_height new_width out"]:
        return patches(images) @ kernel.reshape(-1, out)

    bytes_of_image = pixels * rows * columns * channels * inputs.dtype.itemsize
    together = max(PATCHES_BYTES // bytes_of_image, 1)
    if together >= len(inputs):
        return of_images(inputs)
    of_image = jax.checkpoint(lambda image: of_images(image[None])[0])
    together = _without_rest(len(inputs), together)
    return jax.lax.map(of_image, inputs, batch_size=together)


def _without_rest(images: int, most: int) -> int:
    """How many images to multiply at a time: `most`, or a divisor if one is above half of it.

    Images that are left over are a program of their own, which takes as long to compile.
    """
    divisors = (size for size in range(most, most // 2, -1) if images % size == 0)
    return next(divisors, most)


def _patches_of(
    rows: int, columns: int, stride: int, sides: tuple[int, ...]
) -> tuple[Callable[[Array], Array], int]:
    """Return the function from images to their patches, one for each place of the kernel.

    What all patches have at one place of the kernel is a slice of the images. The derivative adds
    them up, columns before rows. Cut by a loop, patches of 5x5 compile in a third of the time, but
    a convolution takes 1.1 to 1.35 times as long on two cores; gathers of the same numbers take up
    to 1.7 times as long (JAX 0.10).

    Args:
        rows: of the kernel.
        columns: of the kernel.
        stride: how many pixels a place of the kernel is from the next one.
        sides: height and width of the image.

    Returns:
        The function, and how many patches an image has.
    """
    height, width = sides
    down = outputs_of_side(height, rows, stride, "valid")
    right = outputs_of_side(width, columns, stride, "valid")
    reach = (stride * (down - 1) + 1, stride * (right - 1) + 1)  # from the first place to the last

    def cut(images: Float[Array, "some height width in"]) -> Float[Array, "some down right patch"]:
        slices = [
            images[:, row : row + reach[0] : stride, column : column + reach[1] : stride]
            for row in range(rows)
            for column in range(columns)
        ]
        return jnp.concatenate(slices, -1)

    def spread(part: Array, axis: int, before: int) -> Array:
        after = sides[axis] - reach[axis] - before
        edges = [(0, 0, 0)] * part.ndim
        edges[1 + axis] = (before, after, stride - 1)
        return jax.lax.pad(part, jnp.zeros((), part.dtype), edges)

    def add_up(_: None, to_patches: Float[Array, "some down right patch"]) -> tuple[Array]:
        parts = to_patches.reshape(
            -1, down, right, rows, columns, to_patches.shape[-1] // (rows * columns)
        )
        of_rows = (
            _sum(spread(parts[..., row, column, :], 1, column) for column in range(columns))
            for row in range(rows)
        )
        return (_sum(spread(part, 0, row) for row, part in enumerate(of_rows)),)

    patches = jax.custom_vjp(cut)
    patches.defvjp(lambda images: (cut(images), None), add_up)
    return patches, down * right


def _sum(parts: Iterable[Array]) -> Array:
    return functools.reduce(jnp.add, parts)
