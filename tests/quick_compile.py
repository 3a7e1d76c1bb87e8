"""The engine without lanes, also compiled quickly where it does not matter how well."""

from __future__ import annotations

import jax

from runner.engine.compilation import RUNS_ONCE
from runner.engine.lanes import as_array
from runner.engine.train import initial_state, take_steps
from runner.experiment.experiment import Experiment

initialize = jax.jit(initial_state, compiler_options=RUNS_ONCE)
advance = jax.jit(take_steps)
advance_compiled_quickly = jax.jit(take_steps, compiler_options=RUNS_ONCE)


def leaves_as_arrays(experiment: Experiment) -> Experiment:
    """The experiment with every number an array, so that none is compiled in."""
    return jax.tree.map(as_array, experiment)
