"""Batch sizes: how many examples one step uses.

An epoch is one pass over the training examples (`sampling` says in which order). Where the size
does not divide their number, the last batch of an epoch is smaller: its loss is the mean over the
examples it has, and it is a step like any other.

A batch that is too large for the memory can be split into micro-batches of `micro_batch` examples.
The gradient is their mean, weighted by examples, which is the gradient of the whole batch, so the
update is the same up to rounding. The exception is `normalization=batch`, which normalizes over
each micro-batch (and updates its moving averages once for each): that is another function.

The learning rate can depend on the batch size B: it is multiplied by

    (B / reference) ^ learning_rate_power

With the power 0, the default, it does not change; 0.5 keeps the variance of an update (Krizhevsky
2014; Hoffer et al. 2017), 1 the mean progress of an epoch (Goyal et al. 2017, section 2.1). B is
the size of a whole batch, also for micro-batches and for a smaller last batch. The gradual warm-up
of Goyal et al., from the rate of the reference size up to the scaled rate, is `warmup=linear` with
`warmup.initial` = (reference / B) ^ learning_rate_power.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.options.option import Facts, Option, leaf, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchSize(Option):
    """The number of examples in a batch, and how the learning rate depends on it.

    The learning rate is multiplied by (B / reference) ^ learning_rate_power for batches of B.
    """

    learning_rate_power: float = number(0.0, minimum=0)
    reference: int = leaf(32, minimum=1)

    @abstractmethod
    def examples(self, train_examples: int) -> int:
        """Return the number of examples in a (whole) batch."""

    @property
    def drops_remainder(self) -> bool:
        """Whether the epoch leaves out the examples that do not fill a last batch."""
        return False

    @property
    def micro_examples(self) -> int | None:
        """The number of examples whose gradient is computed at once; None: the whole batch."""
        return None

    def batches(self, train_examples: int) -> tuple[int, int]:
        """Return the number of whole batches in an epoch, and the size of a smaller last one."""
        whole, remainder = divmod(train_examples, self.examples(train_examples))
        return whole, 0 if self.drops_remainder else remainder

    def learning_rate_scale(self, train_examples: int) -> Float[Array, ""]:
        """Return (B / reference) ^ learning_rate_power for the B examples of a whole batch."""
        return (self.examples(train_examples) / self.reference) ** self.learning_rate_power

    def phases(self, train_examples: int) -> Iterator[tuple[BatchSize, int | None]]:
        """Yield the sizes in order, each with its number of epochs; the last has None."""
        yield self, None

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse micro-batches that are not smaller than the batch, or too small to normalize."""
        if self.micro_examples is not None and self.micro_examples >= facts.batch_size:
            yield (
                "micro_batch",
                f"{self.micro_examples} is not less than the batch of {facts.batch_size}",
            )
        if self.micro_examples == 1 and facts.normalizes_over_batch:
            yield (
                "micro_batch",
                "1 example at a time has no variance for normalization=batch; use at least 2, "
                "or normalization=layer",
            )


@option
class Full(BatchSize):
    """All training examples in every step: gradient descent, one step per epoch."""

    micro_batch: int | None = number(None, minimum=1)

    def examples(self, train_examples: int) -> int:
        """Return the number of training examples."""
        return train_examples

    @property
    def micro_examples(self) -> int | None:
        """The field `micro_batch`."""
        return self.micro_batch


@option
class Stochastic(BatchSize):
    """One example per step: stochastic gradient descent in the strict sense."""

    def examples(self, train_examples: int) -> int:
        """Return 1."""
        return 1


@option
class Mini(BatchSize):
    """`size` examples per step; `drop_remainder` leaves out a smaller last batch of each epoch."""

    size: int = number(32, minimum=1)
    drop_remainder: bool = False
    micro_batch: int | None = number(None, minimum=1)

    def examples(self, train_examples: int) -> int:
        """Return `size`."""
        return self.size

    @property
    def drops_remainder(self) -> bool:
        """The field `drop_remainder`."""
        return self.drop_remainder

    @property
    def micro_examples(self) -> int | None:
        """The field `micro_batch`."""
        return self.micro_batch

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse a batch larger than the training set."""
        yield from too_large("size", self.size, facts)
        yield from super().conflicts(facts)


@option
class Growing(BatchSize):
    """`size` examples, times `factor` after every `every` epochs, up to `limit` (null: all).

    Growing the batch instead of decaying the learning rate: Smith, Kindermans, Ying & Le 2018. With
    a `learning_rate_power` the rate grows with the batch; a power of 1 cancels the reduction of the
    noise. Each size is a separate compiled program.
    """

    size: int = number(32, minimum=1)
    factor: int = number(2, minimum=2)
    every: int = number(2, minimum=1)
    limit: int | None = number(None, minimum=1)
    drop_remainder: bool = False

    def examples(self, train_examples: int) -> int:
        """Return the size of the first phase."""
        return self.size

    @property
    def drops_remainder(self) -> bool:
        """The field `drop_remainder`."""
        return self.drop_remainder

    def phases(self, train_examples: int) -> Iterator[tuple[BatchSize, int | None]]:
        """Yield a fixed size for each phase."""
        limit = train_examples if self.limit is None else self.limit
        size = self.size
        while size < limit:
            yield self._fixed(size), self.every
            size *= self.factor
        yield self._fixed(limit), None

    def _fixed(self, size: int) -> BatchSize:
        return Mini(
            size=size,
            drop_remainder=self.drop_remainder,
            micro_batch=None,
            learning_rate_power=self.learning_rate_power,
            reference=self.reference,
        )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse a limit below the first size."""
        if self.limit is not None and self.limit < self.size:
            yield "limit", f"{self.limit} is less than the first size, {self.size}"

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse sizes larger than the training set."""
        yield from too_large("size", self.size, facts)
        if self.limit is not None:
            yield from too_large("limit", self.limit, facts)


def too_large(field: str, size: int, facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield a conflict if a batch is larger than the training set.

    Args:
        field: the field that holds the size.
        size: the number of examples in a batch.
        facts: the rest of the run.
    """
    if size > facts.train_examples:
        yield (
            field,
            f"{size} is more than the {facts.train_examples:,} training examples; "
            f"use at most {facts.train_examples}, or batch_size=full",
        )
