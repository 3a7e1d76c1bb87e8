"""A network in bfloat16: products and activations are, all that is kept and recorded is float32."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from conftest import compose
from engine_alone import Engine, advance

from runner.data import Dataset
from runner.engine.step import batch_objective
from runner.errors import ConfigError
from runner.experiment.experiment import Experiment
from runner.options.normalization.batch import BatchNorm
from runner.options.normalization.example import LayerNorm

BFLOAT16 = {"precision": "bfloat16"}
EPSILON = 2.0**-8
"""The relative error of rounding to bfloat16 is at most half of it."""


def small(settings: dict[str, Any] | None = None, **choices: Any) -> Experiment:
    return compose(settings, **{"batch_size": {"size": 8}, "model": {"widths": [6]}, **choices})


def rounded(x: np.ndarray) -> np.ndarray:
    return x.astype(ml_dtypes.bfloat16).astype(np.float32)


def reference(params: dict, images: np.ndarray, targets: np.ndarray) -> tuple[float, dict]:
    """Loss and gradient in NumPy: float32 sums, every array between two operations in bfloat16."""
    hidden, logits = params["hidden_1"]["dense"], params["logits"]
    flat = rounded(images.reshape(len(images), -1))
    first, second = rounded(hidden["kernel"]), rounded(logits["kernel"])
    before = rounded(rounded(flat @ first) + rounded(hidden["bias"]))
    h = np.maximum(before, 0)
    z = rounded(rounded(h @ second) + rounded(logits["bias"]))
    log_p = (
        z
        - np.log(np.exp(z - z.max(1, keepdims=True)).sum(1, keepdims=True))
        - z.max(1, keepdims=True)
    )
    delta = np.exp(log_p)
    rows = np.arange(len(z))
    delta[rows, targets] -= 1
    delta = rounded(delta / len(z))
    back = rounded(delta @ second.T) * (before > 0)
    gradient = {
        "hidden_1": {"dense": {"kernel": rounded(flat.T @ back), "bias": rounded(back.sum(0))}},
        "logits": {"kernel": rounded(h.T @ delta), "bias": rounded(delta.sum(0))},
    }
    return -log_p[rows, targets].mean(), gradient


def test_loss_and_gradient_equal_numpy_in_bfloat16(tiny: Dataset) -> None:
    """Within two roundings of the largest number, since XLA sums biases in bfloat16."""
    rows = jnp.arange(8)
    found = {}
    for precision in ("bfloat16", "float32"):
        engine = Engine(small({"precision": precision}), tiny)
        objective = batch_objective(engine.setup, engine.state.layers, jnp.array(0), rows)
        found[precision] = jax.jit(objective.value_and_gradient)(engine.state.params)[0]
        params = jax.device_get(engine.state.params)
    low, high = tiny.train.inputs.min(), tiny.train.inputs.max()
    images = (tiny.train.inputs[:8] - low) / np.float32(high - low)
    loss, gradient = reference(params, images, tiny.train.targets[:8])

    assert found["bfloat16"].loss == pytest.approx(loss, rel=EPSILON / 32)
    assert found["float32"].loss != pytest.approx(loss, rel=EPSILON / 32)
    result = found["bfloat16"].gradient
    for x, y in zip(jax.tree.leaves(result), jax.tree.leaves(gradient), strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=2 * EPSILON * abs(y).max())
        np.testing.assert_array_equal(x, rounded(np.asarray(x)))
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {np.dtype("float32")}


def products(experiment: Experiment, data: Dataset) -> set[str]:
    """The types of all arguments of matrix products in the program that trains and evaluates."""
    engine = Engine(experiment, data)
    bounds = 0, 2, engine.setup.timeline
    text = advance.lower(engine.leaves, engine.arrays, engine.state, *bounds).as_text()
    lines = re.findall(r"stablehlo\.dot_general.*: \((.*)\) ->", text)
    assert len(lines) >= 5  # forward, gradients, evaluation
    return set(re.findall(r"x([a-z]+\d+)>", "".join(lines)))


CHOICES: dict[str, dict[str, Any]] = {
    "dense": {
        "normalization": "weight",
        "regularization": [{"name": "dropout", "input_rate": 0.1}, "label_smoothing"],
    },
    "recurrent": {
        "model": {"name": "rnn", "widths": [4]},
        "normalization": "layer",
        "activation": "tanh",
        "regularization": ["dropout", "variational_dropout", "dropconnect"],
    },
    "transformer": {
        "model": {"name": "transformer", "width": 4, "heads": 2, "depth": 1},
        "normalization": "layer",
    },
}


@pytest.mark.parametrize("choices", CHOICES.values(), ids=CHOICES)
def test_every_product_is_in_the_precision(choices: dict[str, Any], tiny: Dataset) -> None:
    assert products(small(BFLOAT16, **choices), tiny) == {"bf16"}
    assert products(small(**choices), tiny) == {"f32"}


def test_float32_converts_nothing() -> None:
    """The network of the default precision is the one without the setting."""
    network = small(regularization="dropout").network()
    params, state, _ = network.init(jax.random.key(0), (8, 8, 1))
    images = jnp.ones((3, 8, 8, 1))
    program = jax.make_jaxpr(lambda p, x: network.apply(p, state, x, False)[0])(params, images)
    assert "convert_element_type" not in str(program)


@pytest.mark.parametrize("normalization", [BatchNorm(), LayerNorm()], ids=["batch", "layer"])
def test_statistics_are_float32(normalization: BatchNorm | LayerNorm) -> None:
    """A mean of 100 with a deviation of 1 would lose the deviation in bfloat16."""
    random = np.random.default_rng(0)
    inputs = rounded(100 + random.normal(size=(64, 32)).astype(np.float32))
    params, state, _ = normalization.layer().init(jax.random.key(0), (32,))
    outputs, state = normalization.layer().apply(
        params, state, jnp.asarray(inputs, jnp.bfloat16), True
    )
    axis = 0 if normalization.over_batch else 1
    centred = inputs - inputs.mean(axis, keepdims=True, dtype=float)
    expected = centred / np.sqrt(inputs.var(axis, keepdims=True, dtype=float) + 1e-5)
    np.testing.assert_allclose(outputs, expected, atol=1e-4)
    assert {leaf.dtype for leaf in jax.tree.leaves(state)} <= {np.dtype("float32")}


def test_a_precision_is_structure() -> None:
    structures = {jax.tree.structure(small(settings)) for settings in ({}, BFLOAT16)}
    assert len(structures) == 2


@pytest.mark.parametrize(
    ("settings", "choices", "message"),
    [
        ({"precision": "float16"}, {}, "precision=float16 must be one of float32, bfloat16"),
        ({"precision": "bfloat"}, {}, "did you mean bfloat16?"),
        (BFLOAT16, {"optimizer": "lbfgs"}, "precision does not fit the run: the optimizer"),
        (
            BFLOAT16,
            {"optimizer": {"name": "sam", "base": "newton_cg"}},
            "precision does not fit the run: the optimizer",
        ),
        (BFLOAT16, {"data": "rosenbrock"}, "precision does not fit the run: the data"),
    ],
)
def test_what_cannot_be_done_is_refused(
    settings: dict[str, Any], choices: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        small(settings, **choices)
