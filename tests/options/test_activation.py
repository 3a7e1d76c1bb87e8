"""Activations and their gradients against the published formulas, in NumPy with float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose
from scipy import special, stats

from runner.experiment.table import OPTIONS
from runner.options.activation.base import Elementwise
from runner.options.parameters import is_weight
from runner.options.signals import signals_of, watched

# Both sides of every kink, the kinks themselves, and numbers that overflow in a careless formula.
NEAR = np.concatenate([np.linspace(-7, 7, 57), [-3, -2.5, 0, 1, 2.5, 3, 6]])
FAR = np.array([30, 100, 1e4, 1e15, 1e30])
X = np.concatenate([-FAR[::-1], NEAR, FAR]).astype(np.float32)

Rule = tuple[Callable[[np.ndarray], Any], Callable[[np.ndarray], Any]]


def sigmoid_slope(x: np.ndarray) -> np.ndarray:
    return special.expit(x) * special.expit(-x)


def leaky(slope: float) -> Rule:
    return lambda x: np.where(x > 0, x, slope * x), lambda x: np.where(x > 0, 1, slope)


def elu(alpha: float, scale: float = 1.0) -> Rule:
    return (
        lambda x: scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
        lambda x: scale * np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0))),
    )


def hard_sigmoid(slope: float) -> Rule:
    inside = lambda x: abs(x) < 0.5 / slope  # noqa: E731
    return lambda x: np.clip(slope * x + 0.5, 0, 1), lambda x: np.where(inside(x), slope, 0)


def silu(beta: float) -> Rule:
    return (
        lambda x: x * special.expit(beta * x),
        lambda x: special.expit(beta * x) + beta * x * sigmoid_slope(beta * x),
    )


def softplus(beta: float) -> Rule:
    return lambda x: np.logaddexp(0, beta * x) / beta, lambda x: special.expit(beta * x)


def gelu_tanh() -> Rule:
    factor = np.sqrt(2 / np.pi)

    def tanh(x: np.ndarray) -> np.ndarray:
        return np.tanh(factor * (x + 0.044715 * x**3))

    def slope(x: np.ndarray) -> np.ndarray:
        near = np.clip(x, -20, 20)
        inner = factor * (1 + 3 * 0.044715 * near**2)
        return (1 + tanh(near)) / 2 + near / 2 * (1 - tanh(near) ** 2) * inner

    return lambda x: x / 2 * (1 + tanh(x)), slope


def mish_slope(x: np.ndarray) -> np.ndarray:
    tanh = np.tanh(np.logaddexp(0, x))
    near = np.clip(x, -50, 50)
    return tanh + near * (1 - np.tanh(np.logaddexp(0, near)) ** 2) * special.expit(near)


RULES: dict[str, tuple[dict[str, Any], Rule]] = {
    "relu": ({}, (lambda x: np.maximum(x, 0), lambda x: x > 0)),
    "relu6": ({}, (lambda x: np.clip(x, 0, 6), lambda x: (x > 0) & (x < 6))),
    "leaky_relu": ({}, leaky(0.01)),
    "leaky_relu steep": ({"slope": 0.3}, leaky(0.3)),
    "threshold_relu": ({}, (lambda x: np.where(x > 1, x, 0), lambda x: x > 1)),
    "elu": ({}, elu(1.0)),
    "elu small": ({"alpha": 0.5}, elu(0.5)),
    "selu": ({}, elu(1.6732632423543772, 1.0507009873554805)),
    "gelu": (
        {},
        (lambda x: x * special.ndtr(x), lambda x: special.ndtr(x) + x * stats.norm.pdf(x)),
    ),
    "gelu tanh": ({"form": "tanh"}, gelu_tanh()),
    "silu": ({}, silu(1.0)),
    "silu steep": ({"beta": 3.0}, silu(3.0)),
    "mish": ({}, (lambda x: x * np.tanh(np.logaddexp(0, x)), mish_slope)),
    "softplus": ({}, softplus(1.0)),
    "softplus sharp": ({"beta": 4.0}, softplus(4.0)),
    "tanh": ({}, (np.tanh, lambda x: 1 / np.cosh(np.clip(x, -300, 300)) ** 2)),
    "softsign": ({}, (lambda x: x / (1 + abs(x)), lambda x: (1 + abs(x)) ** -2)),
    "sigmoid": ({}, (special.expit, sigmoid_slope)),
    "hard_sigmoid": ({}, hard_sigmoid(1 / 6)),
    "hard_sigmoid of Keras 2": ({"slope": 0.2}, hard_sigmoid(0.2)),
    "linear": ({}, (lambda x: x, np.ones_like)),
}


def activation(case: str) -> Elementwise:
    return compose(activation={"name": case.partition(" ")[0], **RULES[case][0]}).activation


@pytest.fixture(scope="module")
def computed() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The values and the slopes of every activation at `X` and NaN, as one program."""
    functions = {case: activation(case) for case in RULES}

    def all_of_them(x: jax.Array) -> dict[str, tuple[jax.Array, jax.Array]]:
        # The Jacobian of an elementwise function is diagonal.
        return {
            case: jax.jvp(function, (x,), (jnp.ones_like(x),))
            for case, function in functions.items()
        }

    points = np.append(X, np.float32(np.nan))
    return jax.device_get(jax.jit(all_of_them)(points))


@pytest.mark.parametrize("case", RULES)
def test_values_and_slopes_are_the_formulas(
    case: str, computed: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    values, slopes = computed[case]
    value, slope = RULES[case][1]
    x = X.astype(float)
    with np.errstate(under="ignore", over="ignore"):
        np.testing.assert_allclose(values[:-1], value(x), rtol=2e-6, atol=2e-6)
        np.testing.assert_allclose(slopes[:-1], slope(x), rtol=2e-6, atol=1e-5)
    assert np.isnan(values[-1]), "a run that diverged must not look sound"


def test_every_activation_is_here() -> None:
    assert {case.partition(" ")[0] for case in RULES} | {"prelu"} == set(OPTIONS["activation"])


def test_what_the_documentation_says_of_gelu_and_silu() -> None:
    x = np.linspace(-10, 10, 20001)
    exact, approximate = RULES["gelu"][1][0], gelu_tanh()[0]
    assert 4e-4 < abs(exact(x) - approximate(x)).max() < 5e-4
    assert silu(2.0)[0](x).min() == pytest.approx(-0.28 / 2, abs=2e-3)


@pytest.mark.parametrize(("per", "count"), [("unit", 3), ("layer", 1)])
@pytest.mark.parametrize("positions", [(), (4, 5)])
def test_prelu_learns_a_slope_for_each_unit_or_one_a_layer(
    per: str, count: int, positions: tuple[int, ...]
) -> None:
    layer = compose(activation={"name": "prelu", "per": per, "slope": 0.2}).activation.layer()
    params, state, shape = layer.init(jax.random.key(0), (*positions, 3))
    assert (state, shape) == ({}, (*positions, 3))
    np.testing.assert_allclose(params["slope"], np.full(count, np.float32(0.2)))
    inputs = np.random.default_rng(0).normal(size=(6, *positions, 3)).astype(np.float32)
    slopes = np.array([-0.5, 0.25, 2.0], np.float32)[-count:]

    def total(slopes: jax.Array) -> tuple[jax.Array, jax.Array]:
        outputs, _ = layer.apply({"slope": slopes}, {}, inputs, True)
        return outputs.sum(), outputs

    (_, outputs), to_slopes = jax.value_and_grad(total, has_aux=True)(slopes)
    np.testing.assert_allclose(outputs, np.where(inputs > 0, inputs, slopes * inputs), rtol=1e-6)
    negative = np.minimum(inputs, 0).reshape(-1, 3).sum(0)
    expected = negative if per == "unit" else [negative.sum()]
    np.testing.assert_allclose(to_slopes, expected, rtol=1e-5)


def test_the_slopes_of_prelu_are_at_home_in_every_model_and_do_not_decay() -> None:
    for model, where, count in [
        ({"name": "mlp", "widths": [7]}, ("hidden_1",), 7),
        ({"name": "cnn", "channels": [3], "widths": [4]}, ("convolution_1",), 3),
        ({"name": "rnn", "widths": [6]}, ("recurrent",), 6),
    ]:
        network = compose(model=model, activation="prelu").network()
        shapes = jax.eval_shape(lambda network=network: network.init(jax.random.key(0), (8, 8, 1)))
        node = shapes[0]
        path = (*where, "activation", "slope")
        for key in path:
            node = node[key]
        assert node.shape == (count,)
        assert not is_weight(path)


@pytest.mark.parametrize("name", OPTIONS["activation"])
def test_the_largest_slope_is_that_by_which_saturation_is_measured(name: str) -> None:
    chosen = compose(activation=name).activation
    layer = chosen.layer()
    params, state, _ = layer.init(jax.random.key(0), (1,))
    x = np.linspace(-10, 10, 2001, dtype=np.float32)[:, None]
    _, after = watched(layer, chosen.steepest).apply(params, state, x, False)
    (signals,) = signals_of({"layer": after}).values()
    outputs = np.asarray(layer.apply(params, state, x, False)[0], float)
    np.testing.assert_allclose(signals.outputs, outputs, rtol=1e-6, atol=1e-7)
    slopes = np.abs(np.diff(outputs[:, 0])) / 0.01
    if name == "threshold_relu":  # which jumps
        return
    assert chosen.steepest == pytest.approx(slopes.max(), rel=0.15)
    saturated = signals.saturated[1:, 0] & signals.saturated[:-1, 0]  # at both ends
    assert slopes[saturated].max(initial=0) < 0.055 * chosen.steepest
    steep = ~(signals.saturated[1:, 0] | signals.saturated[:-1, 0])
    assert slopes[steep].min() > 0.045 * chosen.steepest
