"""The adding problem: two numbers that are far apart in a sequence have to be remembered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from runner.data.source import Dataset, Sizes, Source, Split
from runner.data.splits import LARGEST_SEED
from runner.lazy import jax, jnp, np
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray

_HELD_OUT = 1000


@option
class Adding(Source):
    """The sum of the two marked numbers among `steps` random ones; regression with a long lag.

    A step has a number from U(0, 1) and a mark, which is 1 at one random step of the first half and
    at one of the second, and 0 elsewhere. The target is the sum of the two marked numbers, and the
    loss its squared error. Always to predict 1, without a memory, gives the variance of the sum,
    1/6 = 0.167. Task 4 of Hochreiter & Schmidhuber 1997 in the form of Le et al. 2015 and Arjovsky
    et al. 2016; the original has numbers from U(-1, 1), a scaled sum, and lengths that vary. There
    are 1,000 examples each for validation and test, all drawn from `data_seed` and not from the
    run's seed. With `sampling=stream` every training example is new, as in the papers.
    """

    steps: int = number(50, minimum=2)
    train_examples: int = number(5000, minimum=1)
    data_seed: int = number(0, minimum=0)

    classes = 0
    generates: ClassVar[bool] = True

    @property
    def input_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """Steps of a number and a mark."""
        return (self.steps, 2)

    def sizes(self) -> Sizes:
        """Return `train_examples`, and 1,000 each for validation and test."""
        return Sizes(self.train_examples, _HELD_OUT, _HELD_OUT)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse seeds that NumPy does not accept."""
        if self.data_seed > LARGEST_SEED:
            yield "data_seed", f"{self.data_seed} is more than {LARGEST_SEED}"

    def summary(self) -> str:
        """Return the length, and the loss without a memory."""
        return (
            f"two of {self.steps} numbers are to be added; always to predict 1 has a squared error "
            "of 0.167"
        )

    def load(self) -> Dataset:
        """Draw the three splits."""
        random = np.random.RandomState(self.data_seed)

        def split(examples: int) -> Split:
            numbers = random.uniform(size=(examples, self.steps)).astype(np.float32)
            half = self.steps // 2
            first = random.randint(half, size=examples)
            second = half + random.randint(self.steps - half, size=examples)
            rows, marks = np.arange(examples), np.zeros_like(numbers)
            marks[rows, first] = marks[rows, second] = 1
            sums = numbers[rows, first] + numbers[rows, second]
            return Split(np.stack([numbers, marks], axis=-1), sums[:, None])

        return Dataset(*(split(size) for size in self.sizes()))

    def draw(
        self, key: PRNGKeyArray, examples: int
    ) -> tuple[Float[Array, "examples steps 2"], Float[Array, "examples 1"]]:
        """Draw new examples."""
        keys = jax.random.split(key, 3)
        numbers = jax.random.uniform(keys[0], (examples, self.steps))
        half = self.steps // 2
        first = jax.random.randint(keys[1], (examples, 1), 0, half)
        second = jax.random.randint(keys[2], (examples, 1), half, self.steps)
        at = jnp.arange(self.steps)
        marks = ((at == first) | (at == second)).astype(numbers.dtype)
        sums = jnp.sum(numbers * marks, axis=-1, keepdims=True)
        return jnp.stack([numbers, marks], axis=-1), sums
