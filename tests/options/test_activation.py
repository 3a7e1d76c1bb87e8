"""Activations against NumPy."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from conftest import compose

X = np.linspace(-6, 6, 25).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", np.where(X > 0, X, 0)),
        ("tanh", (np.exp(X) - np.exp(-X)) / (np.exp(X) + np.exp(-X))),
        ("sigmoid", 1 / (1 + np.exp(-X))),
        ("linear", X),
    ],
)
def test_values(name: str, expected: np.ndarray) -> None:
    np.testing.assert_allclose(compose(activation=name).activation(X), expected, atol=1e-6)


def test_the_gradient_of_relu_at_zero_is_zero() -> None:
    assert jax.grad(compose(activation="relu").activation)(0.0) == 0
