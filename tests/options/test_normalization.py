"""Batch and layer normalization against NumPy and, for the gradient, against finite differences."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose
from engine_alone import advance, initialize, leaves_as_arrays, one_phase

from runner.data import Dataset
from runner.engine.placement import place
from runner.engine.state import Timeline
from runner.errors import ConfigError
from runner.experiment.experiment import Experiment
from runner.options.model.base import LayerOptions

RANDOM = np.random.default_rng(5)
DENSE = RANDOM.normal(2, 3, (6, 4))
IMAGES = RANDOM.normal(-1, 2, (3, 5, 5, 4))
GAIN, SHIFT = RANDOM.normal(size=4), RANDOM.normal(size=4)


def layer_of(name: str, shape: tuple[int, ...], **numbers: float) -> tuple:
    layer = compose(normalization={"name": name, **numbers}).normalization.layer()
    params, state, out = layer.init(jax.random.key(0), shape)
    assert out == shape
    np.testing.assert_array_equal(params["gain"], np.ones(4))
    np.testing.assert_array_equal(params["shift"], np.zeros(4))
    return layer, {"gain": jnp.asarray(GAIN), "shift": jnp.asarray(SHIFT)}, state


@pytest.mark.parametrize("inputs", [DENSE, IMAGES], ids=["dense", "convolution"])
def test_batch_statistics_in_training_and_moving_averages_at_evaluation(inputs: np.ndarray) -> None:
    with jax.enable_x64(True):
        layer, params, state = layer_of("batch", inputs.shape[1:], momentum=0.7, epsilon=1e-3)
        rows = inputs.reshape(-1, 4)
        mean, variance = rows.mean(0), ((rows - rows.mean(0)) ** 2).mean(0)
        outputs, new = layer.apply(params, state, jnp.asarray(inputs), True)
        expected = GAIN * (inputs - mean) / np.sqrt(variance + 1e-3) + SHIFT
        np.testing.assert_allclose(outputs, expected, rtol=1e-10)
        unbiased = variance * len(rows) / (len(rows) - 1)
        np.testing.assert_allclose(new["mean"], 0.3 * mean, rtol=1e-6)
        np.testing.assert_allclose(new["variance"], 0.7 + 0.3 * unbiased, rtol=1e-6)

        evaluated, same = layer.apply(params, new, jnp.asarray(inputs), False)
        moving = np.asarray(new["mean"]), np.asarray(new["variance"])
        expected = GAIN * (inputs - moving[0]) / np.sqrt(moving[1] + 1e-3) + SHIFT
        np.testing.assert_allclose(evaluated, expected, rtol=1e-6)
        np.testing.assert_array_equal(same["mean"], new["mean"])


@pytest.mark.parametrize("inputs", [DENSE, IMAGES], ids=["dense", "convolution"])
def test_layer_normalization_is_over_each_example(inputs: np.ndarray) -> None:
    with jax.enable_x64(True):
        layer, params, state = layer_of("layer", inputs.shape[1:], epsilon=1e-3)
        axes = tuple(range(1, inputs.ndim))
        mean = inputs.mean(axes, keepdims=True)
        variance = ((inputs - mean) ** 2).mean(axes, keepdims=True)
        expected = GAIN * (inputs - mean) / np.sqrt(variance + 1e-3) + SHIFT
        for training in (True, False):
            outputs, new = layer.apply(params, state, jnp.asarray(inputs), training)
            np.testing.assert_allclose(outputs, expected, rtol=1e-10)
            assert new == {}


@pytest.mark.parametrize("name", ["batch", "layer"])
def test_gradients_flow_through_the_statistics(name: str) -> None:
    with jax.enable_x64(True):
        layer, params, state = layer_of(name, (4,))
        weights = jnp.asarray(RANDOM.normal(size=DENSE.shape))

        def loss(inputs: jax.Array) -> jax.Array:
            return jnp.sum(weights * layer.apply(params, state, inputs, True)[0])

        got = jax.grad(loss)(jnp.asarray(DENSE))
        for index in [(0, 0), (2, 3), (5, 1)]:
            nudge = np.zeros_like(DENSE)
            nudge[index] = 1e-6
            slope = (loss(jnp.asarray(DENSE + nudge)) - loss(jnp.asarray(DENSE - nudge))) / 2e-6
            np.testing.assert_allclose(got[index], slope, rtol=1e-5, atol=1e-8)


def params_of(experiment: Experiment) -> dict:
    parts = LayerOptions(experiment.activation, experiment.initializer, experiment.normalization)
    network = experiment.model.network(parts, 10)
    return network.init(jax.random.key(0), (8, 8, 1))[0]


def test_batch_normalization_takes_the_place_of_the_bias() -> None:
    model = {"name": "cnn", "channels": [3], "widths": [5]}
    params = params_of(compose(model=model, normalization="batch"))
    assert set(params["convolution_1"]["convolution"]) == {"kernel"}
    assert params["convolution_1"]["normalization"]["gain"].shape == (3,), "one per channel"
    assert set(params["hidden_1"]["dense"]) == {"kernel"}
    assert set(params["logits"]) == {"kernel", "bias"}
    for other in ("none", "layer"):
        params = params_of(compose(model=model, normalization=other))
        assert set(params["hidden_1"]["dense"]) == {"kernel", "bias"}


def test_normalization_comes_before_the_activation() -> None:
    experiment = compose(model={"widths": [4]}, normalization="layer", activation="relu")
    parts = LayerOptions(experiment.activation, experiment.initializer, experiment.normalization)
    network = experiment.model.network(parts, 3)
    params, state, _ = network.init(jax.random.key(0), (8, 8, 1))
    # A shift far below zero after the normalization must be cut off by the rectifier.
    params["hidden_1"]["normalization"]["shift"] = jnp.full(4, -100.0)
    images = jax.random.normal(jax.random.key(1), (2, 8, 8, 1))
    np.testing.assert_array_equal(network.apply(params, state, images, True)[0], np.zeros((2, 3)))


def test_batches_of_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2 examples"):
        compose(normalization="batch", batch_size="stochastic")


def test_micro_batches_of_one_are_refused() -> None:
    for size in ({"size": 8, "micro_batch": 1}, {"name": "full", "micro_batch": 1}):
        with pytest.raises(ConfigError) as caught:
            compose(normalization="batch", batch_size=size)
        assert str(caught.value).startswith("batch_size.micro_batch does not fit the run: ")
        assert "use at least 2, or normalization=layer" in str(caught.value)
        compose(normalization="layer", batch_size=size)
    compose(normalization="batch", batch_size={"size": 8, "micro_batch": 2})


def test_a_single_example_leaves_the_moving_averages_as_they_are() -> None:
    """Its variance is 0 by definition; for a convolution n counts the positions as well."""
    layer, params, state = layer_of("batch", (4,))
    _, state = layer.apply(params, state, jnp.asarray(DENSE), True)
    outputs, after = layer.apply(params, state, jnp.asarray(DENSE[:1]), True)
    for name in ("mean", "variance"):
        np.testing.assert_array_equal(after[name], state[name])
    np.testing.assert_allclose(outputs, SHIFT[None], rtol=1e-6)
    one_image = layer.apply(params, state, jnp.asarray(IMAGES[:1]), True)[1]
    assert (np.asarray(one_image["variance"]) != np.asarray(state["variance"])).all()


@pytest.mark.parametrize(
    ("batch_size", "steps", "normalized"),
    [({"size": 35}, 2, [35]), ({"size": 36, "micro_batch": 5}, 1, [5] * 7)],
    ids=["last batch", "last micro-batch"],
)
def test_a_remainder_of_one_does_not_change_the_moving_averages(
    batch_size: dict, steps: int, normalized: list[int], tiny: Dataset
) -> None:
    """36 examples leave one of 35, and one of 5: the averages are those of the others alone."""
    experiment = compose(
        model={"widths": [3]},
        normalization={"name": "batch", "momentum": 0.6},
        optimizer={"learning_rate": 0.0},
        sampling={"name": "fixed", "shuffled": False},
        batch_size=batch_size,
    )
    arrays = place(experiment, tiny)
    leaves = leaves_as_arrays(experiment)
    state = initialize(leaves, arrays)
    after, _ = advance(
        leaves, arrays, state, 0, steps, Timeline(0, 0, steps, 1.0, one_phase(steps))
    )
    inputs = np.asarray(tiny.train.inputs, float).reshape(36, -1) / 16
    units = inputs @ np.asarray(state.params["hidden_1"]["dense"]["kernel"], float)
    mean, variance = np.zeros(3), np.ones(3)
    for batch in np.split(units[:35], np.cumsum(normalized)[:-1]):
        mean = 0.6 * mean + 0.4 * batch.mean(0)
        variance = 0.6 * variance + 0.4 * batch.var(0, ddof=1)
    averages = after.layers["hidden_1"]["normalization"]
    np.testing.assert_allclose(averages["mean"], mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(averages["variance"], variance, rtol=1e-4)
