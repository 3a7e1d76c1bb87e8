"""The parameters that a run leaves, with all that belongs to them, taken from its state.

They are those that evaluations use: averages for an optimizer that averages, with the statistics of
normalizations that belong to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from runner.engine.chunk import Chunk
from runner.engine.evaluation import evaluated
from runner.engine.setup import Setup
from runner.engine.state import Arrays, State, Timeline
from runner.engine.train import initial_state, state_with
from runner.experiment.experiment import Experiment
from runner.options.clock import Phases
from runner.options.layer import LayerState, Params
from runner.options.parameters import Path, map_with_path
from runner.status import Status

WeightsKind = Literal["final", "best"]
"""After the last planned step, and of the best evaluation."""


class Weights(NamedTuple):
    """Parameters, and what a network needs besides them to be applied to inputs.

    Attributes:
        params: nested dictionaries of arrays, as `runner.options.layer.Layer.init` makes them.
        layers: the state of the layers that belongs to them.
        preprocessing: what the preprocessing was fitted to.
        steps: after how many steps.
    """

    params: Params
    layers: LayerState
    preprocessing: Any
    steps: int


def state_shapes(experiment: Experiment, arrays: Arrays) -> State:
    """The state of a run, with the shape and the type of each array in its place.

    Args:
        experiment: the options, with every number an array.
        arrays: the data.
    """
    return jax.eval_shape(initial_state, experiment, arrays)


def started_from(
    experiment: Experiment,
    arrays: Arrays,
    params: Mapping[Path, Any],
    layers: Mapping[Path, Any],
) -> State:
    """The state before the first step of a run that takes parameters from elsewhere.

    Everything else is as at the start of any run: what is not taken, the optimizer, the schedule.

    Args:
        experiment: the options, with every number an array.
        arrays: the data.
        params: the parameters that are taken, by path.
        layers: the state of the layers that belongs to them, by path.
    """
    return jax.device_get(_started_from(experiment, arrays, dict(params), dict(layers)))


@jax.jit
def _started_from(
    experiment: Experiment, arrays: Arrays, params: dict[Path, Any], layers: dict[Path, Any]
) -> State:
    own = initial_state(experiment, arrays)

    def replaced(taken: dict[Path, Any], tree: Any) -> Any:
        return map_with_path(lambda path, array: taken.get(path, array), tree)

    return state_with(
        experiment, arrays, replaced(params, own.params), replaced(layers, own.layers)
    )


def final_weights(experiment: Experiment, arrays: Arrays, state: State, steps: int) -> Weights:
    """What an evaluation of a state evaluates.

    Nothing is computed, except the statistics of normalizations at averaged parameters.

    Args:
        experiment: the options, with every number an array.
        arrays: the data.
        state: the state.
        steps: how many steps have been taken.
    """
    setup = Setup(experiment, arrays, _ANY)
    params = experiment.optimizer.evaluated(state.optimizer, state.params)
    is_computed = params is not state.params and experiment.normalization.over_batch
    params, layers = (_evaluated_compiled if is_computed else evaluated)(setup, state)
    return jax.device_get(Weights(params, layers, arrays.statistics, steps))


def best_weights(arrays: Arrays, state: State) -> Weights | None:
    """Those of the best evaluation; None where they are not kept, or no evaluation had a value.

    Args:
        arrays: the data.
        state: the state.
    """
    watch = state.watch
    if watch is None or not np.isfinite(watch.least):
        return None
    kept = Weights(watch.params, watch.layers, arrays.statistics, int(watch.kept_at))
    return jax.device_get(kept)


def weights_left(
    experiment: Experiment, arrays: Arrays, state: State, chunk: Chunk
) -> dict[WeightsKind, Weights]:
    """The parameters that a run leaves.

    Args:
        experiment: the options, with every number an array.
        arrays: the data.
        state: its last state.
        chunk: its last chunk.

    Returns:
        `final`, those after the last step, of a run that took all planned steps; and `best`, those
        of its best evaluation, if one had a value. What comes after a divergence does not count.
    """
    found: dict[WeightsKind, Weights] = {}
    if chunk.status == Status.FINISHED:
        found["final"] = final_weights(experiment, arrays, state, chunk.steps_taken)
    best = best_weights(arrays, state)
    if best is not None and best.steps <= chunk.steps_taken:
        found["best"] = best
    return found


_ANY = Timeline(0, 0, 0, 0.0, Phases(*np.ones((3, 1), np.int32)))
"""Where in the run an evaluation is does not matter to what is evaluated."""


@jax.jit
def _evaluated_compiled(setup: Setup, state: State) -> tuple[Params, LayerState]:
    experiment, arrays, _ = setup
    ready = arrays._replace(statistics=experiment.preprocessing.ready(arrays.statistics))
    return evaluated(setup._replace(arrays=ready), state)
