"""Batch sizes: how many examples one step sees.

An epoch is one pass over a fresh permutation of the training examples, without replacement. Where
the size does not divide the number of examples, the last batch of an epoch is the short one that
is left: its loss is the mean over the examples it has, and it is a step like any other.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from runner.options.option import Facts, Option, number, option


class BatchSize(Option):
    """The number of examples in a batch, and what happens to the last short one."""

    @abstractmethod
    def examples(self, train_examples: int) -> int:
        """The number of examples in a (whole) batch."""

    @property
    def drops_remainder(self) -> bool:
        """Whether the examples that do not fill a last batch are left out of the epoch."""
        return False

    def batches(self, train_examples: int) -> tuple[int, int]:
        """How many whole batches an epoch has, and the size of its short one (0: there is none)."""
        whole, remainder = divmod(train_examples, self.examples(train_examples))
        return whole, 0 if self.drops_remainder else remainder


@option
class Full(BatchSize):
    """Every training example in every step: gradient descent, one step an epoch."""

    def examples(self, train_examples: int) -> int:
        """All of them."""
        return train_examples


@option
class Stochastic(BatchSize):
    """One example a step: stochastic gradient descent in the strict sense."""

    def examples(self, train_examples: int) -> int:
        """One."""
        return 1


@option
class Mini(BatchSize):
    """`size` examples a step; `drop_remainder` leaves out the last short batch of each epoch."""

    size: int = number(32, minimum=1)
    drop_remainder: bool = False

    def examples(self, train_examples: int) -> int:
        """`size` of them."""
        return self.size

    @property
    def drops_remainder(self) -> bool:
        """As `drop_remainder` says."""
        return self.drop_remainder

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse a batch larger than the training set."""
        if self.size > facts.train_examples:
            yield (
                "size",
                f"{self.size} is more than the {facts.train_examples:,} training examples; "
                f"use at most {facts.train_examples}, or batch_size=full",
            )
