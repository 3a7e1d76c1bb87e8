"""An epoch: the order of its examples, and the batches that are cut from it.

Batches are cut from the left. The last batch of an epoch may be short; it is then a step of its own
size, with no padding and no weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import jax
import jax.numpy as jnp
from jax import lax

from runner.engine.setup import Setup
from runner.engine.state import State

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Int, Num

_Carry = TypeVar("_Carry")


class StepBody(Protocol[_Carry]):
    """Takes one step of a loop."""

    def __call__(
        self,
        step: Int[Array, ""],
        rows: Int[Array, " batch"],
        carry: _Carry,
        *,
        measure_norms: Bool[Array, ""] | bool,
    ) -> _Carry:
        """Return the carry after the step on the examples `rows`."""


def epoch_order(setup: Setup, epoch: Int[Array, ""]) -> Int[Array, " train"]:
    """The order of the training examples in an epoch, drawn from the seed and its number alone."""
    batches, sampling = setup.batches, setup.experiment.sampling
    if batches.size == batches.examples and sampling.partitions:
        return jnp.arange(batches.examples)  # one full batch needs no order
    order = sampling.order(setup.key("order"), epoch, batches.examples)
    return sampling.arrange(order, setup.arrays.targets)


def start_epoch(
    setup: Setup, state: State, epoch: Int[Array, ""], starts: Bool[Array, ""]
) -> State:
    """Give the state the order of an epoch, and sums of zero, if the epoch starts.

    Args:
        setup: the options and the data.
        state: the state before a step.
        epoch: the epoch of the step.
        starts: whether the step is the first of the epoch; otherwise nothing changes.
    """
    order = lax.cond(starts, lambda: epoch_order(setup, epoch), lambda: state.order)
    sums = jax.tree.map(lambda sums: jnp.where(starts, 0.0, sums), state.epoch_sums)
    return state._replace(order=order, epoch_sums=sums)


def for_each_batch(
    setup: Setup,
    order: Int[Array, " train"],
    start: Int[Array, ""],
    until: Int[Array, ""],
    first: Int[Array, ""],
    body: StepBody[_Carry],
    carry: _Carry,
) -> _Carry:
    """Apply `body` to the steps `start`, ..., `until - 1` of an epoch.

    A stretch of steps without norms is a loop of its own, and so is the step with norms after it: a
    conditional inside one loop would have XLA copy the parameters in every step.

    Args:
        setup: the options and the data.
        order: the order of the examples.
        start: the first step to take.
        until: the step to stop before, at most the first one of the next epoch.
        first: the first step of the epoch.
        body: takes one step.
        carry: what the first call gets.
    """
    batches, every = setup.batches, setup.timeline.measure_every
    whole_end = jnp.minimum(until, first + batches.whole)

    def whole_batches(
        begin: Int[Array, ""], end: Int[Array, ""], carry: _Carry, *, measure_norms: bool
    ) -> _Carry:
        def whole_batch(step: Int[Array, ""], carry: _Carry) -> _Carry:
            rows = lax.dynamic_slice(order, [(step - first) * batches.size], [batches.size])
            return body(step, rows, carry, measure_norms=measure_norms)

        return lax.fori_loop(begin, end, whole_batch, carry)

    def stretch(at: tuple[Int[Array, ""], _Carry]) -> tuple[Int[Array, ""], _Carry]:
        begin, carry = at
        measured = jnp.minimum(-(-begin // every) * every, whole_end)
        end = jnp.minimum(jnp.where(every == 1, whole_end, measured + 1), whole_end)
        carry = whole_batches(begin, measured, carry, measure_norms=False)
        return end, whole_batches(measured, end, carry, measure_norms=True)

    _, carry = lax.while_loop(lambda at: at[0] < whole_end, stretch, (start, carry))
    return short_batch(setup, order, jnp.maximum(start, whole_end), until, body, carry)


def short_batch(
    setup: Setup,
    order: Int[Array, " train"],
    step: Int[Array, ""],
    until: Int[Array, ""],
    body: StepBody[_Carry],
    carry: _Carry,
) -> _Carry:
    """Apply `body` to the short batch at the end of an epoch, if it has one.

    Args:
        setup: the options and the data.
        order: the order of the examples.
        step: the step after those of whole batches.
        until: the step to stop before.
        body: takes one step.
        carry: what the call gets.
    """
    batches, every = setup.batches, setup.timeline.measure_every
    if not batches.remainder:
        return carry
    rows = order[batches.examples - batches.remainder :]
    return lax.cond(
        step < until,
        lambda c: body(step, rows, c, measure_norms=step % every == 0),
        lambda c: c,
        carry,
    )


def examples_seen(setup: Setup, step: Int[Array, ""]) -> Num[Array, ""]:
    """How many examples the epoch that ends at `step` has seen; NaN before the first step."""
    batches = setup.batches
    steps = (step - 1 - setup.timeline.first_step) % batches.per_epoch + 1
    seen = jnp.minimum(steps * batches.size, batches.whole * batches.size + batches.remainder)
    return jnp.where(step == 0, jnp.nan, seen)
