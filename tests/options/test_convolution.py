"""Convolution against SciPy and against XLA's own, values and both gradients."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose
from scipy.signal import correlate2d

from runner.options.model import convolution
from runner.options.model.convolution import convolve

RANDOM = np.random.default_rng(4)
# One program in place of one for each of its operations.
compiled = jax.jit(convolve, static_argnames=("padding", "stride", "method"))
SHAPES = [  # batch, height, width, in, rows, columns, out
    (2, 7, 6, 1, 3, 3, 4),
    (2, 7, 6, 3, 3, 3, 5),
    (1, 6, 6, 2, 1, 1, 3),
    (2, 8, 9, 2, 5, 5, 3),
    (2, 7, 6, 2, 2, 4, 3),
    (3, 3, 3, 2, 3, 3, 1),
]


def inputs_and_kernel(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    batch, height, width, channels, rows, columns, out = shape
    images = RANDOM.normal(size=(batch, height, width, channels))
    return images, RANDOM.normal(size=(rows, columns, channels, out))


def reference(images: np.ndarray, kernel: np.ndarray, padding: str) -> np.ndarray:
    rows, columns = kernel.shape[:2]
    if padding == "same":
        sides = [((rows - 1) // 2, rows // 2), ((columns - 1) // 2, columns // 2)]
        images = np.pad(images, [(0, 0), *sides, (0, 0)])
    planes = [
        [
            sum(
                correlate2d(image[..., n], kernel[..., n, o], "valid")
                for n in range(kernel.shape[2])
            )
            for o in range(kernel.shape[3])
        ]
        for image in images
    ]
    return np.moveaxis(np.array(planes), 1, -1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("method", ["native", "patches", "auto"])
def test_values_are_scipys(shape: tuple[int, ...], padding: str, method: str) -> None:
    images, kernel = inputs_and_kernel(shape)
    with jax.enable_x64(True):
        got = compiled(images, kernel, padding=padding, method=method)
    np.testing.assert_allclose(got, reference(images, kernel, padding), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_gradients_are_those_of_the_definition(shape: tuple[int, ...], padding: str) -> None:
    """The convolution is linear in either argument, so its gradient is exact by duality.

    For y = f(x, k) and any weights w, <w, f(dx, k)> = <grad_x <w, y>, dx> for every dx.
    """
    images, kernel = inputs_and_kernel(shape)
    weights = RANDOM.normal(size=reference(images, kernel, padding).shape)
    d_images, d_kernel = inputs_and_kernel(shape)
    with jax.enable_x64(True):
        for method in ("native", "patches"):

            def loss(x: jax.Array, k: jax.Array) -> jax.Array:
                y = convolve(x, k, padding=padding, method=method)  # noqa: B023
                return jnp.sum(y * weights)

            to_images, to_kernel = jax.jit(jax.grad(loss, (0, 1)))(images, kernel)
            np.testing.assert_allclose(
                np.sum(to_images * d_images),
                np.sum(weights * reference(d_images, kernel, padding)),
                rtol=1e-10,
            )
            np.testing.assert_allclose(
                np.sum(to_kernel * d_kernel),
                np.sum(weights * reference(images, d_kernel, padding)),
                rtol=1e-10,
            )


STRIDED = [  # shape and stride; TensorFlow's zeros before and after each side for `same`
    ((2, 7, 8, 2, 3, 3, 4), 2, ((1, 1), (0, 1))),
    ((2, 8, 7, 2, 5, 2, 3), 3, ((1, 2), (0, 1))),
    ((1, 6, 5, 3, 1, 1, 2), 2, ((0, 0), (0, 0))),
]


@pytest.mark.parametrize(("shape", "stride", "zeros"), STRIDED)
def test_strides(shape: tuple[int, ...], stride: int, zeros: tuple) -> None:
    """Every `stride`-th row and column of the convolution; both gradients by duality."""
    arguments, directions = inputs_and_kernel(shape), inputs_and_kernel(shape)
    padded = [np.pad(images, [(0, 0), *zeros, (0, 0)]) for images, _ in (arguments, directions)]
    for padding, images, d_images in (
        ("valid", arguments[0], directions[0]),
        ("same", *padded),
    ):
        expected = reference(images, arguments[1], "valid")[:, ::stride, ::stride]
        weights = RANDOM.normal(size=expected.shape)
        pairs = ((d_images, arguments[1]), (images, directions[1]))
        moved = [np.sum(weights * reference(*p, "valid")[:, ::stride, ::stride]) for p in pairs]
        for method in ("native", "patches"):
            with jax.enable_x64(True):
                gradients = gradients_of(*arguments, weights, padding, stride, method)
                got = compiled(*arguments, padding=padding, stride=stride, method=method)
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
            for gradient, direction, change in zip(gradients, directions, moved, strict=True):
                np.testing.assert_allclose(
                    np.sum(np.asarray(gradient) * direction), change, rtol=1e-9
                )


def weighted(x: jax.Array, k: jax.Array, weights: jax.Array, *choices: str | int) -> jax.Array:
    padding, stride, method = choices
    return jnp.sum(convolve(x, k, padding=padding, stride=stride, method=method) * weights)


gradients_of = jax.jit(jax.grad(weighted, (0, 1)), static_argnums=(3, 4, 5))


@pytest.mark.parametrize("together", [1, 2])
def test_patches_of_some_images_at_a_time(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five images, multiplied one by one, and in pairs with one left over."""
    images, kernel = inputs_and_kernel((5, 4, 5, 2, 3, 3, 3))
    monkeypatch.setattr(convolution, "PATCHES_BYTES", together * (2 * 3) * (3 * 3 * 2) * 8)
    weights = RANDOM.normal(size=(5, 2, 3, 3))

    def loss(x: jax.Array, k: jax.Array) -> jax.Array:
        y = convolve(x, k, padding="valid", method="patches")
        np.testing.assert_equal(y.shape, weights.shape)
        return jnp.sum(y * weights)

    with jax.enable_x64(True):
        program = str(jax.make_jaxpr(loss)(images, kernel))
        value, gradients = jax.jit(jax.value_and_grad(loss, (0, 1)))(images, kernel)
    assert "scan" in program
    np.testing.assert_allclose(float(value), np.sum(weights * reference(images, kernel, "valid")))
    for argument, gradient in zip((images, kernel), gradients, strict=True):
        np.testing.assert_allclose(
            np.sum(argument * np.asarray(gradient)), float(value), rtol=1e-10
        )


def test_second_derivatives_are_those_of_the_native_convolution(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Optimizers of second order multiply by the Hessian: forward over reverse mode."""
    monkeypatch.setattr(convolution, "PATCHES_BYTES", 1)  # image by image
    arguments = inputs_and_kernel(SHAPES[1])
    direction = inputs_and_kernel(SHAPES[1])
    products = []
    with jax.enable_x64(True):
        for method in ("native", "patches"):

            def loss(x: jax.Array, k: jax.Array) -> jax.Array:
                return jnp.sum(convolve(x, k, padding="same", method=method) ** 3)  # noqa: B023

            gradient = jax.grad(loss, (0, 1))
            product = jax.jit(lambda at, along: jax.jvp(gradient, at, along)[1])  # noqa: B023
            products.append(product(arguments, direction))
    for native, patches in zip(*products, strict=True):
        np.testing.assert_allclose(patches, native, rtol=1e-10, atol=1e-10)


def test_a_population_of_kernels_is_each_kernel_alone() -> None:
    images, _ = inputs_and_kernel(SHAPES[1])
    kernels = jnp.asarray(RANDOM.normal(size=(3, 3, 3, 3, 5)), jnp.float32)
    together = jax.vmap(lambda k: convolve(jnp.asarray(images), k, padding="valid"))(kernels)
    for lane, kernel in zip(together, kernels, strict=True):
        np.testing.assert_allclose(
            lane, convolve(jnp.asarray(images), kernel, padding="valid"), rtol=1e-5, atol=1e-5
        )


def test_the_gradient_of_a_pooled_normalized_convolution_is_whole() -> None:
    """XLA may compute a number again in another fusion, with other last bits than its maximum."""
    experiment = compose(
        model={"name": "cnn", "channels": [3], "widths": []}, normalization="layer"
    )
    network = experiment.network()
    params, state, _ = network.init(jax.random.key(0), (8, 8, 1))
    images, weights = RANDOM.normal(size=(9, 8, 8, 1)), RANDOM.normal(size=(9, 10))

    def loss(params: dict) -> jax.Array:
        outputs, _ = network.apply(params, state, jnp.asarray(images, jnp.float32), True)
        return jnp.sum(outputs * weights)

    got = jax.jit(jax.grad(loss))(params)
    with jax.disable_jit():
        expected = jax.grad(loss)(params)
    close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4)
    jax.tree.map(close, got, expected)
