"""The Elman network against a loop in NumPy, and the matrix that it starts from."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from conftest import compose

from runner.errors import ConfigError
from runner.options.layer import Layer

RANDOM = np.random.default_rng(2)
IMAGES = RANDOM.normal(size=(3, 4, 3, 2))  # 4 rows of 3 pixels of 2 channels


def network_of(normalization: str = "none", **numbers: Any) -> Layer:
    model = {"name": "rnn", "units": 5, **numbers}
    return compose(model=model, activation="tanh", normalization=normalization).network()


def applied(network: Layer, inputs: np.ndarray) -> tuple[dict, np.ndarray]:
    """Some parameters, and the logits that they give."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    shapes = jax.eval_shape(lambda key: network.init(key, inputs.shape[1:])[0], key)
    params = jax.tree.map(lambda leaf: RANDOM.normal(size=leaf.shape), shapes)
    with jax.enable_x64(True):
        apply = jax.jit(
            lambda params, inputs: network.apply(params, {}, inputs, True)[0],
        )
        return params, np.asarray(apply(params, inputs))


@pytest.mark.parametrize(
    ("inputs", "sequence", "pixels"),
    [
        (IMAGES, IMAGES.reshape(3, 4, 6), False),
        (IMAGES, IMAGES.reshape(3, 12, 2), True),
        (IMAGES[:, :, 0, 0], IMAGES[:, :, 0, :1], False),
    ],
    ids=["rows", "pixels", "vector"],
)
def test_forward_is_numpys(inputs: np.ndarray, sequence: np.ndarray, pixels: bool) -> None:
    params, outputs = applied(network_of(pixels=pixels), inputs)
    cell, hidden = params["recurrent"], np.zeros((3, 5))
    for step in range(sequence.shape[1]):
        driven = sequence[:, step] @ cell["input"]["kernel"] + cell["input"]["bias"]
        hidden = np.tanh(driven + hidden @ cell["recurrent"]["kernel"])
    expected = hidden @ params["logits"]["kernel"] + params["logits"]["bias"]
    np.testing.assert_allclose(outputs, expected, rtol=1e-10)


def test_layer_normalization_is_of_the_sum_at_each_step() -> None:
    params, outputs = applied(network_of("layer"), IMAGES)
    cell, hidden = params["recurrent"], np.zeros((3, 5))
    for rows in np.moveaxis(IMAGES.reshape(3, 4, 6), 1, 0):
        total = rows @ cell["input"]["kernel"] + cell["input"]["bias"]
        total = total + hidden @ cell["recurrent"]["kernel"]
        away = total - total.mean(1, keepdims=True)
        normal = away / np.sqrt((away**2).mean(1, keepdims=True) + 1e-5)
        hidden = np.tanh(normal * cell["normalization"]["gain"] + cell["normalization"]["shift"])
    expected = hidden @ params["logits"]["kernel"] + params["logits"]["bias"]
    np.testing.assert_allclose(outputs, expected, rtol=1e-6)


def test_batch_normalization_is_refused() -> None:
    with pytest.raises(ConfigError, match="model does not fit the run: batch normalization"):
        compose(model="rnn", normalization="batch")


@pytest.mark.parametrize("kind", ["orthogonal", "identity"])
def test_the_recurrent_matrix_starts_as_a_rotation_or_the_identity(kind: str) -> None:
    network = network_of(recurrent_initializer=kind, recurrent_scale=1.5)
    start = jax.jit(lambda key: network.init(key, (4, 3, 2))[0])
    kernel = np.asarray(start(jax.random.key(0))["recurrent"]["recurrent"]["kernel"])
    np.testing.assert_allclose(kernel @ kernel.T, 2.25 * np.eye(5), atol=1e-5)
    assert np.allclose(kernel, 1.5 * np.eye(5)) == (kind == "identity")


def test_the_default_recurrent_matrix_is_jaxs_orthogonal_one() -> None:
    """So that the numbers of earlier versions stay what they were."""
    initializer = compose(model="rnn").model.recurrent_initializer
    key = jax.random.key(4)
    np.testing.assert_array_equal(initializer(key, (5, 5)), jax.random.orthogonal(key, 5))
