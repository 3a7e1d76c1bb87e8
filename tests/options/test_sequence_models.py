"""LSTM, GRU and transformer against NumPy written from the papers, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from conftest import compose

from runner.errors import ConfigError
from runner.experiment.pairing import cautions
from runner.options.layer import Layer
from runner.options.signals import nudged

RANDOM = np.random.default_rng(4)
SEQUENCES = RANDOM.normal(size=(2, 4, 3))  # two examples of 4 steps of 3 numbers
CLASSES = 2


def network_of(each_step: bool, normalization: Any = "none", **model: Any) -> Layer:
    """A network of sequences that is watched, without a data set around it."""
    experiment = compose(model=model, activation="tanh", normalization=normalization)
    chosen = experiment.layer_options()._replace(each_step=each_step, watched=True)
    return experiment.model.network(chosen, CLASSES)


def check(
    network: Layer, reference: Callable[[dict, np.ndarray], np.ndarray], **carried: int
) -> None:
    """The outputs are those of the reference, and the gradient of a sum of them its differences.

    With `carried` numbers in the state of a layer, what is added to its states counts as parameter.
    """
    start, _, shape = network.init(jax.random.key(0), SEQUENCES.shape[1:])
    params = jax.tree.map(lambda leaf: RANDOM.normal(size=leaf.shape), start)
    batch, steps, _ = SEQUENCES.shape
    for layer, size in carried.items():
        params[layer]["nudges"] = RANDOM.normal(size=(steps, batch, size))
    expected = reference(params, SEQUENCES)
    assert shape == expected.shape[1:]
    weights = RANDOM.normal(size=expected.shape)
    with jax.enable_x64(True):

        def value(params: dict) -> tuple[jax.Array, jax.Array]:
            state = nudged({}, {(layer,): params[layer]["nudges"] for layer in carried})
            outputs = network.apply(params, state, SEQUENCES, True)[0]
            return (outputs * weights).sum(), outputs

        gradient, outputs = jax.jit(jax.grad(value, has_aux=True))(params)
    np.testing.assert_allclose(outputs, expected, rtol=1e-6)
    for path, array in jax.tree_util.tree_leaves_with_path(params):
        found = np.asarray(dict(jax.tree_util.tree_leaves_with_path(gradient))[path])
        differences = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            values = []
            for change in (1e-5, -1e-5):
                array[place] += change
                values.append((reference(params, SEQUENCES) * weights).sum())
                array[place] -= change
            differences[place] = (values[0] - values[1]) / 2e-5
        np.testing.assert_allclose(found, differences, rtol=1e-4, atol=1e-6, err_msg=str(path))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def normal(params: dict, x: np.ndarray) -> np.ndarray:
    away = x - x.mean(-1, keepdims=True)
    scaled = away / np.sqrt((away**2).mean(-1, keepdims=True) + 1e-5)
    return scaled * params["gain"] + params["shift"]


def affine(params: dict, x: np.ndarray) -> np.ndarray:
    return x @ params["kernel"] + params["bias"]


def lstm(cell: dict, sequence: np.ndarray, forget_bias: float) -> np.ndarray:
    """Gers et al. 2000, equations 2 to 6 without a peephole; all states."""
    kernel = cell["recurrent"]["kernel"]
    h = c = np.zeros((len(sequence), len(kernel)))
    states = []
    for t in range(sequence.shape[1]):
        sums = np.split(affine(cell["input"], sequence[:, t]) + h @ kernel, 4, axis=1)
        names = ("normalization_input", "normalization_forget", "normalization")
        for k, name in enumerate((*names, "normalization_output")):
            sums[k] = normal(cell[name], sums[k]) if name in cell else sums[k]
        i, f, g, o = sums
        c = sigmoid(f + forget_bias) * c + sigmoid(i) * np.tanh(g)
        h, c = np.split(np.hstack((sigmoid(o) * np.tanh(c), c)) + cell["nudges"][t], 2, axis=1)
        states.append(h)
    return np.stack(states, axis=1)


def gru(cell: dict, sequence: np.ndarray) -> np.ndarray:
    """Cho et al. 2014, equations 5 to 8, with the reset gate after the product; all states."""
    kernel = cell["recurrent"]["kernel"]
    h = np.zeros((len(sequence), len(kernel)))
    states = []
    for t in range(sequence.shape[1]):
        xr, xz, xn = np.split(affine(cell["input"], sequence[:, t]), 3, axis=1)
        hr, hz, hn = np.split(h @ kernel, 3, axis=1)
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        h = z * h + (1 - z) * np.tanh(xn + r * hn) + cell["nudges"][t]
        states.append(h)
    return np.stack(states, axis=1)


def test_lstm_is_numpys() -> None:
    """Two layers with a normalization of each gate, logits at each step."""

    def reference(params: dict, sequence: np.ndarray) -> np.ndarray:
        below = lstm(params["recurrent"], sequence, 0.7)
        return affine(params["logits"], lstm(params["recurrent_2"], below, 0.7))

    numbers = {"widths": [3], "depth": 2, "forget_bias": 0.7}
    network = network_of(True, "layer", name="lstm", **numbers)
    check(network, reference, recurrent=6, recurrent_2=6)


def test_gru_is_numpys() -> None:
    """Two layers of different sizes, logits of the last state."""

    def reference(params: dict, sequence: np.ndarray) -> np.ndarray:
        below = gru(params["recurrent"], sequence)
        return affine(params["logits"], gru(params["recurrent_2"], below)[:, -1])

    network = network_of(False, name="gru", widths=[3, 2])
    check(network, reference, recurrent=3, recurrent_2=2)


def attention(params: dict, x: np.ndarray, heads: int) -> np.ndarray:
    """Vaswani et al. 2017, equation 1 and section 3.2.2; a step sees none after it."""
    outputs = np.zeros_like(x)
    size = x.shape[2] // heads
    for example, own in enumerate(x):
        q, k, v = np.split(affine(params["input"], own), 3, axis=1)
        for t in range(len(own)):
            for head in range(heads):
                part = slice(head * size, (head + 1) * size)
                scores = np.exp(k[: t + 1, part] @ q[t, part] / np.sqrt(size))
                outputs[example, t, part] = scores @ v[: t + 1, part] / scores.sum()
    return affine(params["output"], outputs)


def transformer(params: dict, sequence: np.ndarray, norm: str) -> np.ndarray:
    steps, width = sequence.shape[1], 4
    x = affine(params["embedding"], sequence)
    for t in range(steps):
        for i in range(0, width, 2):
            angle = t / 10_000 ** (i / width)
            x[:, t, i : i + 2] += 0.5 * np.array([np.sin(angle), np.cos(angle)])

    def feed_forward(own: dict, x: np.ndarray) -> np.ndarray:
        return affine(own["output"], np.tanh(affine(own["hidden"], x)))

    parts = {"attention": lambda own, x: attention(own["attention"], x, 2)}
    parts["feed_forward"] = feed_forward
    for block in sorted(name for name in params if name.startswith("block")):
        for name, part in parts.items():
            own = params[block][name]
            if norm == "pre":
                x = x + part(own, normal(own["normalization"], x))
            else:
                x = normal(own["normalization"], x + part(own["sum"], x))
    return normal(params["normalization"], x) if norm == "pre" else x


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_transformer_is_numpys(norm: str) -> None:
    """Two blocks with logits at each step; a block of post-norm with those of the last step."""
    each_step = norm == "pre"
    depth = 2 if norm == "pre" else 1

    def reference(params: dict, sequence: np.ndarray) -> np.ndarray:
        logits = affine(params["logits"], transformer(params, sequence, norm))
        return logits if each_step else logits[:, -1]

    numbers = {"width": 4, "heads": 2, "expansion": 1, "norm": norm, "position_scale": 0.5}
    network = network_of(each_step, "layer", name="transformer", depth=depth, **numbers)
    check(network, reference)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_each_gate_starts_as_a_rotation(name: str) -> None:
    network = network_of(False, name=name, widths=[4])
    start = jax.jit(lambda key: network.init(key, (4, 3))[0])(jax.random.key(1))
    kernel = np.asarray(start["recurrent"]["recurrent"]["kernel"])
    gates = np.split(kernel, kernel.shape[1] // 4, axis=1)
    for gate in gates:
        np.testing.assert_allclose(gate @ gate.T, np.eye(4), atol=1e-5)
    assert not np.allclose(gates[0], gates[1])


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        (
            {"model": {"name": "transformer", "heads": 5}},
            "model.heads.*5 heads do not divide width 64; use 4",
        ),
        ({"model": {"name": "lstm", "widths": []}}, "model.widths.* is empty"),
        ({"model": "lstm", "normalization": "batch"}, "use normalization=layer or none"),
        ({"model": "transformer", "normalization": "batch"}, "a step see those after it"),
        ({"model": "transformer", "normalization": "instance"}, "no convolutions"),
        (
            {
                "model": "transformer",
                "normalization": {"name": "layer", "position": "after_activation"},
            },
            "model.norm.*normalization.position=before_activation",
        ),
        ({"model": "mlp", "data": "text"}, "model.*target at each step.*use model=rnn, lstm"),
    ],
)
def test_what_does_not_fit_is_refused(choices: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        compose(**choices)


def test_what_a_model_lacks_is_said() -> None:
    def said(**choices: Any) -> list[str]:
        return [key for key, _ in cautions(compose(**choices))]

    assert said(model="lstm") == said(model="gru") == ["activation"]
    assert said(model="lstm", activation="tanh") == said(model="rnn") == []
    assert said(model="transformer") == ["normalization"]
    assert said(model="transformer", normalization="rms") == []
