"""The plan of a run: its phases, each of one batch size, and how many steps each takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from runner.lazy import np
from runner.options.batch_size import BatchSize
from runner.options.clock import Phases

_ROWS = 32
"""The entries of `Phases` are a multiple of this: as many as a batch that doubles can have phases.
Their number is a shape, so runs with few and with many phases share their programs."""


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of the run with one batch size.

    Two phases are equal if they take the same steps, whatever the numbers of `batch_size`.

    Attributes:
        batch_size: the option, with the size of this phase.
        steps_per_epoch: steps of one pass over the training examples.
        first_step: the steps before this phase.
        first_epoch: the epochs before this phase.
        end_step: the first step after this phase.
    """

    batch_size: BatchSize = dataclasses.field(compare=False)
    steps_per_epoch: int
    first_step: int
    first_epoch: int
    end_step: int

    def epoch(self, step: int) -> float:
        """Return the number of epochs before `step`, a fraction within an epoch."""
        return self.first_epoch + (step - self.first_step) / self.steps_per_epoch

    def next_end(self, step: int, every: int) -> int:
        """Return the steps before the next end of an epoch that is a multiple of `every`."""
        epoch = self.first_epoch + (step - self.first_step) // self.steps_per_epoch
        epochs = (epoch // every + 1) * every - self.first_epoch
        return self.first_step + epochs * self.steps_per_epoch


def plan(
    batch_size: BatchSize, train_examples: int, epochs: int, steps: int | None, min_steps: int = 0
) -> tuple[Phase, ...]:
    """Plan a run of `epochs` epochs and at least `min_steps` steps, or of `steps` steps.

    An epoch has `ceil(n / b)` steps, or `floor(n / b)` where the remainder is dropped.

    Args:
        batch_size: the option; one that grows has several phases.
        train_examples: n, the number of training examples.
        epochs: the length of the run, unless `steps` is given.
        steps: the length of the run in steps, or None.
        min_steps: the least length of the run in steps, unless `steps` is given.

    Returns:
        The phases in their order, at least one.
    """
    phases: list[Phase] = []
    step = epoch = 0
    for size, lasts in batch_size.phases(train_examples):
        whole, remainder = size.batches(train_examples)
        per_epoch = max(whole + (remainder > 0), 1)
        by_epochs = max((epochs - epoch) * per_epoch, min_steps - step)
        left = by_epochs if steps is None else steps - step
        end = step + (left if lasts is None else min(left, lasts * per_epoch))
        phases.append(Phase(size, per_epoch, step, epoch, end))
        if lasts is None or end - step == left:
            break
        step, epoch = end, epoch + lasts
    return tuple(phases)


def tabulated(phases: Sequence[Phase]) -> Phases:
    """Return the phases of a run as arrays, which convert between steps and epochs."""
    rows = _ROWS * -(-len(phases) // _ROWS)
    never = np.iinfo(np.int32).max
    first_steps, first_epochs = np.full((2, rows), never, np.int32)
    steps_per_epoch = np.ones(rows, np.int32)
    for row, phase in enumerate(phases):
        first_steps[row], first_epochs[row] = phase.first_step, phase.first_epoch
        steps_per_epoch[row] = phase.steps_per_epoch
    return Phases(first_steps, first_epochs, steps_per_epoch)
