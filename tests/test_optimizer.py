"""Optimizers step by step, in float64, against a few lines of NumPy from the papers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import compose

STEPS = 12


def gradient(theta: np.ndarray) -> np.ndarray:
    """Of a fixed quartic in five dimensions: neither constant nor linear."""
    random = np.random.default_rng(3)
    matrix = random.normal(size=(5, 5))
    return matrix @ matrix.T @ theta + 0.3 * theta**3


def sgd(theta: np.ndarray, rate: Callable[[int], float]) -> Iterator[np.ndarray]:
    for t in range(STEPS):
        theta = theta - rate(t) * gradient(theta)
        yield theta


def momentum(theta: np.ndarray, rate: Callable[[int], float]) -> Iterator[np.ndarray]:
    velocity = np.zeros_like(theta)
    for t in range(STEPS):
        velocity = 0.8 * velocity + gradient(theta)
        theta = theta - rate(t) * velocity
        yield theta


def nesterov(theta: np.ndarray, rate: Callable[[int], float]) -> Iterator[np.ndarray]:
    velocity = np.zeros_like(theta)
    for t in range(STEPS):
        slope = gradient(theta)
        velocity = 0.8 * velocity + slope
        theta = theta - rate(t) * (slope + 0.8 * velocity)
        yield theta


def rmsprop(theta: np.ndarray, rate: Callable[[int], float]) -> Iterator[np.ndarray]:
    v = np.zeros_like(theta)
    for t in range(STEPS):
        slope = gradient(theta)
        v = 0.8 * v + 0.2 * slope**2
        theta = theta - rate(t) * slope / (np.sqrt(v) + 1e-3)
        yield theta


def adam(theta: np.ndarray, rate: Callable[[int], float]) -> Iterator[np.ndarray]:
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for t in range(STEPS):
        slope = gradient(theta)
        m = 0.85 * m + 0.15 * slope
        v = 0.95 * v + 0.05 * slope**2
        m_hat, v_hat = m / (1 - 0.85 ** (t + 1)), v / (1 - 0.95 ** (t + 1))
        theta = theta - rate(t) * m_hat / (np.sqrt(v_hat) + 1e-3)
        yield theta


RULES = [
    ({"name": "sgd"}, sgd),
    ({"name": "momentum", "momentum": 0.8}, momentum),
    ({"name": "nesterov", "momentum": 0.8}, nesterov),
    ({"name": "rmsprop", "decay": 0.8, "eps": 1e-3}, rmsprop),
    ({"name": "adam", "b1": 0.85, "b2": 0.95, "eps": 1e-3}, adam),
]


@pytest.mark.parametrize(("choice", "rule"), RULES, ids=lambda x: getattr(x, "__name__", ""))
@pytest.mark.parametrize("rate", [lambda t: 0.02, lambda t: 0.02 * 0.9**t], ids=["const", "decay"])
def test_the_papers_rule(choice: dict, rule: Callable, rate: Callable[[int], float]) -> None:
    optimizer = compose(optimizer=choice).optimizer
    start = np.array([1.0, -2.0, 0.5, 3.0, -0.1])
    with jax.enable_x64(True):
        theta = jnp.asarray(start)
        state = optimizer.build(jnp.asarray(rate(0))).init(theta)
        for t, expected in enumerate(rule(start, rate)):
            slope = jnp.asarray(gradient(np.asarray(theta)))
            updates, state = optimizer.build(jnp.asarray(rate(t))).update(slope, state, theta)
            theta = optax.apply_updates(theta, updates)
            assert theta.dtype == jnp.float64
            np.testing.assert_allclose(theta, expected, rtol=1e-12)


def test_adam_is_optaxs_adam() -> None:
    """With traced numbers, in float32, over a hundred steps."""
    ours = compose(optimizer="adam").optimizer
    theirs = optax.adam(ours.learning_rate, ours.b1, ours.b2, ours.eps)
    random = np.random.default_rng(0)
    theta = other = jnp.asarray(random.normal(size=20), jnp.float32)
    state, other_state = ours.build(ours.learning_rate).init(theta), theirs.init(other)
    for _ in range(100):
        slope = jnp.asarray(random.normal(size=20), jnp.float32)
        updates, state = ours.build(ours.learning_rate).update(slope, state, theta)
        theta = optax.apply_updates(theta, updates)
        other_updates, other_state = theirs.update(slope, other_state, other)
        other = optax.apply_updates(other, other_updates)
    np.testing.assert_allclose(theta, other, rtol=1e-4, atol=1e-6)


def test_every_optimizer_is_checked() -> None:
    from runner.table import OPTIONS

    assert {choice["name"] for choice, _ in RULES} == set(OPTIONS["optimizer"])
