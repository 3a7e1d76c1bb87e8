"""The page of `make bench`: its goals, from times made up here, and its list of kernels."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from runner.config.build import build
from tests.bench.contenders import bare_scan
from tests.bench.kernels import beyond, kernels
from tests.bench.report import goals, limits, order, page
from tests.bench.settings import config
from tests.bench.workloads import Workload

# Of three rounds the second was disturbed, to a different degree for each contender.
TIMES = {
    "runner_itself": [100.0, 900.0, 100.0],
    "bare_scan": [90.0, 100.0, 90.0],
    "pytorch": [450.0, 450.0, 270.0],
}
SMALL, ONE = Workload("784-64-10", 32, 100), Workload("784-64-10", 1, 100)


def test_a_goal_is_a_fraction_of_the_bare_loop_for_peers_too() -> None:
    """PyTorch takes 4.5 times as long as the bare loop, and 2.7 times as long as the runner."""
    bare, peer = goals(SMALL, TIMES)
    assert (bare.wanted, bare.measured) == pytest.approx((0.95, 0.9))
    assert (peer.wanted, peer.measured) == pytest.approx((0.95 * 4.5, 2.7))
    assert goals(ONE, TIMES)[0].wanted == pytest.approx(0.85)
    assert goals(SMALL, {"runner_itself": [1.0]}) == [], "there is nothing to compare with"


@pytest.mark.parametrize(
    ("network", "parameters"),
    # Of 2c2d see tests/options/test_presets.py; with one channel instead of three for ResNet-8.
    # Of the others: 4 w (28 + w + 1) and the logits; 29 w, two blocks of 12 w^2 + 13 w, 2 w and the
    # logits.
    [
        ("784-64-10", 50_890),
        ("cnn", 1_199_882),
        ("2c2d", 3_274_634),
        ("resnet", 75_002),
        ("lstm", 4 * 128 * 157 + 1290),
        ("transformer", 29 * 64 + 2 * (12 * 64**2 + 13 * 64) + 2 * 64 + 650),
    ],
)
def test_a_workload_is_the_same_network_for_everyone(network: str, parameters: int) -> None:
    workload = Workload(network, 2, 1)
    built = build(config(workload)).network()
    key = jax.eval_shape(lambda: jax.random.key(0))
    params = jax.eval_shape(lambda key: built.init(key, (28, 28, 1))[0], key)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == parameters
    if workload.contenders is None:
        bare = jax.eval_shape(lambda: bare_scan.initial(workload))
        assert sum(leaf.size for leaf in jax.tree.leaves(bare)) == parameters
        images = jax.ShapeDtypeStruct((2, 28, 28, 1), jnp.float32)
        outputs = jax.eval_shape(lambda p, x: bare_scan.forward(workload, p, x), bare, images)
        assert outputs.shape == (2, 10)


def test_sequences_have_a_goal_beside_pytorch_alone() -> None:
    found = goals(Workload("lstm", 64, 1), {"runner_itself": [1.0], "pytorch": [0.5]})
    assert [goal.measured for goal in found] == [0.5]


def test_the_page_says_what_was_met() -> None:
    text = page({SMALL: TIMES, ONE: TIMES}, "a machine", 3, ["## More"])
    assert (
        "| 784-64-10, batch 32: bare `lax.scan`, loss and error | 0.95x | 0.9x | **missed**" in text
    )
    assert "| 784-64-10, batch 1: bare `lax.scan`, loss and error | 0.85x | 0.9x | met" in text
    assert text.endswith("## More")


def test_the_causes_are_measured() -> None:
    """55,000 / 32 steps of 100 microseconds are an epoch of 172 ms."""
    assert "| 784-64-10, batch 32 | - | - | 1.11x |" in limits({SMALL: TIMES})
    assert "5.0% of one at 784-64-10, batch 32" in order({SMALL: TIMES}, 8.6, 30.0)


def program(*, measures: bool) -> str:
    """A loop of gradient descent, compiled; it may measure a norm."""

    def step(x: jax.Array, rows: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
        loss, gradient = jax.value_and_grad(lambda x: jnp.sum(jnp.tanh(rows @ x) ** 2))(x)
        return x - 0.1 * gradient, [loss] + [jnp.linalg.norm(gradient)] * measures

    def train(x: jax.Array, rows: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
        return lax.scan(step, x, rows)

    return jax.jit(train).lower(jnp.ones(7), jnp.ones((3, 5, 7))).compile().as_text() or ""


def test_kernels_are_read_from_the_compiled_loop() -> None:
    plain, measured = kernels(program(measures=False)), kernels(program(measures=True))
    assert [kernel.operation for kernel in plain].count("dot") == 2
    assert {kernel.function for kernel in plain} >= {"program.train", "program.step"}
    assert beyond(plain, plain) == []
    extra = beyond(measured, plain)
    assert "f32[3]" in {kernel.shape for kernel in extra}, "a norm for each of three steps"
    assert len(extra) >= len(measured) - len(plain) > 0
    with pytest.raises(ValueError, match="no loop"):
        kernels(jax.jit(jnp.sin).lower(1.0).compile().as_text() or "")
