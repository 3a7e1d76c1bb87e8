"""The base class of sources that draw their examples: the same ones for every run, or new ones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from runner.data.source import Dataset, Sizes, Source, Split
from runner.data.splits import seed_problems
from runner.lazy import np

_HELD_OUT = 1000


class Generated(Source):
    """Examples drawn from a seed of the source, with 1,000 each for validation and test.

    A generated source has the field `train_examples` and one for the seed, and defines
    `input_shape`, `classes`, `stored` and `draw`.
    """

    train_examples: int

    seed_field: ClassVar[str]
    """The name of the field with the seed from which the stored examples are drawn."""

    generates: ClassVar[bool] = True

    def sizes(self) -> Sizes:
        """Return `train_examples`, and 1,000 each for validation and test."""
        return Sizes(self.train_examples, _HELD_OUT, _HELD_OUT)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse seeds that NumPy does not accept."""
        yield from seed_problems(self.seed_field, self.seed)

    @property
    def seed(self) -> int:
        """The seed of the stored examples."""
        seed: int = getattr(self, self.seed_field)
        return seed

    def load(self) -> Dataset:
        """Draw the three splits."""
        random = self.generator()
        return Dataset(*(self.stored(random, size) for size in self.sizes()))

    def generator(self) -> Any:
        """Return NumPy's random numbers for the stored examples."""
        return np.random.default_rng([self.seed, 1])

    @abstractmethod
    def stored(self, random: Any, examples: int) -> Split:
        """Draw the next examples.

        Args:
            random: what `generator` returned; earlier splits have drawn from it.
            examples: how many.
        """
