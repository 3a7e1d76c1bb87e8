"""Dropout and its relatives: where masks are, how they are drawn, and what evaluations average."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose
from engine_alone import Engine, initialize, leaves_as_arrays
from scipy.special import softmax

from runner.data import Dataset
from runner.engine.evaluation import evaluate
from runner.engine.objective import Objective
from runner.engine.placement import place
from runner.options.layer import Layer

RANDOM = np.random.default_rng(7)
ONES = np.ones((200, 500))


def one(name: str, **numbers: Any) -> Any:
    """A regularization."""
    (chosen,) = compose(regularization={"name": name, **numbers}).regularization
    return chosen


def start(network: Layer, key: jax.Array, shape: tuple[int, ...]) -> tuple:
    """The initial parameters and state."""
    return jax.jit(lambda key: network.init(key, shape)[:2])(key)


def dropout(rate: float, **numbers: Any) -> tuple:
    layer = one("dropout", rate=rate, **numbers).layer()
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
        ({"name": "rnn", "widths": [3]}, []),  # once, after the last state
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


def test_a_mask_for_the_whole_batch() -> None:
    layer, state = dropout(0.5, mask="batch")
    outputs = np.asarray(layer.apply({}, state, jnp.asarray(ONES), True)[0])
    assert (outputs == outputs[0]).all()
    assert 0.4 < (outputs[0] == 0).mean() < 0.6


def test_inputs_are_dropped_at_a_rate_of_their_own() -> None:
    """The linear model with the identity as its matrix shows them; all else starts as without."""
    chosen = {"name": "dropout", "rate": 0.5, "input_rate": 0.2}
    shape, key = (10, 10, 1), jax.random.key(1)
    plain, _ = start(compose(model={"widths": [3]}).network(), key, shape)
    network = compose(model={"widths": [3]}, regularization=chosen).network()
    dropped, state = start(network, key, shape)
    jax.tree.map(np.testing.assert_array_equal, plain, dropped)
    assert set(state) == {"inputs", "hidden_1"}

    network = compose(model="linear", regularization=chosen).network()
    _, state, _ = network.init(key, (100,))
    params = {"logits": {"kernel": jnp.eye(100), "bias": jnp.zeros(100)}}
    inputs = RANDOM.uniform(1, 2, (400, 100))
    seen, after = network.apply(params, state, jnp.asarray(inputs), True)
    kept = np.asarray(seen) != 0
    np.testing.assert_allclose(seen, np.where(kept, inputs / 0.8, 0), rtol=1e-5)
    assert abs(kept.mean() - 0.8) < 5 * np.sqrt(0.2 * 0.8 / kept.size)
    assert (kept != kept[0]).any()
    again, _ = network.apply(params, after, jnp.asarray(inputs), True)
    assert ((np.asarray(again) != 0) != kept).any()
    evaluated, same = network.apply(params, state, jnp.asarray(inputs), False)
    np.testing.assert_allclose(evaluated, inputs, rtol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, same, state)


def test_alpha_dropout_keeps_mean_and_variance_of_selu() -> None:
    """Klambauer et al. 2017; dropout shifts both."""
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    normal = RANDOM.normal(size=(1000, 500))
    inputs = scale * np.where(normal > 0, normal, alpha * (np.exp(normal) - 1))
    assert abs(inputs.mean()) < 0.01
    assert abs(inputs.var() - 1) < 0.01
    for rate in (0.05, 0.3):
        layer = one("alpha_dropout", rate=rate).layer()
        _, state, _ = layer.init(jax.random.key(0), (500,))
        outputs = np.asarray(layer.apply({}, state, jnp.asarray(inputs), True)[0], float)
        assert abs(outputs.mean()) < 0.01
        assert abs(outputs.var() - 1) < 0.01
        least, counts = np.unique(outputs, return_counts=True)
        x0, q = -scale * alpha, 1 - rate
        a = 1 / np.sqrt(q + x0**2 * q * rate)
        assert least[counts.argmax()] == pytest.approx(a * x0 - a * rate * x0, rel=1e-5)
        assert counts.max() / inputs.size == pytest.approx(rate, abs=0.005)
        thinned = np.where(RANDOM.random(inputs.shape) < rate, 0, inputs / q)
        assert thinned.var() > 1 + 0.9 * rate
        np.testing.assert_array_equal(layer.apply({}, state, ONES, False)[0], ONES)


def test_dropconnect_drops_weights_in_training_only() -> None:
    mapping = one("dropconnect", rate=0.3).kernel_map()
    kernel = RANDOM.uniform(1, 2, (300, 200))
    params, state = mapping.init(jax.random.key(0), kernel)
    assert params == {}
    masked, after = mapping.apply(params, state, jnp.asarray(kernel), True)
    kept = np.asarray(masked) != 0
    np.testing.assert_allclose(masked, np.where(kept, kernel / 0.7, 0), rtol=1e-5)
    assert abs(kept.mean() - 0.7) < 5 * np.sqrt(0.3 * 0.7 / kept.size)
    others = np.asarray(mapping.apply(params, after, jnp.asarray(kernel), True)[0]) != 0
    assert (others & kept).mean() == pytest.approx(0.7**2, abs=0.01)
    np.testing.assert_array_equal(mapping.apply(params, state, kernel, False)[0], kernel)


@pytest.mark.parametrize(
    ("model", "kernels"),
    [
        ({"widths": [4]}, 1),
        ({"name": "cnn", "channels": [2], "widths": [4]}, 2),
        ({"name": "rnn", "widths": [4]}, 2),
    ],
    ids=["mlp", "cnn", "rnn"],
)
def test_dropconnect_is_of_every_hidden_kernel(model: Any, kernels: int) -> None:
    """A rate near 1 leaves the biases alone, which are 0, so that the logits are 0."""
    chosen = {"name": "dropconnect", "rate": 1 - 1e-7}
    network = compose(model=model, regularization=chosen, normalization="none").network()
    params, state = start(network, jax.random.key(0), (8, 8, 1))
    images = jnp.ones((3, 8, 8, 1))
    seen, after = jax.jit(lambda x: network.apply(params, state, x, True))(images)
    np.testing.assert_array_equal(seen, np.zeros((3, 10)))
    moved = jax.tree.map(lambda old, new: (np.asarray(old) != np.asarray(new)).any(), state, after)
    assert jax.tree.leaves(moved) == [True] * kernels, "each has random numbers of its own"
    assert (np.asarray(network.apply(params, state, images, False)[0]) != 0).any()


def test_masks_of_weights_come_after_weight_normalization() -> None:
    """The kernel that is applied is the mask times the normalized kernel, not the reverse."""
    chosen = compose(model={"widths": [200]}, normalization="weight", regularization="dropconnect")
    network = chosen.network()
    params, state = start(network, jax.random.key(0), (1,))
    params["hidden_1"]["dense"]["kernel"] *= 7
    gain = np.asarray(params["hidden_1"]["dense"]["normalization"]["gain"])
    params["logits"] = {"kernel": jnp.eye(200), "bias": jnp.zeros(200)}
    outputs = jax.jit(lambda x: network.apply(params, state, x, True)[0])(jnp.ones((1, 1)))
    (kept,) = np.nonzero(np.asarray(outputs[0]))
    assert 20 < len(kept) < 80, "half of those that ReLU leaves"
    np.testing.assert_allclose(outputs[0, kept], 2 * gain[kept], rtol=1e-5)


def test_monte_carlo_dropout_averages_the_probabilities_of_networks_with_masks(
    tiny: Dataset,
) -> None:
    """Against a loop, with the statistics of an evaluation."""
    chosen = {"name": "dropout", "rate": 0.4, "input_rate": 0.3, "evaluation_samples": 3}
    experiment = compose(
        model={"widths": [6]},
        normalization={"name": "batch", "momentum": 0.5},
        regularization=[chosen, {"name": "dropconnect"}],
        batch_size={"size": 9},
    )
    engine = Engine(experiment, tiny)
    params, layers = engine.state.params, engine.state.layers
    moving = {"mean": RANDOM.normal(size=6), "variance": RANDOM.uniform(0.5, 2, 6)}
    layers["hidden_1"]["normalization"] = jax.tree.map(jnp.asarray, moving)
    measure = jax.jit(
        lambda layers: evaluate(engine.setup, engine.state._replace(layers=layers), 0)[0]
    )
    measured = measure(layers)

    # The masks of dropout, without those of dropconnect, which asks for no samples.
    network = compose(model={"widths": [6]}, regularization=chosen, normalization="none").network()
    scale = params["hidden_1"]["normalization"]["gain"] / np.sqrt(moving["variance"] + 1e-5)
    shift = params["hidden_1"]["normalization"]["shift"] - moving["mean"] * scale
    folded = {
        "hidden_1": {
            "dense": {"kernel": params["hidden_1"]["dense"]["kernel"] * scale, "bias": shift}
        },
        "logits": params["logits"],
    }
    state = {"inputs": layers["inputs"], "hidden_1": {"regularization": {}}}
    state["hidden_1"]["regularization"]["layer_1"] = layers["hidden_1"]["regularization"]["layer_1"]
    inputs = engine.arrays.held_out_inputs[0] / 16.0
    shares = []
    for _ in range(3):
        logits, state = network.apply(folded, state, inputs, True)
        shares.append(softmax(np.asarray(logits, float), axis=1))
    share = np.mean(shares, axis=0)
    targets = tiny.validation.targets
    rows = np.arange(len(targets))
    loss = -np.log(share[rows, targets]).mean()
    assert float(measured["validation_loss"]) == pytest.approx(loss, rel=1e-4)
    wrong = share[rows].argmax(1) != targets
    assert float(measured["validation_error"]) == pytest.approx(wrong.mean(), abs=1e-6)
    one = -np.log(shares[0][rows, targets]).mean()
    assert abs(one - loss) > 1e-2 * loss, "one network is not their mean"
    assert float(measure(layers)["validation_loss"]) == float(measured["validation_loss"])
