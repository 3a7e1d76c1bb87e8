"""The floor: one hand-written `lax.scan` in JAX, with nothing around it.

Its Adam is the runner's, which takes less time than optax's. It returns the loss and the error of
every step; `bare_loss_only.py` returns the loss alone and `bare_norms.py` both norms as well, to
show what these measures cost.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from runner.options.model.convolution import Padding, convolve
from runner.options.model.pooling import max_pool
from runner.options.optimizer.adam import Adam
from tests.bench.workloads import ADAM, Workload, images_and_labels


def forward(workload: Workload, params: list, images: jax.Array) -> jax.Array:
    hidden = images
    count = len(workload.convolutions)
    for layer, (kernel, bias) in zip(workload.convolutions, params[:count], strict=True):
        padding: Padding = "same" if layer.keeps_size else "valid"
        hidden = jax.nn.relu(convolve(hidden, kernel, padding=padding) + bias)
        if layer.window > 1:
            hidden = max_pool(hidden, layer.window)
    hidden = hidden.reshape(len(hidden), -1)
    for index, (kernel, bias) in enumerate(params[count:]):
        hidden = (jax.nn.relu(hidden) if index else hidden) @ kernel + bias
    return hidden


def initial(workload: Workload) -> list:
    shapes: list[tuple[int, ...]] = []
    channels = 1
    for layer in workload.convolutions:
        shapes.append((layer.size, layer.size, channels, layer.channels))
        channels = layer.channels
    shapes += itertools.pairwise((workload.flattened, *workload.widths, 10))
    keys = jax.random.split(jax.random.key(0), len(shapes))
    return [
        (0.05 * jax.random.normal(key, shape), jnp.zeros(shape[-1]))
        for key, shape in zip(keys, shapes, strict=True)
    ]


def program(
    workload: Workload, *, error: bool = True, norms: bool = False
) -> tuple[Callable[..., Any], tuple]:
    """The training of a window as a function of the state and a key, and the first state."""
    images, labels = map(jax.device_put, images_and_labels(workload))
    adam = Adam(**ADAM).build(jnp.asarray(ADAM["learning_rate"]))

    def step(state: tuple, rows: jax.Array) -> tuple:
        params, memory = state

        def objective(params: list) -> tuple:
            logits = forward(workload, params, images[rows] / 255.0)
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels[rows])
            return losses.mean(), (logits.argmax(-1) != labels[rows]).mean()

        (loss, wrong), gradient = jax.value_and_grad(objective, has_aux=True)(params)
        updates, memory = adam.update(gradient, memory, params)
        measured = (loss, wrong) if error else (loss,)
        if norms:
            squares = [sum(jnp.sum(x**2) for x in jax.tree.leaves(t)) for t in (gradient, updates)]
            measured += tuple(map(jnp.sqrt, squares))
        return (optax.apply_updates(params, updates), memory), measured

    def train(state: tuple, key: jax.Array) -> tuple:
        epochs = -(-workload.steps * workload.batch // len(labels))
        orders = jax.vmap(lambda k: jax.random.permutation(k, len(labels)))(
            jax.random.split(key, epochs)
        )
        rows = orders.ravel()[: workload.steps * workload.batch]
        return lax.scan(step, state, rows.reshape(workload.steps, workload.batch))

    params = initial(workload)
    return train, (params, adam.init(params))


def prepare(
    workload: Workload, *, error: bool = True, norms: bool = False
) -> Callable[[int], float]:
    train, state = program(workload, error=error, norms=norms)
    compiled = jax.jit(train)
    jax.block_until_ready(compiled(state, jax.random.key(1)))

    def run(steps: int) -> float:
        assert steps == workload.steps
        started = time.perf_counter()
        jax.device_get(compiled(state, jax.random.key(2))[1])
        return time.perf_counter() - started

    return run
