"""Sampling: which examples the steps of an epoch see, and in which order.

An epoch has as many steps as the training split fills, whatever the sampling.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from runner.lazy import jax, jnp
from runner.options.option import Facts, Option, option

if TYPE_CHECKING:
    from jaxtyping import Array, Int, PRNGKeyArray


class Sampling(Option):
    """The rows of the training split in the order of an epoch."""

    partitions: ClassVar[bool] = True
    """Whether an epoch sees every example once, so that a full batch needs no order."""

    fresh: ClassVar[bool] = False
    """Whether every step draws new examples from the data's generator instead."""

    @abstractmethod
    def order(
        self, key: PRNGKeyArray, epoch: Int[Array, ""], examples: int
    ) -> Int[Array, " examples"]:
        """The rows of this epoch; batches are cut from it from the left."""


@option
class Permutation(Sampling):
    """Without replacement: a fresh permutation of all examples each epoch (random reshuffling)."""

    def order(
        self, key: PRNGKeyArray, epoch: Int[Array, ""], examples: int
    ) -> Int[Array, " examples"]:
        """A permutation drawn for this epoch."""
        return jax.random.permutation(jax.random.fold_in(key, epoch), examples)


@option
class Fixed(Sampling):
    """The same batches in the same order in every epoch.

    `shuffled`: one permutation for the whole run; otherwise the order in which the data are stored.
    """

    shuffled: bool = True

    def order(
        self, key: PRNGKeyArray, epoch: Int[Array, ""], examples: int
    ) -> Int[Array, " examples"]:
        """The same order for every epoch."""
        return jax.random.permutation(key, examples) if self.shuffled else jnp.arange(examples)


@option
class Replacement(Sampling):
    """With replacement: every example of every batch is drawn from all of them, independently.

    What the theory of stochastic gradients assumes (Robbins & Monro 1951); about 37 % of the
    examples are not seen in an epoch.
    """

    partitions: ClassVar[bool] = False

    def order(
        self, key: PRNGKeyArray, epoch: Int[Array, ""], examples: int
    ) -> Int[Array, " examples"]:
        """Independent uniform draws."""
        return jax.random.randint(jax.random.fold_in(key, epoch), (examples,), 0, examples)


@option
class Stream(Sampling):
    """Online learning: every batch is new, drawn from the data's generator; none is seen twice.

    For data with a generator (`data=teacher`, `data=quadratic`). The training loss is then an
    unbiased estimate of the expected one, and there is nothing to overfit.
    """

    partitions: ClassVar[bool] = False
    fresh: ClassVar[bool] = True

    def order(
        self, key: PRNGKeyArray, epoch: Int[Array, ""], examples: int
    ) -> Int[Array, " examples"]:
        """Of no importance: no stored example is used."""
        return jnp.arange(examples)

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse data that cannot be generated."""
        if not facts.generates_data:
            yield (
                "name",
                "a stream needs data that can be generated: data=teacher or data=quadratic",
            )
