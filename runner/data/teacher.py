"""Synthetic classification with labels from a fixed random network, in any number of examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from runner.data.generated import Generated
from runner.data.source import Split
from runner.lazy import jax, jnp, np
from runner.options.option import number, option

if TYPE_CHECKING:
    import numpy.typing as npt
    from jaxtyping import Array, Float, Int, PRNGKeyArray


@option
class Teacher(Generated):
    """x ~ N(0, I) in `features` dimensions; the label is the largest output of a teacher network.

    The teacher has one hidden layer of `width` tanh units and weights from N(0, 1 / fan_in). It is
    drawn from `teacher_seed` and not from the run's seed, so that runs are compared on the same
    problem. There are 1,000 examples each for validation and test. With `sampling=stream` every
    training example is new: online learning (Saad & Solla 1995).
    """

    features: int = number(32, minimum=1)
    width: int = number(64, minimum=1)
    classes: int = number(10, minimum=2)
    train_examples: int = number(2000, minimum=1)
    teacher_seed: int = number(0, minimum=0)

    seed_field: ClassVar[str] = "teacher_seed"

    @property
    def input_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """One axis of features."""
        return (self.features,)

    def stored(self, random: Any, examples: int) -> Split:
        """Draw inputs from N(0, I), and label them."""
        inputs = random.standard_normal((examples, self.features), np.float32)
        return Split(inputs, _label(np, inputs, self.weights()).astype(np.int32))

    def draw(
        self, key: PRNGKeyArray, examples: int
    ) -> tuple[Float[Array, "examples features"], Int[Array, " examples"]]:
        """Draw new examples."""
        inputs = jax.random.normal(key, (examples, self.features))
        return inputs, _label(jnp, inputs, self.weights())

    def weights(self) -> tuple[npt.NDArray, npt.NDArray]:
        """Draw the kernels of the teacher, of shapes [features, width] and [width, classes]."""
        random = np.random.default_rng([self.teacher_seed, 0])
        first = random.standard_normal((self.features, self.width), np.float32)
        second = random.standard_normal((self.width, self.classes), np.float32)
        return first / np.sqrt(self.features), second / np.sqrt(self.width)


def _label(numpy: Any, inputs: Any, weights: tuple[Any, Any]) -> Any:
    """The class with the largest output of the teacher, computed by NumPy or `jax.numpy`."""
    return numpy.argmax(numpy.tanh(inputs @ weights[0]) @ weights[1], axis=-1)
