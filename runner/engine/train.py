"""The compiled loop: any number of training steps and evaluations as one program.

Pure functions of arrays: no files, no YAML, no printing. `take_steps` runs the steps from `start`
up to `until` and returns what every one of them measured; the host calls it again and again,
writing the results of one call while the device works on the next.

A run that early stopping ends (`runner.engine.early_stopping`) takes no further step.

Time is counted in steps from 0. What is recorded for step t was measured after t updates: its loss
is that of the step's own batch before the step is taken. An epoch is one pass over an order of the
examples (`runner.engine.epoch`), each step one update (`runner.engine.step`).

Why one loop and not a `lax.scan` of fixed length: a scan compiles to the same while loop with the
same speed, but its length is part of the program. Here `start`, `until` and `total` are data:
one compiled program serves every chunk length, number of epochs and point of resumption,
and how a run is cut into chunks cannot change its results.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from runner.engine.columns import Columns
from runner.engine.diagnostics import diagnosed, first_memories, shapes_of_tables
from runner.engine.early_stopping import first_watch, unless_stopped, until_stopped, watched
from runner.engine.epoch import for_each_batch, start_epoch
from runner.engine.evaluation import evaluate, measures
from runner.engine.setup import Setup
from runner.engine.state import (
    EPOCH_SUMS,
    Arrays,
    Measured,
    Memories,
    State,
    Timeline,
    streams,
)
from runner.engine.step import learning_rate_at, optimizer_at, update
from runner.engine.step_diagnostics import (
    first_trail,
    shapes_of_step_tables,
    with_step_diagnosed,
)
from runner.engine.tables import Tables
from runner.experiment.experiment import Experiment
from runner.options.layer import LayerState, Params
from runner.options.option import register_pytrees

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Int

register_pytrees()

STEPS_PER_CALL = 4096
"""How many steps one call of `take_steps` can record at most."""


def evaluations_per_call(steps_per_epoch: int) -> int:
    """How many evaluations one call of `take_steps` can record at most."""
    return STEPS_PER_CALL // steps_per_epoch + 2


def initial_state(experiment: Experiment, arrays: Arrays) -> State:
    """The state before the first step."""
    key = streams(experiment.seed).initial
    shape = experiment.preprocessing.output_shape(arrays.inputs.shape[1:])
    params, layers, _ = experiment.network().init(key, shape)
    params = experiment.bias_initializer(params, arrays.targets)
    return state_with(experiment, arrays, params, layers)


def state_with(experiment: Experiment, arrays: Arrays, params: Params, layers: LayerState) -> State:
    """The state before the first step of a run that starts from given parameters.

    Args:
        experiment: the options.
        arrays: the data.
        params: the parameters.
        layers: the state of the layers that belongs to them.
    """
    rule = experiment.optimizer.build(jnp.asarray(experiment.optimizer.learning_rate))
    return State(
        params=params,
        layers=layers,
        optimizer=rule.init(params),
        schedule=experiment.schedule.init(),
        gradient=tuple(treatment.init() for treatment in experiment.gradient),
        order=jnp.arange(arrays.targets.shape[0]),
        epoch_sums=Columns.zeros(EPOCH_SUMS),
        watch=first_watch(experiment, params, layers),
        memories=first_memories(experiment, arrays, params, layers),
        trail=first_trail(experiment, params),
    )


def first_tables(experiment: Experiment, arrays: Arrays) -> tuple[Tables | None, Tables | None]:
    """The shapes of what diagnostics measure at an evaluation and at a step, with all names.

    To be traced, not computed.
    """
    state = initial_state(experiment, arrays)
    return (
        shapes_of_tables(experiment, arrays, state),
        shapes_of_step_tables(experiment, arrays, state),
    )


def take_steps(
    experiment: Experiment,
    arrays: Arrays,
    state: State,
    start: Int[Array, ""],
    until: Int[Array, ""],
    timeline: Timeline,
) -> tuple[State, Measured]:
    """Take the steps `start`, ..., `until - 1` of a run, or those up to where it stops early.

    Evaluates before step 0, after every `evaluate_every` epochs, and after the last step.

    Args:
        experiment: the options, with the batch size of the current phase; every leaf an array (see
            `runner.engine.lanes.as_array`).
        arrays: the data.
        state: the state after `start` steps.
        start: the first step to take.
        until: the step to stop before; in the same phase, and at most `STEPS_PER_CALL` after
            `start`.
        timeline: where the phase begins and the run ends.

    Returns:
        The state after the steps, and what was measured on the way.
    """
    statistics = experiment.preprocessing.ready(arrays.statistics)
    setup = Setup(experiment, arrays._replace(statistics=statistics), timeline)

    def unfinished(carry: _Carry) -> Bool[Array, ""]:
        left = (carry.step < until) | _is_due(setup, carry)
        return unless_stopped(carry.state.watch, left)

    def evaluate_and_finish_epoch(carry: _Carry) -> _Carry:
        due = _is_due(setup, carry)
        carry = lax.cond(due, lambda c: _evaluated(setup, c), lambda c: c, carry)
        end = until_stopped(carry.state.watch, carry.step, until)
        return _with_epoch_finished(setup, carry, end)

    carry = _Carry(
        state=state,
        step=start,
        start=start,
        last_evaluation=jnp.where(start == 0, -1, start),
        measured=Measured.empty(
            steps=STEPS_PER_CALL,
            evaluations=evaluations_per_call(setup.batches.per_epoch),
            evaluated=measures(experiment),
            has_path=experiment.data.position(state.params) is not None,
            tables=shapes_of_tables(experiment, arrays, state),
            step_tables=shapes_of_step_tables(experiment, arrays, state),
        ),
    )
    carry = lax.while_loop(unfinished, evaluate_and_finish_epoch, carry)
    return carry.state, carry.measured.with_ends(carry.state.watch)


class _Carry(NamedTuple):
    """What the loop carries; `step` is the next step to take."""

    state: State
    step: Int[Array, ""]
    start: Int[Array, ""]
    last_evaluation: Int[Array, ""]
    measured: Measured


def _is_due(setup: Setup, carry: _Carry) -> Bool[Array, ""]:
    """Whether the state must be evaluated before another step is taken."""
    epoch, steps = setup.epoch_of(carry.step)
    due = (steps == 0) & (epoch % setup.timeline.evaluate_every == 0)
    due |= carry.step == setup.timeline.total_steps
    return due & (carry.step != carry.last_evaluation)


def _evaluated(setup: Setup, carry: _Carry) -> _Carry:
    """Evaluate, record it, and tell the schedule and the rule of early stopping."""
    row, params, layers = evaluate(setup, carry.state, carry.step)
    schedule = setup.experiment.schedule.observe(carry.state.schedule, row["validation_loss"])
    watch = watched(setup, carry.state.watch, carry.step, row, params, layers)
    observed = carry.state._replace(schedule=schedule)
    memories, tables = _diagnosed(setup, observed, carry.step, params, layers)
    measured = _at_position(setup, carry.state, carry.step - carry.start, carry.measured)
    return carry._replace(
        state=carry.state._replace(schedule=schedule, watch=watch, memories=memories),
        last_evaluation=carry.step,
        measured=measured.with_evaluation(carry.step, row, tables),
    )


def _diagnosed(
    setup: Setup, state: State, step: Int[Array, ""], params: Params, layers: LayerState
) -> tuple[Memories | None, Tables | None]:
    """Measure what diagnostics do, with the learning rate and the momentum of the next step."""
    if state.memories is None:
        return None, None
    clock = setup.clock(jnp.minimum(step, setup.timeline.total_steps - 1))
    optimizer = optimizer_at(setup.experiment, clock)
    experiment = dataclasses.replace(setup.experiment, optimizer=optimizer)
    rate = learning_rate_at(setup, state, clock)
    return diagnosed(experiment, setup.arrays, state.memories, step, params, layers, rate)


def _with_epoch_finished(setup: Setup, carry: _Carry, until: Int[Array, ""]) -> _Carry:
    """Take the steps up to the end of the epoch, or up to `until` where that comes first."""
    start = carry.start
    epoch, before = setup.epoch_of(carry.step)
    first = carry.step - before
    end = jnp.minimum(until, first + setup.batches.per_epoch)
    starts = (before == 0) & (carry.step < end)
    state = start_epoch(setup, carry.state, epoch, starts)
    # Steps with and without norms share one trace; it is freed with the program.
    take = jax.jit(functools.partial(update))

    def take_step(
        step: Int[Array, ""],
        rows: Int[Array, " batch"],
        carry: tuple[State, Measured],
        *,
        measure_norms: Bool[Array, ""] | bool,
    ) -> tuple[State, Measured]:
        state, measured = carry
        index = step - start
        measured = _at_position(setup, state, index, measured)
        taken = take(setup, state, step, rows)
        after, row = taken.recorded(rows, measure_norms=measure_norms)
        trail, measured = with_step_diagnosed(
            setup, state, taken, step, rows, index, measured, measure=measure_norms
        )
        return after._replace(trail=trail), measured.with_step(index, row)

    trained = state._replace(watch=None, memories=None)  # no step needs them
    state, measured = for_each_batch(
        setup, state.order, carry.step, end, first, take_step, (trained, carry.measured)
    )
    state = state._replace(watch=carry.state.watch, memories=carry.state.memories)
    return carry._replace(state=state, step=jnp.maximum(carry.step, end), measured=measured)


def _at_position(setup: Setup, state: State, index: Int[Array, ""], measured: Measured) -> Measured:
    """The measurements with the point where the parameters are now, if they are one.

    Args:
        setup: the options and the data.
        state: the state now.
        index: the number of steps that the call has taken.
        measured: what it has measured.
    """
    return measured.with_position(index, setup.experiment.data.position(state.params))
