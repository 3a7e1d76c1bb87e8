"""The memory of one training step, as the compiler plans it.

XLA plans every buffer of a program when it compiles it, so that the peak is known without a run: it
is the same in every run, and needs no measurement. The step is that of the training loop (see
`runner.engine.step`), without evaluations, with the state updated in place.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from runner.engine.lanes import as_array
from runner.engine.memory import bytes_of
from runner.engine.setup import Setup
from runner.engine.state import Arrays, State, Timeline
from runner.engine.step import update
from runner.engine.train import initial_state
from runner.experiment.experiment import Experiment
from runner.experiment.plan import plan, tabulated


class StepMemory(NamedTuple):
    """Bytes that a step takes beside the data.

    Attributes:
        state: what stays from step to step: parameters, what the optimizer keeps, the order of the
            examples.
        working: what the step needs beside it: batch, activations, gradients.
    """

    state: int
    working: int

    @property
    def peak(self) -> int:
        """Both together."""
        return self.state + self.working


def step_memory(experiment: Experiment, arrays: Arrays) -> StepMemory:
    """Compile one step and return the memory that it takes; takes no step.

    Args:
        experiment: the options; of several batch sizes the first.
        arrays: the data, on the device for which the step is compiled.
    """
    examples = arrays.targets.shape[0]
    phases = plan(experiment.batch_size, examples, 1, None)
    timeline = Timeline(0, 0, phases[-1].end_step, 1.0, tabulated(phases))
    statistics = experiment.preprocessing.ready(arrays.statistics)
    ready = arrays._replace(statistics=statistics)

    def step(numbers: Any, state: State, arrays: Arrays, number: Any, rows: Any) -> Any:
        setup = Setup(numbers, arrays, timeline)
        return update(setup, state, number, rows).recorded(rows, measure_norms=False)

    numbers = jax.tree.map(as_array, experiment)
    state = jax.eval_shape(initial_state, numbers, arrays)._replace(watch=None, memories=None)
    rows = jnp.zeros(phases[0].batch_size.examples(examples), int)
    compiled = (
        jax.jit(step, donate_argnums=1, keep_unused=True)
        .lower(numbers, state, ready, jnp.zeros((), int), rows)
        .compile()
    )
    planned: Any = compiled.memory_analysis()
    beside = planned.output_size_in_bytes - planned.alias_size_in_bytes
    return StepMemory(bytes_of(state), planned.temp_size_in_bytes + beside + rows.nbytes)
