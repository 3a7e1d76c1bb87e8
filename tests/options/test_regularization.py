"""Penalties, projections and other targets: what they add, and what of it is recorded."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose
from engine_alone import Engine, advance, initialize, leaves_as_arrays, one_phase

from runner.data import Dataset
from runner.engine.evaluation import evaluated
from runner.engine.placement import place
from runner.engine.state import Timeline

RANDOM = np.random.default_rng(7)


def regularization(name: str, **numbers: Any) -> Any:
    (chosen,) = compose(regularization={"name": name, **numbers}).regularization
    return chosen


def norms(kernel: Any) -> np.ndarray:
    return np.sqrt((np.asarray(kernel).reshape(-1, kernel.shape[-1]) ** 2).sum(0))


def test_max_norm_projects_the_incoming_weights_of_each_unit() -> None:
    params = {
        "convolution": {"kernel": RANDOM.normal(size=(3, 3, 2, 6)), "bias": np.full(6, 9.0)},
        "logits": {"kernel": RANDOM.normal(size=(6, 10))},
        "normalization": {"gain": np.full(6, 9.0)},
    }
    limit = np.median(norms(params["convolution"]["kernel"]))
    projected = regularization("max_norm", limit=float(limit)).project(params)
    for name in ("convolution", "logits"):
        kernel, was = projected[name]["kernel"], norms(params[name]["kernel"])
        expected = params[name]["kernel"] * np.minimum(1, limit / was)
        np.testing.assert_allclose(kernel, expected, rtol=1e-6)
    assert (norms(projected["convolution"]["kernel"]) < limit * 0.999).any(), "some stay"
    np.testing.assert_array_equal(projected["convolution"]["bias"], np.full(6, 9.0))
    np.testing.assert_array_equal(projected["normalization"]["gain"], np.full(6, 9.0))


def test_parameters_are_projected_after_each_update_and_averages_where_they_are_evaluated(
    tiny: Dataset,
) -> None:
    choices: dict[str, Any] = {
        "model": "linear",
        "batch_size": "full",
        "optimizer": {"name": "averaged", "base": {"name": "sgd", "learning_rate": 1.0}},
    }
    free = Engine(compose(**choices), tiny)
    limited = Engine(compose(regularization={"name": "max_norm", "limit": 0.5}, **choices), tiny)
    start = np.asarray(free.state.params["logits"]["kernel"], float)
    measured = [engine.advance(0, 1, 1).steps["update_norm"][0] for engine in (free, limited)]
    assert measured[0] == measured[1], "the norm of the optimizer's update"
    after = np.asarray(free.state.params["logits"]["kernel"], float)
    assert (after != start).any()
    expected = after * np.minimum(1, 0.5 / norms(after))
    np.testing.assert_allclose(limited.state.params["logits"]["kernel"], expected, rtol=1e-5)
    np.testing.assert_allclose(limited.state.optimizer.average["logits"]["kernel"], after)
    params, _ = evaluated(limited.setup, limited.state)
    np.testing.assert_allclose(params["logits"]["kernel"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"regularization": "variational_dropout"}, "the model is not recurrent"),
        ({"regularization": "variational_dropout", "model": "rnn"}, None),
        ({"regularization": "alpha_dropout"}, "alpha dropout keeps the mean 0"),
        ({"regularization": "alpha_dropout", "activation": "selu"}, None),
        ({"regularization": "dropout"}, None),
    ],
)
def test_what_goes_badly_together_is_said(choices: dict[str, Any], message: str | None) -> None:
    experiment = compose(**choices)
    (chosen,) = experiment.regularization
    said = list(chosen.cautions(experiment.facts()))
    assert len(said) == (message is not None)
    assert not message or said[0].startswith(message)


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


def test_gradient_descent_with_all_terms_is_numpys(tiny: Dataset) -> None:
    """The penalties act on the kernel alone, are in the gradient and are not in the loss."""
    strengths = {"l2": 0.3, "l1": 0.02, "label_smoothing": 0.2}
    experiment = compose(
        model="linear",
        regularization=[
            {"name": "l2", "strength": strengths["l2"]},
            {"name": "l1", "strength": strengths["l1"]},
            {"name": "label_smoothing", "amount": strengths["label_smoothing"]},
        ],
        batch_size="full",
        optimizer={"name": "sgd", "learning_rate": 0.1},
    )
    arrays = place(experiment, tiny)
    leaves = leaves_as_arrays(experiment)
    state = initialize(leaves, arrays)
    _, measured = advance(leaves, arrays, state, 0, 4, Timeline(0, 0, 4, 4.0, one_phase(1)))
    steps = jax.device_get(measured.steps)

    kernel = np.asarray(state.params["logits"]["kernel"], float)
    bias = np.zeros(10)
    inputs = np.asarray(tiny.train.inputs, float).reshape(36, -1) / 16
    labels = np.eye(10)[tiny.train.targets]
    targets = (1 - strengths["label_smoothing"]) * labels + strengths["label_smoothing"] / 10
    for loss, norm in zip(steps["train_loss"][:4], steps["gradient_norm"][:4], strict=True):
        share = softmax(inputs @ kernel + bias)
        assert loss == pytest.approx(-np.log((share * labels).sum(1)).mean(), rel=1e-4)
        away = (share - targets) / 36
        slope = inputs.T @ away + strengths["l2"] * kernel + strengths["l1"] * np.sign(kernel)
        total = np.sqrt((slope**2).sum() + (away.sum(0) ** 2).sum())
        assert norm == pytest.approx(total, rel=1e-4)
        kernel, bias = kernel - 0.1 * slope, bias - 0.1 * away.sum(0)


@pytest.mark.parametrize(
    ("name", "numbers", "expected"),
    [
        # Two kernels, [[1, -2]] and [[0], [3]]; biases and gains count on request.
        ("l2", {}, 0.5 * 0.5 * (1 + 4 + 0 + 9)),
        ("l2", {"applies_to": "everything"}, 0.5 * 0.5 * (1 + 4 + 0 + 9 + 25 + 25 + 49)),
        ("l1", {}, 0.5 * (1 + 2 + 0 + 3)),
        ("l1", {"applies_to": "everything"}, 0.5 * (1 + 2 + 0 + 3 + 5 + 5 + 7)),
        ("elastic", {"l1_ratio": 0.2}, 0.5 * (0.2 * 6 + 0.8 / 2 * 14)),
        (
            "elastic",
            {"l1_ratio": 0.2, "applies_to": "everything"},
            0.5 * (0.2 * 23 + 0.8 / 2 * 113),
        ),
    ],
)
def test_penalties(name: str, numbers: dict[str, Any], expected: float) -> None:
    chosen = regularization(name, strength=0.5, **numbers)
    params = {
        "hidden": {"dense": {"kernel": jnp.array([[1.0, -2.0]]), "bias": jnp.array([5.0, 5.0])}},
        "normalization": {"gain": jnp.array([7.0])},
        "logits": {"kernel": jnp.array([[0.0], [3.0]])},
    }
    assert float(chosen.term(params, jnp.zeros((1, 2)), jnp.zeros(1))) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["l1", "elastic"])
def test_an_absolute_value_has_no_slope_at_zero(name: str) -> None:
    """Biases and many a kernel start at 0, where JAX gives |W| the slope 1."""
    chosen = regularization(name, strength=1.0, applies_to="everything")
    params = {"kernel": jnp.array([[0.0, -2.0, 3.0]]), "bias": jnp.zeros(2)}
    slope = jax.grad(lambda params: chosen.term(params, jnp.zeros((1, 2)), jnp.zeros(1)))(params)
    np.testing.assert_array_equal(np.sign(slope["kernel"]), [[0, -1, 1]])
    np.testing.assert_array_equal(slope["bias"], 0)
