"""Initial weights against the distributions of the papers."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from conftest import compose
from scipy import stats

SHAPES = [(300, 200), (5, 5, 16, 64)]
FANS = {(300, 200): (300, 200), (5, 5, 16, 64): (400, 1600)}


def draw(choice: dict, shape: tuple[int, ...]) -> np.ndarray:
    initializer = compose(initializer=choice).initializer
    return np.asarray(initializer(jax.random.key(1), shape), np.float64)


@pytest.mark.parametrize("shape", SHAPES)
def test_normal(shape: tuple[int, ...]) -> None:
    weights = draw({"name": "normal", "stddev": 0.3}, shape)
    assert weights.shape == shape
    assert stats.kstest(weights.ravel(), stats.norm(scale=0.3).cdf).pvalue > 0.01


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_xavier_uniform(shape: tuple[int, ...], scale: float) -> None:
    fan_in, fan_out = FANS[shape]
    limit = scale * np.sqrt(6 / (fan_in + fan_out))
    weights = draw({"name": "xavier_uniform", "scale": scale}, shape)
    uniform = stats.uniform(loc=-limit, scale=2 * limit)
    assert stats.kstest(weights.ravel(), uniform.cdf).pvalue > 0.01
    assert abs(weights).max() <= limit


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_he_normal(shape: tuple[int, ...], scale: float) -> None:
    fan_in, _ = FANS[shape]
    weights = draw({"name": "he_normal", "scale": scale}, shape)
    normal = stats.norm(scale=scale * np.sqrt(2 / fan_in))
    assert stats.kstest(weights.ravel(), normal.cdf).pvalue > 0.01


def test_zeros() -> None:
    assert not draw({"name": "zeros"}, (3, 4)).any()
