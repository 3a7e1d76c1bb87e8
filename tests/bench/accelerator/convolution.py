"""XLA's own convolution and the product over patches: called alone, and within a compiled loop."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from runner.options.model.convolution import Method, convolve
from tests.bench.accelerator.result import Result, Scale, in_a_line

TABLE = "convolution"
METHODS: tuple[Method, ...] = ("native", "patches")
ALONE, LOOP = "called alone", "in a loop"
CALLS = 32


def measure(scale: Scale) -> Iterator[Result]:
    """The microseconds of a 3x3 convolution with both its gradients."""
    batch, side, channels, out = scale.convolution
    keys = jax.random.split(jax.random.key(0))
    images = jax.random.normal(keys[0], (batch, side, side, channels))
    kernel = jax.random.normal(keys[1], (3, 3, channels, out)) / 30
    for method in METHODS:
        for column, calls in ((ALONE, 1), (LOOP, CALLS)):
            try:
                microseconds = _timed(method, calls, images, kernel, scale)
            except Exception as error:
                yield Result(TABLE, method, column, None, in_a_line(error))
                continue
            yield Result(TABLE, method, column, microseconds)


def _timed(method: Method, calls: int, images: Any, kernel: Any, scale: Scale) -> float:
    def once(_: Any, point: tuple[Any, Any]) -> tuple[Any, Any]:
        def value(images: Any, kernel: Any) -> Any:
            outputs = convolve(images, kernel, padding="valid", method=method)
            return jnp.mean(jnp.square(outputs))

        gradients = jax.grad(value, argnums=(0, 1))(*point)
        return jax.tree.map(lambda x, g: x - 0.1 * g, point, gradients)

    def loop(images: Any, kernel: Any) -> Any:
        return jax.lax.fori_loop(0, calls, once, (images, kernel))

    compiled: Callable[..., Any] = jax.jit(lambda *p: once(0, p) if calls == 1 else loop(*p))
    jax.block_until_ready(compiled(images, kernel))
    times = []
    for _ in range(scale.rounds):
        repeats, started = 0, time.perf_counter()
        while not repeats or time.perf_counter() - started < scale.window / 5:
            jax.block_until_ready(compiled(images, kernel))
            repeats += 1
        times.append((time.perf_counter() - started) / repeats / calls)
    return 1e6 * statistics.median(times)
