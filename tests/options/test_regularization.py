"""Regularization: dropout's masks, the terms of the others, and what of it is recorded."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose
from engine_alone import advance, initialize, leaves_as_arrays, one_phase

from runner.data import Dataset
from runner.engine.objective import Objective
from runner.engine.placement import place
from runner.engine.state import Timeline

RANDOM = np.random.default_rng(7)
ONES = np.ones((200, 500))


def dropout(rate: float) -> tuple:
    (chosen,) = compose(regularization={"name": "dropout", "rate": rate}).regularization
    layer = chosen.layer()
    _, state, shape = layer.init(jax.random.key(3), (500,))
    assert shape == (500,)
    return layer, state


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_dropout_drops_at_its_rate_and_keeps_the_mean(rate: float) -> None:
    layer, state = dropout(rate)
    outputs, after = layer.apply({}, state, jnp.asarray(ONES), True)
    values = np.asarray(outputs, float)
    np.testing.assert_allclose(values[values != 0], 1 / (1 - rate), rtol=1e-6)
    deviation = np.sqrt(rate * (1 - rate) / ONES.size)
    assert abs((values == 0).mean() - rate) < 5 * deviation
    # Units of an example, and one unit over the examples, are dropped independently.
    for axis in (0, 1):
        deviation = np.sqrt(rate * (1 - rate) / ONES.shape[axis])
        assert 0.9 < (values == 0).mean(axis).std() / deviation < 1.1
    again, _ = layer.apply({}, state, jnp.asarray(ONES), True)
    np.testing.assert_array_equal(again, outputs)
    others, _ = layer.apply({}, after, jnp.asarray(ONES), True)
    overlap = ((np.asarray(others) == 0) & (values == 0)).mean()
    assert overlap == pytest.approx(rate**2, abs=5 * np.sqrt(0.25 / ONES.size))


def test_dropout_is_for_training_only() -> None:
    layer, state = dropout(0.5)
    outputs, after = layer.apply({}, state, jnp.asarray(ONES), False)
    np.testing.assert_array_equal(outputs, ONES)
    np.testing.assert_array_equal(after["key"], state["key"])
    whole, _ = dropout(0.0)[0].apply({}, state, jnp.asarray(ONES), True)
    np.testing.assert_array_equal(whole, ONES)


@pytest.mark.parametrize(
    ("model", "places"),
    [
        ({"name": "mlp", "widths": [4, 3]}, ["hidden_1", "hidden_2"]),
        ({"name": "cnn", "channels": [2], "widths": [3]}, ["convolution_1", "hidden_1"]),
        ({"name": "rnn", "units": 3}, []),  # once, after the last state
        ("linear", None),
    ],
)
def test_dropout_follows_every_hidden_layer(model: Any, places: list | None) -> None:
    network = compose(model=model, regularization=["dropout", "l2"]).network()
    state = jax.eval_shape(lambda key: network.init(key, (8, 8, 1))[1], jax.random.key(0))
    inside = {"regularization": {"layer_1": {"key": jax.ShapeDtypeStruct((2,), jnp.uint32)}}}
    expected = {} if places is None else dict.fromkeys(places, inside) or inside
    assert state == expected


def test_dropout_is_the_same_within_a_step_and_differs_between_micro_batches(
    tiny: Dataset,
) -> None:
    """What SAM and line searches ask for is the function whose gradient the step has."""
    experiment = compose(
        model={"widths": [40]},
        regularization=["dropout", "l2"],
        batch_size={"size": 12, "micro_batch": 6},
    )
    arrays = place(experiment, tiny)
    state = initialize(leaves_as_arrays(experiment), arrays)
    # The same six examples twice.
    rows = jnp.asarray([*range(6), *range(6)])
    objective = Objective(
        experiment,
        experiment.network(),
        arrays.statistics,
        state.layers,
        arrays.inputs[rows],
        arrays.targets[rows],
    )

    @jax.jit
    def ask(params: Any, direction: Any) -> tuple:
        judged, after = objective.value_and_gradient(params)
        slope = jax.jvp(objective.value, (params,), (direction,))
        return judged, after, slope

    direction = jax.tree.map(lambda leaf: jnp.asarray(RANDOM.normal(size=leaf.shape)), state.params)
    judged, after, (value, slope) = ask(state.params, direction)
    assert float(value) == pytest.approx(float(judged.value), rel=1e-6)
    pairs = zip(jax.tree.leaves(judged.gradient), jax.tree.leaves(direction), strict=True)
    assert float(slope) == pytest.approx(sum(float(jnp.vdot(*pair)) for pair in pairs), rel=1e-4)
    # Each micro-batch moved the key on by one.
    key = jax.random.wrap_key_data(state.layers["hidden_1"]["regularization"]["layer_1"]["key"])
    for _ in range(2):
        key, _ = jax.random.split(key)
    moved = after["hidden_1"]["regularization"]["layer_1"]["key"]
    np.testing.assert_array_equal(moved, jax.random.key_data(key))


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
    ("name", "expected"),
    [
        # Two kernels, [[1, -2]] and [[0], [3]]; biases and gains do not count.
        ("l2", 0.5 * 0.5 * (1 + 4 + 0 + 9)),
        ("l1", 0.5 * (1 + 2 + 0 + 3)),
    ],
)
def test_penalties_are_of_kernels(name: str, expected: float) -> None:
    (chosen,) = compose(regularization={"name": name, "strength": 0.5}).regularization
    params = {
        "hidden": {"dense": {"kernel": jnp.array([[1.0, -2.0]]), "bias": jnp.array([5.0, 5.0])}},
        "normalization": {"gain": jnp.array([7.0])},
        "logits": {"kernel": jnp.array([[0.0], [3.0]])},
    }
    assert float(chosen.term(params, jnp.zeros((1, 2)), jnp.zeros(1))) == pytest.approx(expected)
