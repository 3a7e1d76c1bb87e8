"""The plan of a run: phases of one batch size each, and how many steps every phase takes."""

from __future__ import annotations

import dataclasses

from runner.options.batch_size import BatchSize


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of the run with one size of batch; `end_step` is the first step of the next.

    Phases are equal if they take the same steps, whatever the numbers of `batch_size`.
    """

    batch_size: BatchSize = dataclasses.field(compare=False)
    steps_per_epoch: int
    first_step: int
    first_epoch: int
    end_step: int

    def epoch(self, step: int) -> float:
        """The number of epochs, with their fractions, before `step`."""
        return self.first_epoch + (step - self.first_step) / self.steps_per_epoch


def plan(
    batch_size: BatchSize, train_examples: int, epochs: int, steps: int | None
) -> tuple[Phase, ...]:
    """The phases of a run of `epochs` epochs, or of `steps` steps where that is given.

    An epoch has `ceil(n / b)` steps, or `floor(n / b)` where the remainder is dropped.
    """
    phases: list[Phase] = []
    step = epoch = 0
    for size, lasts in batch_size.phases(train_examples):
        whole, remainder = size.batches(train_examples)
        per_epoch = max(whole + (remainder > 0), 1)
        left = (epochs - epoch) * per_epoch if steps is None else steps - step
        end = step + (left if lasts is None else min(left, lasts * per_epoch))
        phases.append(Phase(size, per_epoch, step, epoch, end))
        if lasts is None or end - step == left:
            break
        step, epoch = end, epoch + lasts
    return tuple(phases)
