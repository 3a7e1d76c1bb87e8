"""Early stopping in the compiled loop: when a run ends before its plan, and what it keeps.

The rule is an option (`runner.options.stopping`), asked at evaluations only. Without a rule the
parameters of the best evaluation are kept all the same, and no part of the program asks whether the
run has stopped; where weights are not kept either (`weights=false`), there is no `Watch`.

Lanes that are computed by one program (`vmap`) advance in lockstep, so the loop ends when all of
them have stopped. A lane that has stopped computes on until then, as one that has diverged does,
and what it computes is dropped: freezing it would cost every step of every lane a select. What it
keeps is frozen, at evaluations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from runner.engine.columns import Columns
from runner.engine.setup import Setup
from runner.engine.state import GOES_ON, Watch
from runner.experiment.experiment import Experiment
from runner.measures import VALIDATION_LOSS
from runner.options.layer import LayerState, Params

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Int


def first_watch(experiment: Experiment, params: Params, layers: LayerState) -> Watch | None:
    """What is remembered before the first evaluation; None where nothing is.

    Args:
        experiment: the options: the rule, and whether weights are kept.
        params: the initial parameters.
        layers: the initial state of the layers.
    """
    if not experiment.keeps_best:
        return None
    has_rule = experiment.stopping.measure is not None
    return Watch(
        memory=experiment.stopping.init(),
        least=jnp.array(jnp.inf, float),
        kept_at=jnp.zeros((), int),
        params=params,
        layers=layers,
        stopped_at=jnp.full((), GOES_ON, int) if has_rule else None,
    )


def watched(
    setup: Setup,
    watch: Watch | None,
    step: Int[Array, ""],
    row: Columns,
    params: Params,
    layers: LayerState,
) -> Watch | None:
    """What is remembered after an evaluation.

    Args:
        setup: the options.
        watch: what it remembered before.
        step: how many steps have been taken.
        row: what the evaluation measured.
        params: the parameters that were evaluated.
        layers: the state of the layers that belongs to them.
    """
    if watch is None:
        return None
    stopping, value = setup.experiment.stopping, row[setup.experiment.best_by]
    is_best = value < watch.least
    stopped_at = watch.stopped_at
    memory = stopping.observe(watch.memory, row)
    if stopped_at is not None:
        goes_on = stopped_at == GOES_ON
        is_best &= goes_on
        stops = goes_on & stopping.stopped(memory)
        stops &= (step > 0) & jnp.isfinite(row[VALIDATION_LOSS])  # else the next step diverges
        stopped_at = jnp.where(stops, step, stopped_at)

    def kept(new: Any, old: Any) -> Any:
        return jax.tree.map(lambda new, old: jnp.where(is_best, new, old), new, old)

    return Watch(
        memory=memory,
        least=kept(value, watch.least),
        kept_at=kept(step, watch.kept_at),
        params=kept(params, watch.params),
        layers=kept(layers, watch.layers),
        stopped_at=stopped_at,
    )


def unless_stopped(watch: Watch | None, left: Bool[Array, ""]) -> Bool[Array, ""]:
    """Whether something is left to do, if the run has not stopped."""
    if watch is None or watch.stopped_at is None:
        return left
    return left & ~_have_all_stopped(watch.stopped_at)


def until_stopped(
    watch: Watch | None, step: Int[Array, ""], until: Int[Array, ""]
) -> Int[Array, ""]:
    """The step to stop before: `until`, or `step`, which is next, if the run has stopped.

    Args:
        watch: what early stopping knows; None without a rule.
        step: how many steps were taken.
        until: the step to stop before otherwise.
    """
    if watch is None or watch.stopped_at is None:
        return until
    return jnp.where(_have_all_stopped(watch.stopped_at), step, until)


def _have_all_stopped(stopped_at: Int[Array, ""]) -> Bool[Array, ""]:
    """Whether the run has stopped; of lanes of one program, whether all have."""
    return _in_all_lanes(stopped_at != GOES_ON)


@jax.custom_batching.custom_vmap
def _in_all_lanes(flag: Bool[Array, ""]) -> Bool[Array, ""]:
    """A flag; of lanes whether it is set in all: one flag, for the loop that they share."""
    return flag


@_in_all_lanes.def_vmap
def _reduced(
    lanes: int, is_per_lane: list[bool], flags: Bool[Array, " lanes"]
) -> tuple[Bool[Array, ""], bool]:
    return jnp.all(flags), False
