"""Losses against their definitions in NumPy and scikit-learn, and what they refuse."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose, read_option
from scipy.special import expit, softmax
from sklearn import metrics

from runner.engine.determination import r_squared
from runner.errors import ConfigError
from runner.experiment.table import OPTIONS
from runner.measures import ErrorKind

RANDOM = np.random.default_rng(3)
LOGITS = RANDOM.normal(0, 3, (7, 4))
CLASSES = RANDOM.integers(0, 4, 7)
ONE_HOT = np.eye(4)[CLASSES]
OUTPUTS, NUMBERS = RANDOM.normal(0, 2, (2, 7, 3))
P = softmax(LOGITS, axis=1)[np.arange(7), CLASSES]


def huber(differences: np.ndarray, delta: float) -> np.ndarray:
    """Huber 1964: e^2 / 2 for |e| <= delta, else delta (|e| - delta / 2)."""
    size = np.abs(differences)
    return np.where(size <= delta, size**2 / 2, delta * (size - delta / 2)).mean(axis=1)


OF_CLASSES = {
    "auto": -np.log(P),
    "cross_entropy": -np.log(P),
    "focal": -((1 - P) ** 2) * np.log(P),  # Lin et al. 2017, equation 4, gamma = 2
    "hinge": [
        metrics.hinge_loss([y], logits[None], labels=range(4))
        for y, logits in zip(CLASSES, LOGITS, strict=True)
    ],
    "binary_cross_entropy": -np.log(np.where(ONE_HOT, expit(LOGITS), expit(-LOGITS))).mean(axis=1),
    "squared_error": ((LOGITS - ONE_HOT) ** 2).mean(axis=1),
    "absolute_error": np.abs(LOGITS - ONE_HOT).mean(axis=1),
    "huber": huber(LOGITS - ONE_HOT, 1.0),
}
OF_NUMBERS = {
    "auto": metrics.mean_squared_error(NUMBERS.T, OUTPUTS.T, multioutput="raw_values"),
    "squared_error": metrics.mean_squared_error(NUMBERS.T, OUTPUTS.T, multioutput="raw_values"),
    "absolute_error": metrics.mean_absolute_error(NUMBERS.T, OUTPUTS.T, multioutput="raw_values"),
    "huber": huber(OUTPUTS - NUMBERS, 1.0),
}


def loss(name: str) -> Any:
    values = read_option("loss", name)
    return OPTIONS["loss"][values.pop("name")](**values)


def test_every_loss_has_its_definition_here() -> None:
    assert set(OF_CLASSES) == set(OPTIONS["loss"])
    assert set(OF_NUMBERS) == {
        name for name, cls in OPTIONS["loss"].items() if not cls.needs_classes
    }


@pytest.mark.parametrize("name", OF_CLASSES)
def test_losses_of_classes(name: str) -> None:
    losses, errors = loss(name).losses_and_errors(jnp.asarray(LOGITS), jnp.asarray(CLASSES))
    np.testing.assert_allclose(losses, OF_CLASSES[name], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(errors, LOGITS.argmax(axis=1) != CLASSES)


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_losses_of_numbers(name: str) -> None:
    unit = np.array([1.0, 10.0, 100.0])
    losses, errors = loss(name).losses_and_errors(
        jnp.asarray(OUTPUTS), jnp.asarray(NUMBERS), jnp.asarray(unit)
    )
    np.testing.assert_allclose(losses, OF_NUMBERS[name], rtol=1e-5)
    np.testing.assert_allclose(errors, (np.abs(OUTPUTS - NUMBERS) * unit).mean(axis=1), rtol=1e-5)


def test_the_focal_loss_of_what_is_certain_has_a_gradient() -> None:
    """1 - p is 0 in single precision; the power of 0 has none."""
    outputs = jnp.asarray([[200.0, 0.0], [-200.0, 0.0]])
    gradient = jax.grad(lambda x: loss("focal")(x, jnp.asarray([0, 0])).sum())(outputs)
    np.testing.assert_allclose(gradient, [[0, 0], [-1, 1]], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "probabilities"),
    [
        ("cross_entropy", lambda outputs: softmax(outputs, axis=-1)),
        ("binary_cross_entropy", expit),
        ("hinge", lambda outputs: outputs),
    ],
)
def test_several_networks_predict_the_mean(name: str, probabilities: Any) -> None:
    samples = RANDOM.normal(0, 2, (5, 3, 4))
    together = np.asarray(loss(name).mean_prediction(jnp.asarray(samples)))
    np.testing.assert_allclose(
        probabilities(together), probabilities(samples).mean(axis=0), rtol=1e-5
    )


def test_r_squared_is_that_of_scikit_learn() -> None:
    targets = RANDOM.normal(0, 2, (2, 4, 3))
    targets[..., 2] = 1.0  # a constant column
    outputs = targets + RANDOM.normal(0, 1, targets.shape)
    weights = np.full((2, 4), 1 / 7)
    weights[1, 3] = 0  # padding, whose values do not count
    targets[1, 3], outputs[1, 3] = np.nan, 5
    rows = weights.ravel() > 0
    expected = metrics.r2_score(targets.reshape(8, 3)[rows], outputs.reshape(8, 3)[rows])
    found = r_squared(*map(jnp.asarray, (weights, (targets - outputs) ** 2, targets)))
    assert float(found) == pytest.approx(expected, rel=1e-5)
    assert np.isnan(r_squared(*map(jnp.asarray, (0 * weights, targets, targets))))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"loss": "focal"}, "loss does not fit the run: it needs classes.*use loss=squared_error"),
        ({"regularization": "label_smoothing"}, "no labels to smooth"),
        ({"bias_initializer": "class_frequencies"}, "numbers, which have no frequencies"),
    ],
)
def test_what_needs_classes_is_refused_for_numbers(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose(data="diabetes", **choices)


def test_labels_are_smoothed_for_the_cross_entropy_only() -> None:
    with pytest.raises(ConfigError, match="use loss=cross_entropy"):
        compose(loss="hinge", regularization="label_smoothing")
    compose(loss="cross_entropy", regularization="label_smoothing")


def test_the_default_follows_from_the_targets() -> None:
    assert compose() == compose(loss="cross_entropy")
    numbers = compose(data="diabetes")
    assert numbers == compose(data="diabetes", loss="squared_error")
    assert numbers.data.error_kind is ErrorKind.ABSOLUTE
