"""The adding problem: two numbers that are far apart in a sequence have to be remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from runner.data.generated import Generated
from runner.data.source import Split
from runner.lazy import jax, jnp, np
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


@option
class Adding(Generated):
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
    seed_field: ClassVar[str] = "data_seed"

    @property
    def input_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """Steps of a number and a mark."""
        return (self.steps, 2)

    def summary(self) -> str:
        """Return the length, and the loss without a memory."""
        return (
            f"two of {self.steps} numbers are to be added; always to predict 1 has a squared error "
            "of 0.167"
        )

    def generator(self) -> Any:
        """Return the generator whose numbers are the same in all versions of NumPy."""
        return np.random.RandomState(self.data_seed)

    def stored(self, random: Any, examples: int) -> Split:
        """Draw numbers and marks."""
        numbers = random.uniform(size=(examples, self.steps)).astype(np.float32)
        half = self.steps // 2
        first = random.randint(half, size=examples)
        second = half + random.randint(self.steps - half, size=examples)
        rows, marks = np.arange(examples), np.zeros_like(numbers)
        marks[rows, first] = marks[rows, second] = 1
        sums = numbers[rows, first] + numbers[rows, second]
        return Split(np.stack([numbers, marks], axis=-1), sums[:, None])

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
