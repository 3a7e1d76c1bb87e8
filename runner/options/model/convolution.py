"""Convolution and max-pooling, in the formulation that is fast on the machine.

On accelerators this is XLA's convolution. On a CPU XLA's convolution is slow inside a loop (by a
factor of twenty and more), and training is a loop, so a convolution is one matrix product over
patches there. Both compute the same function, and are tested against each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from runner.lazy import jax, jnp

if TYPE_CHECKING:
    from jaxtyping import Array, Float

Padding = Literal["valid", "same"]
Method = Literal["auto", "native", "patches"]


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
    """Gather every patch into a row, then multiply by the kernel as a matrix."""
    rows, columns, _, out = kernel.shape
    if padding == "same":
        sides = [((size - 1) // 2, size // 2) for size in (rows, columns)]
        inputs = jnp.pad(inputs, [(0, 0), *sides, (0, 0)])
    height, width = inputs.shape[1] - rows + 1, inputs.shape[2] - columns + 1
    shifted = [
        inputs[:, r : r + height, c : c + width, :] for r in range(rows) for c in range(columns)
    ]
    patches = jnp.concatenate(shifted, axis=-1)
    return patches @ kernel.reshape(-1, out)


def max_pool(
    inputs: Float[Array, "batch height width channels"], size: int
) -> Float[Array, "batch new_height new_width channels"]:
    """Return the largest value of each `size` by `size` window; windows do not overlap.

    Rows and columns that do not fill a last window are left out. Where several values of a window
    are equal and largest, they share the gradient evenly (PyTorch gives it to the first).
    """
    batch, height, width, channels = inputs.shape
    new_height, new_width = height // size, width // size
    inputs = inputs[:, : new_height * size, : new_width * size]
    windows = inputs.reshape(batch, new_height, size, new_width, size, channels)
    return windows.max(axis=(2, 4))
