"""The engine without lanes, for tests: its compiled functions, and one run on the device."""

from __future__ import annotations

import jax
import numpy as np

from runner.data import Dataset
from runner.engine.epoch import epoch_order
from runner.engine.lanes import as_array
from runner.engine.placement import place
from runner.engine.setup import Setup
from runner.engine.state import Arrays, Measured, State, Timeline
from runner.engine.train import initial_state, take_steps
from runner.experiment.experiment import Experiment
from runner.options.clock import Phases

initialize = jax.jit(initial_state)
advance = jax.jit(take_steps)


def leaves_as_arrays(experiment: Experiment) -> Experiment:
    """The experiment with every number an array, so that none is compiled in."""
    return jax.tree.map(as_array, experiment)


def one_phase(steps_per_epoch: int) -> Phases:
    """The phases of a run of one batch size."""
    return Phases(np.array([0]), np.array([0]), np.array([steps_per_epoch]))


class Engine:
    """One experiment on the device."""

    def __init__(self, experiment: Experiment, data: Dataset) -> None:
        self.arrays: Arrays = place(experiment, data)
        self.leaves = leaves_as_arrays(experiment)
        self.every = experiment.evaluate_every, experiment.steps_between_norms
        self.state: State = initialize(self.leaves, self.arrays)
        self.setup = Setup(self.leaves, self.arrays, Timeline(0, 0, 0, 0.0, one_phase(1)))

    def advance(self, start: int, until: int, total: int) -> Measured:
        per_epoch = self.setup.batches.per_epoch
        timeline = Timeline(0, 0, total, total / per_epoch, one_phase(per_epoch), *self.every)
        self.state, measured = advance(self.leaves, self.arrays, self.state, start, until, timeline)
        return jax.device_get(measured)

    def order(self, epoch: int) -> np.ndarray:
        return np.asarray(epoch_order(self.setup, epoch))
