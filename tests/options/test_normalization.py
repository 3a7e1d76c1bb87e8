"""Normalizations against NumPy and, for the gradient, against finite differences."""

from __future__ import annotations

import itertools
from typing import Any

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

RANDOM = np.random.default_rng(5)
DENSE = RANDOM.normal(2, 3, (6, 4))
IMAGES = RANDOM.normal(-1, 2, (3, 5, 5, 4))
GAIN, SHIFT = RANDOM.normal(size=4), RANDOM.normal(size=4)


CNN = {"name": "cnn", "channels": [4], "widths": [4]}


def layer_of(name: str, shape: tuple[int, ...], **numbers: Any) -> tuple:
    """A normalization, a gain and a shift, and its initial state."""
    layer = compose(model=CNN, normalization={"name": name, **numbers}).normalization.layer()
    params, state, out = layer.init(jax.random.key(0), shape)
    assert out == shape
    for key, start, value in (("gain", 1, GAIN), ("shift", 0, SHIFT)):
        if key in params:
            np.testing.assert_array_equal(params[key], np.full(4, start))
            params[key] = jnp.asarray(value)
    return layer, params, state


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


GROUPS = {
    "layer": [[0, 1, 2, 3]],
    "group": [[0, 1], [2, 3]],
    "instance": [[0], [1], [2], [3]],
    "rms": [[0, 1, 2, 3]],
}
"""Which units or channels share their statistics, over all positions of an example."""


@pytest.mark.parametrize(
    ("name", "inputs"),
    [(name, inputs) for name in GROUPS for inputs in (DENSE, IMAGES)],
    ids=[f"{name}-{kind}" for name in GROUPS for kind in ("dense", "convolution")],
)
def test_statistics_of_examples(name: str, inputs: np.ndarray) -> None:
    numbers = {"groups": 2} if name == "group" else {}
    with jax.enable_x64(True):
        layer, params, state = layer_of(name, inputs.shape[1:], epsilon=1e-3, **numbers)
        expected = np.empty_like(inputs)
        for example, units in itertools.product(range(len(inputs)), GROUPS[name]):
            x = inputs[example][..., units]
            centred = x if name == "rms" else x - x.mean()
            expected[example][..., units] = centred / np.sqrt((centred**2).mean() + 1e-3)
        expected = expected * GAIN + (0 if name == "rms" else SHIFT)
        if name == "instance" and inputs is DENSE:
            assert params == {}
            expected = DENSE  # without positions there is nothing to normalize over
        for training in (True, False):
            outputs, new = layer.apply(params, state, jnp.asarray(inputs), training)
            np.testing.assert_allclose(outputs, expected, rtol=1e-10)
            assert new == {}


@pytest.mark.parametrize("shape", [(5, 4), (3, 2, 5, 4)], ids=["dense", "convolution"])
def test_weight_normalization_is_of_the_incoming_weights(shape: tuple[int, ...]) -> None:
    """The start is that of the initializer; then W = gain * v / ||v||, whatever the length of v."""
    v = RANDOM.normal(size=shape)
    lengths = np.sqrt((v.reshape(-1, 4) ** 2).sum(0))
    with jax.enable_x64(True):
        mapping = compose(normalization="weight").normalization.kernel_map()
        params, state = mapping.init(jax.random.key(0), jnp.asarray(v))
        np.testing.assert_allclose(params["gain"], lengths, rtol=1e-12)
        np.testing.assert_allclose(mapping.apply(params, state, v, True)[0], v, rtol=1e-12)

        for kernel in (v, 1000 * v):
            applied, _ = mapping.apply({"gain": jnp.asarray(GAIN)}, state, kernel, True)
            np.testing.assert_allclose(applied, GAIN * v / lengths, rtol=1e-12)
        # Salimans & Kingma 2016, eq. 3.
        weights = RANDOM.normal(size=shape)
        gradients = jax.jit(
            jax.grad(
                lambda params, v: jnp.sum(weights * mapping.apply(params, state, v, True)[0]),
                (0, 1),
            )
        )({"gain": jnp.asarray(GAIN)}, jnp.asarray(v))
        of_gain = (weights * v).reshape(-1, 4).sum(0) / lengths
        np.testing.assert_allclose(gradients[0]["gain"], of_gain, rtol=1e-10)
        expected = GAIN / lengths * weights - GAIN * of_gain / lengths**2 * v
        np.testing.assert_allclose(gradients[1], expected, rtol=1e-9, atol=1e-12)


def test_weight_normalization_of_zeros_has_a_gradient() -> None:
    mapping = compose(normalization="weight").normalization.kernel_map()
    zeros = jnp.zeros((3, 2))
    params, state = mapping.init(jax.random.key(0), zeros)
    total = jax.grad(lambda p, v: mapping.apply(p, state, v, True)[0].sum(), (0, 1))
    of_all = jax.jit(total)(params, zeros)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(of_all))


@pytest.mark.parametrize("name", ["batch", "group", "rms"])
def test_gradients_flow_through_the_statistics(name: str) -> None:
    with jax.enable_x64(True):
        numbers = {"groups": 2} if name == "group" else {}
        layer, params, state = layer_of(name, (4,), **numbers)
        weights = jnp.asarray(RANDOM.normal(size=DENSE.shape))

        @jax.jit
        def loss(inputs: jax.Array) -> jax.Array:
            return jnp.sum(weights * layer.apply(params, state, inputs, True)[0])

        got = jax.grad(loss)(jnp.asarray(DENSE))
        for index in [(0, 0), (2, 3), (5, 1)]:
            nudge = np.zeros_like(DENSE)
            nudge[index] = 1e-6
            slope = (loss(jnp.asarray(DENSE + nudge)) - loss(jnp.asarray(DENSE - nudge))) / 2e-6
            np.testing.assert_allclose(got[index], slope, rtol=1e-5, atol=1e-8)


def params_of(experiment: Experiment) -> dict:
    """The shapes of the parameters."""
    network = experiment.network()
    return jax.eval_shape(lambda key: network.init(key, (8, 8, 1))[0], jax.random.key(0))


AFTER = {"position": "after_activation"}
NORMALIZED = {"gain", "shift"}


@pytest.mark.parametrize(
    ("normalization", "convolution", "dense"),
    [
        ("none", ({"kernel", "bias"}, None), ({"kernel", "bias"}, None)),
        # What subtracts the mean of each unit takes the place of the bias.
        ("batch", ({"kernel"}, NORMALIZED), ({"kernel"}, NORMALIZED)),
        (
            {"name": "batch", **AFTER},
            ({"kernel", "bias"}, NORMALIZED),
            ({"kernel", "bias"}, NORMALIZED),
        ),
        ("layer", ({"kernel", "bias"}, NORMALIZED), ({"kernel", "bias"}, NORMALIZED)),
        ("instance", ({"kernel"}, NORMALIZED), ({"kernel", "bias"}, None)),
        ("rms", ({"kernel", "bias"}, {"gain"}), ({"kernel", "bias"}, {"gain"})),
        (
            "weight",
            ({"kernel", "bias", "normalization"}, None),
            ({"kernel", "bias", "normalization"}, None),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_which_parameters_a_layer_has(normalization: Any, convolution: tuple, dense: tuple) -> None:
    params = params_of(compose(model=CNN, normalization=normalization))
    for layer, affine, (weights, normalized) in (
        ("convolution_1", "convolution", convolution),
        ("hidden_1", "dense", dense),
    ):
        assert set(params[layer][affine]) == weights
        assert set(params[layer].get("normalization", {})) == (normalized or set())
    assert set(params["logits"]) == {"kernel", "bias"}
    for path, array in jax.tree_util.tree_leaves_with_path(params):
        if path[-1].key in NORMALIZED:
            assert array.shape == (4,), "one for each unit or channel"


@pytest.mark.parametrize("position", ["before_activation", "after_activation"])
def test_normalization_is_before_or_after_the_activation(position: str) -> None:
    experiment = compose(
        model={"widths": [4]},
        normalization={"name": "layer", "position": position},
        activation="tanh",
    )
    network = experiment.network()
    params, state, _ = network.init(jax.random.key(0), (5,))
    inputs = RANDOM.normal(size=(2, 5))
    outputs, _ = network.apply(params, state, jnp.asarray(inputs), True)

    def normal(x: np.ndarray) -> np.ndarray:
        return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)

    hidden = inputs @ np.asarray(params["hidden_1"]["dense"]["kernel"])
    hidden = np.tanh(normal(hidden)) if position == "before_activation" else normal(np.tanh(hidden))
    expected = hidden @ np.asarray(params["logits"]["kernel"])
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["none", "batch", "layer", "group", "instance", "rms", "weight"])
def test_what_is_normalized_does_not_depend_on_the_scale_of_the_weights(name: str) -> None:
    """The reason for most of them: a poor scale at the start is repaired, layer by layer."""
    small = compose(model=CNN | {"channels": [16], "widths": []}, normalization=name).network()
    params, state, _ = small.init(jax.random.key(0), (8, 8, 1))
    images = jnp.asarray(RANDOM.normal(size=(5, 8, 8, 1)), float)
    apply = jax.jit(lambda params: small.apply(params, state, images, True)[0])
    usual = apply(params)
    params["convolution_1"]["convolution"]["kernel"] *= 50
    scaled = apply(params)
    change = np.abs(scaled - usual).max() / np.abs(usual).max()
    assert (change < 1e-3) == (name != "none"), change


def by_hand(params: dict, inputs: np.ndarray, name: str, epsilon: float) -> np.ndarray:
    """What the last hidden layer of a perceptron of ReLUs gives, in double precision."""
    h = inputs
    for layer in (params[f"hidden_{i}"] for i in range(1, 5)):
        h = h @ np.asarray(layer["dense"]["kernel"], float) + layer["dense"].get("bias", 0.0)
        if name in ("batch", "layer", "rms"):
            axis = 0 if name == "batch" else 1
            h = h - (0 if name == "rms" else h.mean(axis, keepdims=True))
            h = h / np.sqrt((h**2).mean(axis, keepdims=True) + epsilon)
        h = np.maximum(h, 0)
    return h


@pytest.mark.parametrize("name", ["none", "weight", "batch", "layer", "rms"])
def test_the_start_of_a_normalized_network_is_the_same_at_all_scales(name: str) -> None:
    """`experiment=scale_invariance`: the loss, the gradient, and what a first step does.

    The gradient for weights w whose length has no effect is proportional to 1 / ||w||, and
    orthogonal to w (van Laarhoven 2017; Arora et al. 2018, lemma 2.1).
    """
    train = compose().data.load().train
    inputs = np.asarray(train.inputs[:128], float).reshape(128, -1) / 16
    targets = train.targets[:128]

    @jax.jit
    def loss_and_gradient(experiment: Experiment, params: dict) -> tuple:
        network = experiment.network()
        state = network.init(jax.random.key(0), (64,))[1]

        def loss(params: dict) -> jax.Array:
            outputs, _ = network.apply(params, state, jnp.asarray(inputs, jnp.float32), True)
            return experiment.losses_and_errors(outputs, targets)[0].mean()

        return jax.value_and_grad(loss)(params)

    losses, gradients, starts = {}, {}, {}
    is_scale_free = name in ("batch", "layer", "rms")
    for scale, epsilon in ((0.01, 1e-12), (1.0, 1e-12), (10.0, 1e-12), (0.01, 1e-5)):
        numbers = {"epsilon": epsilon} if is_scale_free else {}
        experiment = compose(
            model={"depth": 4},
            normalization={"name": name, **numbers},
            initializer={"name": "he_normal", "scale": [scale] * 4 + [1]},
        )
        params = starts[scale, epsilon] = experiment.network().init(jax.random.key(0), (64,))[0]
        found = loss_and_gradient(leaves_as_arrays(experiment), params)
        losses[scale, epsilon], gradients[scale, epsilon] = float(found[0]), found[1]
        logits = by_hand(params, inputs, name, epsilon) @ np.asarray(params["logits"]["kernel"])
        log_sums = np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1)
        expected = (log_sums - logits[np.arange(128), targets]).mean()
        assert losses[scale, epsilon] == pytest.approx(expected, rel=1e-4)
    small, usual, large = (losses[scale, 1e-12] for scale in (0.01, 1.0, 10.0))
    if not is_scale_free:  # the logits are proportional to the fourth power of the scale
        assert small == pytest.approx(np.log(10), rel=1e-6)
        assert large > 1000 * usual
        return
    assert small == pytest.approx(usual, rel=1e-5)
    assert large == pytest.approx(usual, rel=1e-5)
    assert abs(losses[0.01, 1e-5] - usual) > 1e-3 * usual, (
        "epsilon is not small beside the variance"
    )
    for layer in (f"hidden_{i}" for i in range(1, 5)):
        own = {key: np.asarray(g[layer]["dense"]["kernel"]) for key, g in gradients.items()}
        np.testing.assert_allclose(0.01 * own[0.01, 1e-12], own[1.0, 1e-12], rtol=1e-2, atol=1e-5)
        w = np.asarray(starts[1.0, 1e-12][layer]["dense"]["kernel"])
        lengths = np.linalg.norm(w) * np.linalg.norm(own[1.0, 1e-12])
        assert abs((w * own[1.0, 1e-12]).sum()) < 1e-4 * lengths
        step = 0.1 * np.linalg.norm(own[0.01, 1e-12]) / np.linalg.norm(0.01 * w)
        assert 50 < step < 200, "the first step of SGD, beside the weights"
    before = starts[0.01, 1e-12]
    after = jax.tree.map(lambda p, g: p - 0.1 * g, before, gradients[0.01, 1e-12])
    alike = [mean_cosine(by_hand(params, inputs, name, 1e-12)) for params in (before, after)]
    assert alike[0] < 0.9
    # Only batch normalization subtracts what the examples share.
    assert (alike[1] > 0.995) == (name != "batch"), alike


def mean_cosine(features: np.ndarray) -> float:
    """The mean over all pairs of examples of the cosine between their features."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    return float((unit @ unit.T).mean())


def test_batches_of_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2 examples"):
        compose(normalization="batch", batch_size="stochastic")


@pytest.mark.parametrize(
    ("model", "normalization", "message"),
    [
        (
            {"widths": [24, 16]},
            {"name": "group", "groups": 12},
            "normalization.groups does not fit the run: the 16 units cannot be divided into groups "
            "of equal size; use normalization.groups=4",
        ),
        (
            {"widths": [16]},
            {"name": "group", "groups": 16},
            "the 16 units of a dense layer would be groups of one number, whose variance is 0; "
            "use normalization.groups=4",
        ),
        (
            {"name": "rnn", "widths": [7]},
            {"name": "group", "groups": 2},
            "the 7 units cannot be divided into groups of equal size; use normalization.groups=1",
        ),
        ({"widths": [16]}, "instance", "normalization does not fit the run: instance normaliz"),
        ("rnn", "instance", "the model has no convolutions"),
    ],
)
def test_what_cannot_be_normalized_is_refused(model: Any, normalization: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compose(model=model, normalization=normalization)
    assert message in str(caught.value)
    convolutions = {"name": "cnn", "channels": [16], "widths": []}
    compose(model=convolutions, normalization={"name": "group", "groups": 16})


@pytest.mark.parametrize(("units", "said"), [(16, True), (24, False)])
def test_groups_of_two_units_are_said_to_be_signs(units: int, said: bool) -> None:
    """Of two units normalization leaves the order alone: -1 and 1, with a gradient near 0."""
    experiment = compose(model={"widths": [units]}, normalization={"name": "group", "groups": 8})
    chosen = experiment.normalization
    assert bool(list(chosen.cautions(experiment.facts()))) == said
    inputs = np.random.default_rng(1).normal(size=(50, units))
    normal = np.abs(chosen.normalized(jnp.asarray(inputs)))
    assert (np.quantile(normal, 0.05) > 0.99) == said


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
