"""Pooling against loops over windows, values and gradients."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from runner.options.model.pooling import average_pool, max_pool

RANDOM = np.random.default_rng(7)
CASES = [  # size, stride, padding, height, width; how far the first window is outside the image
    (1, 1, "valid", 4, 4, (0, 0)),
    (2, 2, "valid", 6, 5, (0, 0)),
    (3, 3, "valid", 7, 7, (0, 0)),
    (3, 2, "valid", 7, 6, (0, 0)),
    (2, 3, "valid", 7, 6, (0, 0)),
    (2, 2, "same", 5, 6, (0, 0)),
    (3, 2, "same", 7, 6, (1, 0)),
    (3, 2, "same", 24, 3, (0, 1)),
]


def windows(case: tuple) -> Iterator[tuple[tuple[int, int], tuple[slice, slice]]]:
    """Every output with the rows and columns of its window inside the image."""
    size, stride, padding, height, width, (above, left) = case
    down, right = (
        -(-side // stride) if padding == "same" else (side - size) // stride + 1
        for side in (height, width)
    )
    for i in range(down):
        for j in range(right):
            top, first = i * stride - above, j * stride - left
            rows = slice(max(top, 0), min(top + size, height))
            yield (i, j), (rows, slice(max(first, 0), min(first + size, width)))


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_are_those_of_each_window(case: tuple) -> None:
    size, stride, padding, height, width, _ = case
    images = RANDOM.normal(size=(2, height, width, 3))
    places = list(windows(case))
    shape = (2, *(last + 1 for last in places[-1][0]), 3)
    weights = RANDOM.normal(size=shape)
    largest, means = np.zeros(shape), np.zeros(shape)
    to_largest, to_means = np.zeros(images.shape), np.zeros(images.shape)
    for (i, j), (rows, columns) in places:
        window = images[:, rows, columns]
        largest[:, i, j], means[:, i, j] = window.max((1, 2)), window.mean((1, 2))
        weight = weights[:, i, j][:, None, None]
        to_largest[:, rows, columns] += weight * (window == largest[:, i, j][:, None, None])
        to_means[:, rows, columns] += weight / np.prod(window.shape[1:3])
    for pool, expected, gradient in (
        (max_pool, largest, to_largest),
        (average_pool, means, to_means),
    ):

        def weighted(x: jax.Array) -> tuple[jax.Array, jax.Array]:
            outputs = pool(x, size, stride, padding)  # noqa: B023
            return jnp.sum(outputs * weights), outputs

        with jax.enable_x64(True):
            got, outputs = jax.jit(jax.grad(weighted, has_aux=True))(images)
        np.testing.assert_allclose(outputs, expected, rtol=1e-6)
        np.testing.assert_allclose(got, gradient, rtol=1e-6, atol=1e-7)


def test_of_equal_largest_values_the_first_has_the_gradient() -> None:
    images = jnp.array([[1.0, 3.0], [3.0, 3.0]]).reshape(1, 2, 2, 1)
    gradient = jax.grad(lambda x: max_pool(x, 2).sum())(images)
    np.testing.assert_array_equal(gradient.reshape(2, 2), [[0, 1], [0, 0]])


@pytest.mark.parametrize("place", range(4))
def test_a_window_with_nan_is_nan(place: int) -> None:
    window = jnp.arange(4.0).at[place].set(jnp.nan).reshape(1, 2, 2, 1)
    assert np.isnan(max_pool(window, 2)).all()
