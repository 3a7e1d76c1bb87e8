"""A loop over an epoch's batches that takes less time to compile than the engine's, for the tests.

The engine's loop holds three copies of the step: whole batches without norms, whole batches with
norms, and the short last batch. Copies make a run fast and take time to compile, which is most of
the suite's. This loop takes the same steps, on the same rows, and measures norms in the same ones,
with one copy for all whole batches. It is what tests train with unless they are about the engine's
own loop: those of `tests/engine`, and what has the marker `real_loop`. Processes that tests start
have the engine's.
"""

from __future__ import annotations

import functools
import gc
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

import runner.engine.train
from runner.engine import kept_programs, lanes
from runner.engine.compilation import cache_directory
from runner.engine.epoch import StepBody, for_each_batch, short_batch
from runner.engine.setup import Setup

# A process of tests has the memory for more programs than a run needs, and comes back to them.
programs_for = lanes.programs_for = functools.lru_cache(maxsize=64)(lanes.programs_for.__wrapped__)


def one_copy(
    setup: Setup, order: Any, start: Any, until: Any, first: Any, body: StepBody[Any], carry: Any
) -> Any:
    """Do what `for_each_batch` does, with one copy of the step for whole batches."""
    batches, every = setup.batches, setup.timeline.measure_every
    whole_end = jnp.minimum(until, first + batches.whole)

    def whole_batch(step: Any, carry: Any) -> Any:
        rows = lax.dynamic_slice(order, [(step - first) * batches.size], [batches.size])
        return body(step, rows, carry, measure_norms=step % every == 0)

    carry = lax.fori_loop(start, whole_end, whole_batch, carry)
    return short_batch(setup, order, jnp.maximum(start, whole_end), until, body, carry)


def choose(*, quick: bool) -> None:
    """Have programs compiled with this loop, or with the engine's, from now on.

    What was compiled with the other is forgotten. With this one nothing is kept in lowered form:
    the names of such files do not know it.
    """
    wanted = one_copy if quick else for_each_batch
    if runner.engine.train.for_each_batch is wanted:
        return
    runner.engine.train.for_each_batch = wanted
    kept_programs.cache_directory = nowhere if quick else cache_directory
    forget()


def nowhere() -> None:
    """The folder of what is kept."""


def forget() -> None:
    """Free all programs that are compiled."""
    programs_for.cache_clear()
    jax.clear_caches()
    gc.collect()
