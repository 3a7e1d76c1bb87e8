"""Diagnostics of steps, at the steps at which norms are measured.

What they remember is part of the state, and passes through plain steps as it is. Without such
diagnostics there is no memory, and nothing here is part of the program.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax

from runner.engine.setup import Setup
from runner.engine.state import Arrays, Measured, State
from runner.engine.step import Update, batch_objective, optimizer_at
from runner.engine.tables import Recorded, Tables
from runner.experiment.experiment import Experiment
from runner.options.diagnostics.step import StepDiagnostic, TakenStep
from runner.options.layer import Params

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Int


def chosen(experiment: Experiment) -> list[StepDiagnostic]:
    """The diagnostics that measure at steps."""
    return [each for each in experiment.diagnostics if isinstance(each, StepDiagnostic)]


def first_trail(experiment: Experiment, params: Params) -> tuple[Any, ...] | None:
    """What is remembered before the first step; None if nothing is.

    Args:
        experiment: the options.
        params: the initial parameters.
    """
    diagnostics = chosen(experiment)
    return tuple(each.first_memory(params) for each in diagnostics) if diagnostics else None


def shapes_of_step_tables(experiment: Experiment, arrays: Arrays, state: State) -> Tables | None:
    """The shapes of what is measured at a step, with all names; None without diagnostics.

    Args:
        experiment: the options.
        arrays: the data.
        state: any state of the run.
    """
    if state.trail is None:
        return None

    def tables(trail: tuple[Any, ...], params: Params) -> Tables:
        nothing = jnp.zeros(())
        taken = TakenStep(params, params, params, nothing, lambda: nothing, nothing)
        return _measured(experiment, taken, trail)[1]

    return jax.eval_shape(tables, state.trail, state.params)


def with_step_diagnosed(
    setup: Setup,
    before: State,
    taken: Update,
    step: Int[Array, ""],
    rows: Int[Array, " batch"],
    index: Int[Array, ""],
    measured: Measured,
    *,
    measure: Bool[Array, ""] | bool,
) -> tuple[tuple[Any, ...] | None, Measured]:
    """Measure at a step.

    Args:
        setup: the options and the data.
        before: the state before the step.
        taken: the step.
        step: its number.
        rows: the training examples of its batch.
        index: how many steps the call took before it.
        measured: what the call has measured.
        measure: whether to measure; with False nothing is computed.

    Returns:
        What is remembered, and what the call has measured; as they were if nothing is.
    """
    if before.trail is None or measured.step_tables is None or measure is False:
        return before.trail, measured

    def found(trail: tuple[Any, ...], known: Tables) -> tuple[tuple[Any, ...], Tables]:
        trail, tables = _measured(setup.experiment, _shown(setup, before, taken, step, rows), trail)
        return trail, {name: known[name].with_row(index, tables[name]) for name in known}

    if measure is True:
        trail, tables = found(before.trail, measured.step_tables)
    else:
        trail, tables = lax.cond(
            measure, found, lambda *same: same, before.trail, measured.step_tables
        )
    return trail, measured._replace(step_tables=tables)


def _measured(
    experiment: Experiment, taken: TakenStep, trail: tuple[Any, ...]
) -> tuple[tuple[Any, ...], Tables]:
    """What each diagnostic remembers, and their tables."""
    memories: list[Any] = []
    tables: Tables = {}
    for each, memory in zip(chosen(experiment), trail, strict=True):
        memory, own = each.measure_step(taken, memory)
        memories.append(memory)
        tables |= {name: Recorded.of(table) for name, table in own.items()}
    return tuple(memories), tables


def _shown(
    setup: Setup, before: State, taken: Update, step: Int[Array, ""], rows: Int[Array, " batch"]
) -> TakenStep:
    """What diagnostics see of a step."""
    assert taken.value is not None
    objective = batch_objective(setup, before.layers, step, rows)
    return TakenStep(
        before.params,
        taken.gradient,
        taken.updates,
        taken.value,
        functools.partial(objective.value, taken.state.params),
        momentum_at(setup, step),
    )


def momentum_at(setup: Setup, step: Int[Array, ""]) -> Float[Array, ""]:
    """The momentum of a step, the first one of those that the schedule sets; NaN without any.

    Args:
        setup: the options.
        step: the number of the step.
    """
    optimizer = optimizer_at(setup.experiment, setup.clock(step))
    found: list[Any] = []

    def noted(momentum: Any) -> Any:
        found.append(momentum)
        return momentum

    optimizer.with_momentum(setup.experiment.momentum_schedule.of, noted)
    return jnp.asarray(found[0] if found else jnp.nan, float)
