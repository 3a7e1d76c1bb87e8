"""What no step of a call changes: the options, the data, and where in the run the call is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import jax.numpy as jnp

from runner.engine.state import Arrays, Timeline, augmentation_key, streams
from runner.experiment.experiment import Experiment
from runner.options.clock import Clock
from runner.options.layer import Layer

if TYPE_CHECKING:
    from jaxtyping import Array, Int, PRNGKeyArray

Stream = Literal["initial", "order", "noise", "optimizer", "examples", "augmentation"]
"""The fields of `runner.engine.state.Streams`, and the one that only some runs draw."""


class Batches(NamedTuple):
    """How the examples of an epoch are divided; known when the program is compiled.

    `whole` batches of `size` examples, then one of `remainder` examples unless that is 0.
    """

    examples: int
    size: int
    whole: int
    remainder: int

    @property
    def per_epoch(self) -> int:
        """The number of steps in an epoch."""
        return self.whole + (self.remainder > 0)


class Setup(NamedTuple):
    """The constants of a compiled loop.

    The batch size of `experiment` is that of the current phase.
    """

    experiment: Experiment
    arrays: Arrays
    timeline: Timeline

    @property
    def network(self) -> Layer:
        """The network that is trained."""
        return self.experiment.network()

    @property
    def batches(self) -> Batches:
        """The batches of an epoch of the current phase."""
        examples = self.arrays.targets.shape[0]
        batch_size = self.experiment.batch_size
        return Batches(examples, batch_size.examples(examples), *batch_size.batches(examples))

    def key(self, stream: Stream) -> PRNGKeyArray:
        """The key of one of the run's streams of random numbers."""
        seed = self.experiment.seed
        return (
            augmentation_key(seed) if stream == "augmentation" else getattr(streams(seed), stream)
        )

    def epoch_of(self, step: Int[Array, ""]) -> tuple[Int[Array, ""], Int[Array, ""]]:
        """The epoch that a step belongs to, from 0, and how many of its steps come before."""
        epochs, steps = jnp.divmod(step - self.timeline.first_step, self.batches.per_epoch)
        return self.timeline.first_epoch + epochs, steps

    def clock(self, step: Int[Array, ""]) -> Clock:
        """The time of a step, as schedules see it."""
        timeline, per_epoch = self.timeline, self.batches.per_epoch
        epoch = timeline.first_epoch + (step - timeline.first_step) / per_epoch
        return Clock(step, epoch, timeline.total_steps, timeline.total_epochs, timeline.phases)
