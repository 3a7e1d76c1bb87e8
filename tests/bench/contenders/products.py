"""The matrix products of a step, alone: the time that is left if everything else were free.

Its ratio to the runner is the share of the runner's step that is spent in products.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from tests.bench.products import shapes
from tests.bench.workloads import Workload


def prepare(workload: Workload) -> Callable[[int], float]:
    keys = jax.random.split(jax.random.key(0), len(shapes(workload)))
    factors = [
        (jax.random.normal(key, (m, k)), jnp.ones((k, n)))
        for key, (m, k, n) in zip(keys, shapes(workload), strict=True)
    ]

    def step(_: int, state: tuple) -> tuple:
        lefts, rights, _ = state
        products = [left @ right for left, right in zip(lefts, rights, strict=True)]
        # One number of a factor depends on the last product, lest XLA multiply once for all steps.
        rights = [
            right.at[0, 0].set(1e-9 * product[0, 0])
            for right, product in zip(rights, products, strict=True)
        ]
        return lefts, rights, products

    @jax.jit
    def train(lefts: list, rights: list) -> list:
        products = [jnp.zeros((m, n)) for m, _, n in shapes(workload)]
        return lax.fori_loop(0, workload.steps, step, (lefts, rights, products))[2]

    lefts, rights = map(list, zip(*factors, strict=True))
    jax.block_until_ready(train(lefts, rights))

    def run(steps: int) -> float:
        assert steps == workload.steps
        started = time.perf_counter()
        jax.block_until_ready(train(lefts, rights))
        return time.perf_counter() - started

    return run
