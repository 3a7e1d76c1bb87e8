"""The gradient at each time step of a recurrent network, against NumPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from conftest import compose

from runner.engine.chunk import EPOCH_DTYPE
from runner.engine.diagnostics import diagnosed
from runner.engine.placement import place
from runner.engine.tables import named_rows
from runner.engine.train import initial_state

EXAMPLES, STEPS = 20, 8


def test_gradients_through_time_are_those_of_backpropagation() -> None:
    chosen = compose(
        model={"name": "rnn", "widths": [5], "recurrent_scale": 0.7},
        activation="tanh",
        initializer={"name": "normal", "stddev": 0.3},
        regularization={"name": "l2", "strength": 0.1},  # of no state
        diagnostics={"name": "layers", "examples": EXAMPLES},
    )
    arrays = place(chosen, chosen.data.load())

    @jax.jit
    def start() -> tuple[object, object]:
        state = initial_state(chosen, arrays)
        at = jnp.array(0), state.params, state.layers, jnp.zeros(())
        return state.params, diagnosed(chosen, arrays, state.memories, *at)[1]

    params, tables = start()
    tables = jax.tree.map(lambda x: x[None], tables)
    (row,) = named_rows(tables, np.zeros(1, EPOCH_DTYPE))["time_steps"]
    assert row["name"] == "recurrent"

    data = chosen.data.load().train
    x = data.inputs[:EXAMPLES, :, :, 0].astype(float) / 16  # an image a row of pixels at a time
    w, b = (np.asarray(params["recurrent"]["input"][name], float) for name in ("kernel", "bias"))
    u = np.asarray(params["recurrent"]["recurrent"]["kernel"], float)
    v, c = (np.asarray(params["logits"][name], float) for name in ("kernel", "bias"))
    states = [np.zeros((EXAMPLES, 5))]
    for step in range(STEPS):
        states.append(np.tanh(x[:, step] @ w + b + states[-1] @ u))
    logits = states[-1] @ v + c
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    delta = (shares - np.eye(10)[data.targets[:EXAMPLES]]) @ v.T  # d loss / d h, each example
    gradients = [delta]
    for state in states[:1:-1]:
        delta = (delta * (1 - state**2)) @ u.T
        gradients.insert(0, delta)
    norms = [np.linalg.norm(each, axis=1).mean() for each in gradients]
    np.testing.assert_allclose(row["gradient_norm"], norms, 1e-4)
    np.testing.assert_allclose(row["gradient_ratio"], norms[0] / norms[-1], 1e-4)
    sizes = [np.linalg.norm(each, axis=1).mean() for each in states[1:]]
    np.testing.assert_allclose(row["state_norm"], sizes, 1e-4)
    assert row["gradient_ratio"] < 0.3, "else the order would not show"
