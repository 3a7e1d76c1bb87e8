"""What `diagnostics=noise` measures, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose

from runner.engine.chunk import EPOCH_DTYPE
from runner.engine.diagnostics import diagnosed
from runner.engine.placement import place
from runner.engine.state import Arrays
from runner.engine.tables import named_rows
from runner.engine.train import initial_state
from runner.experiment.experiment import Experiment
from runner.options.diagnostics.noise import FEWEST_BATCHES

EXAMPLES, MEASURED = 260, 256  # a multiple of 16 is measured


@pytest.fixture(scope="module")
def chosen() -> Experiment:
    return compose(
        model="linear",
        diagnostics={"name": "noise", "examples": EXAMPLES},
        regularization={"name": "l2", "strength": 10.0},  # no part of it
    )


@pytest.fixture(scope="module")
def arrays(chosen: Experiment) -> Arrays:
    return place(chosen, chosen.data.load())


@pytest.fixture(scope="module")
def measure(chosen: Experiment, arrays: Arrays) -> Callable[..., list[np.ndarray]]:
    """`measure(arrays, first, second)`: the rows of two evaluations, at these parameters."""
    state = jax.jit(initial_state)(chosen, arrays)

    @jax.jit
    def tables(arrays: Arrays, *evaluated: Any) -> list[Any]:
        memories, found = state.memories, []
        for step, params in enumerate(evaluated):
            at = jnp.array(step), params, state.layers, jnp.zeros(())
            memories, of_evaluation = diagnosed(chosen, arrays, memories, *at)
            found.append(jax.tree.map(lambda x: x[None], of_evaluation))
        return found

    def measure(arrays: Arrays, *evaluated: Any) -> list[np.ndarray]:
        nowhere = np.zeros(1, EPOCH_DTYPE)
        named = [{"logits": params} for params in evaluated]
        return [named_rows(each, nowhere)["noise"] for each in tables(arrays, *named)]

    return measure


def gradients(params: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Those of the cross-entropy of each example, a row each."""
    logits = x @ params["kernel"] + params["bias"]
    shares = np.exp(logits - logits.max(1, keepdims=True))
    delta = shares / shares.sum(1, keepdims=True) - np.eye(shares.shape[1])[y]
    kernels = (x[:, :, None] * delta[:, None, :]).reshape(len(x), -1)
    return {"all": np.hstack([delta, kernels]), "logits/bias": delta, "logits/kernel": kernels}


def test_noise_is_measured_as_numpy_does(
    chosen: Experiment, arrays: Arrays, measure: Callable[..., list[np.ndarray]]
) -> None:
    data, random = chosen.data.load(), np.random.default_rng(0)
    x, y = data.train.inputs[:MEASURED].reshape(MEASURED, -1) / 16.0, data.train.targets[:MEASURED]
    evaluated = [
        {"kernel": random.normal(size=(64, 10)).astype("f4"), "bias": np.zeros(10, "f4") + place}
        for place in range(2)
    ]
    before: dict[str, np.ndarray] = {}
    for rows, params in zip(measure(arrays, *evaluated), evaluated, strict=True):
        of_examples = gradients(params, x.astype(float), y)
        assert rows["name"].tolist() == list(of_examples)
        for row, (name, g) in zip(rows, of_examples.items(), strict=True):
            mean, trace = g.mean(0), np.cov(g.T).trace()
            signal = mean @ mean - trace / MEASURED
            np.testing.assert_allclose(row["variance"], trace, 1e-4)
            np.testing.assert_allclose(row["signal"], signal, 1e-3)
            np.testing.assert_allclose(row["noise_scale"], trace / signal, 1e-3)
            np.testing.assert_allclose(row["signal_to_noise"], np.sqrt(signal / trace), 1e-3)
            sizes = 2 ** np.arange(len(row["deviation"]))
            assert sizes[-1] == MEASURED // FEWEST_BATCHES
            for size, deviation in zip(sizes, row["deviation"], strict=True):
                batches = g.reshape(-1, size, g.shape[1]).mean(1)
                spread = np.sqrt(((batches - mean) ** 2).sum() / (len(batches) - 1))
                np.testing.assert_allclose(deviation, spread, 1e-4)
                # The law of sigma / sqrt(B), within what chance allows.
                assert deviation * np.sqrt(size / trace) == pytest.approx(1, rel=0.3)
            expected = np.nan
            if before:
                expected = mean @ before[name] / np.linalg.norm(mean) / np.linalg.norm(before[name])
            np.testing.assert_allclose(row["cosine"], expected, 1e-4)
        before = {name: g.mean(0) for name, g in of_examples.items()}


def test_a_noise_scale_is_not_known_where_the_noise_hides_the_gradient(
    arrays: Arrays, measure: Callable[..., list[np.ndarray]]
) -> None:
    """With equal shares of the classes, weights of 0 have the best bias: what is left is noise."""
    zeros = {"kernel": np.zeros((64, 10), "f4"), "bias": np.zeros(10, "f4")}
    balanced = arrays._replace(targets=jnp.arange(len(arrays.targets), dtype=jnp.int32) % 10)
    rows, _ = measure(balanced, zeros, zeros)
    bias = rows[rows["name"] == "logits/bias"][0]
    assert bias["variance"] > 0.5
    assert bias["signal"] < 0
    assert np.isnan(bias["noise_scale"])
    assert bias["signal_to_noise"] == 0
