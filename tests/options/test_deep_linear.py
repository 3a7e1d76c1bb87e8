"""The product of matrices: its gradient by layer, and what has no part in it."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from command_line import CommandLine
from conftest import compose

DEPTH = 5


def test_the_gradient_of_a_chain_is_the_product_of_its_other_weights() -> None:
    """f = x W_1 w_2 ... w_L: d(f - y)^2/dw_k is mean(2 (f - y) x W_1) times all other w_j."""
    random = np.random.default_rng(0)
    inputs, targets = random.normal(size=(7, 3)), random.normal(size=(7, 1))
    experiment = compose(data="diabetes", model={"name": "deep_linear", "units": 1, "depth": DEPTH})
    network = experiment.network()
    with jax.enable_x64(True):
        params, _, shape = network.init(jax.random.key(0), (3,))
        params = jax.tree.map(lambda w: jnp.asarray(random.normal(size=w.shape)), params)

        def loss(params: Any) -> Any:
            outputs, _ = network.apply(params, {}, inputs, True)
            return experiment.losses_and_errors(outputs, targets)[0].mean()

        gradient = jax.grad(loss)(params)
    assert shape == (1,)
    names = [f"hidden_{k}" for k in range(1, DEPTH + 1)]
    first, *others = [params[name]["dense"]["kernel"] for name in names]
    chain = np.array([*np.ravel(others), params["logits"]["kernel"].item()])
    entering = inputs @ np.asarray(first)
    residual = 2 * (entering * chain.prod() - targets)
    np.testing.assert_allclose(
        gradient["hidden_1"]["dense"]["kernel"][:, 0],
        (residual * inputs).mean(0) * chain.prod(),
        rtol=1e-9,
    )
    got = [gradient[name]["dense"]["kernel"].item() for name in names[1:]]
    got.append(gradient["logits"]["kernel"].item())
    for k, found in enumerate(got):
        expected = (residual * entering).mean() * np.delete(chain, k).prod()
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert {path for layer in params.values() for path in layer} == {"dense", "kernel"}, "no bias"


def test_with_depth_the_gradient_halves_or_becomes_fourfold() -> None:
    """The claim of `experiment=deep_linear`: for weights of 0.5, and of 2."""
    train = compose(data="diabetes").data.load().train
    norms = {}
    for value, depth in itertools.product((0.5, 2.0), (8, 12)):
        chosen = {"name": "deep_linear", "units": 1, "depth": depth}
        experiment = compose(
            data="diabetes", model=chosen, initializer={"name": "constant", "value": value}
        )
        network = experiment.network()
        params, _, _ = network.init(jax.random.key(0), (10,))

        def loss(params: Any) -> Any:
            outputs, _ = network.apply(params, {}, train.inputs, True)  # noqa: B023
            return experiment.losses_and_errors(outputs, train.targets)[0].mean()  # noqa: B023

        norms[value, depth] = float(optax.tree.norm(jax.jit(jax.grad(loss))(params)))
    # The number of weights grows, too, and with it the norm of equal gradients.
    more = np.sqrt(12 / 8)
    assert norms[0.5, 12] / norms[0.5, 8] == pytest.approx(0.5**4 * more, rel=0.2)
    assert norms[2.0, 12] / norms[2.0, 8] == pytest.approx(4.0**4 * more, rel=0.2)


def test_an_activation_and_biases_have_no_part_in_it(runner: CommandLine) -> None:
    for word, part in (("activation=tanh", "activation"), ("bias_initializer=constant", "biases")):
        done = runner("model=deep_linear", word)
        assert done.returncode == 2
        expected = f"{word} has no part in model=deep_linear, which has no {part}"
        assert done.stderr == f"runner: error: {expected}\n"
    chosen = [compose(model="deep_linear", activation=name) for name in ("relu", "tanh")]
    assert chosen[0] == chosen[1], "they share a program"
