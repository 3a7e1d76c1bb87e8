"""The deep stochastic quadratic of the DeepOBS suite, with the Hessian spectrum of a network.

F. Schneider, L. Balles & P. Hennig, DeepOBS: A Deep Learning Optimizer Benchmark Suite, 2019.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, ClassVar

from runner.data.problem import Problem
from runner.data.source import Dataset, Sizes, Split
from runner.lazy import jax, jnp, np
from runner.options.option import number, option

if TYPE_CHECKING:
    import numpy.typing as npt
    from jaxtyping import Array, Float, Int, Num, PRNGKeyArray

_DIMENSIONS, _NOISE = 100, 0.6
_PROBLEM_SEED, _TRAIN_SEED, _TEST_SEED, _VALIDATION_SEED = 42, 42, 43, 44
_ROWS = 1000


@option
class Quadratic(Problem):
    """Mean of (theta - x)' Q (theta - x) / 2 over rows x ~ N(0, 0.36 I), in 100 dimensions.

    Q has 90 eigenvalues in (0, 1) and 10 in (30, 60) under a random rotation, all drawn by NumPy's
    RandomState(42). The 1,000 training rows are drawn with seed 42, the test rows with seed 43, and
    (not in DeepOBS) the same number of validation rows with seed 44. Training starts at theta = 1,
    and the error is the distance from 0, the minimum of the expected loss. DeepOBS cuts rows into
    batches of 128 and drops the remainder: the default of 896 test rows is what it keeps, and
    `batch_size=128 batch_size.drop_remainder=true sampling=fixed` trains on its batches.
    """

    test_examples: int = number(896, minimum=1, maximum=_ROWS)

    input_shape = (_DIMENSIONS,)
    generates: ClassVar[bool] = True

    def sizes(self) -> Sizes:
        """Return 1,000 for training, and `test_examples` each for validation and test."""
        return Sizes(_ROWS, self.test_examples, self.test_examples)

    def load(self) -> Dataset:
        """Draw the rows."""
        seeds = (_TRAIN_SEED, _VALIDATION_SEED, _TEST_SEED)

        def split(seed: int, rows: int) -> Split:
            drawn = np.random.RandomState(seed).normal(0.0, _NOISE, (_ROWS, _DIMENSIONS))
            return Split(drawn[:rows].astype(np.float32), np.zeros(rows, np.int32))

        return Dataset(*(split(seed, rows) for seed, rows in zip(seeds, self.sizes(), strict=True)))

    def draw(
        self, key: PRNGKeyArray, examples: int
    ) -> tuple[Float[Array, "examples 100"], Int[Array, " examples"]]:
        """Draw new rows."""
        return _NOISE * jax.random.normal(key, (examples, _DIMENSIONS)), jnp.zeros(examples, int)

    def start(self) -> Float[Array, " 100"]:
        """Return ones."""
        return jnp.ones(_DIMENSIONS)

    def curvatures(self) -> tuple[float, float]:
        """Return the ends of the spectrum of Q."""
        values = np.linalg.eigvalsh(matrix())
        return float(values[0]), float(values[-1])

    def least_loss(self, split: str) -> float:
        """Return the value at the mean of the rows of a split, where it is least."""
        rows = getattr(self.load(), split).inputs.astype(float)
        offsets = rows - rows.mean(axis=0)
        return float(0.5 * ((offsets @ matrix()) * offsets).sum(axis=1).mean())

    def losses_and_errors(
        self, outputs: Float[Array, "batch 200"], targets: Num[Array, " batch"]
    ) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
        """Return the quadratic form of each row and the distance of theta from 0."""
        theta, rows = outputs[:, :_DIMENSIONS], outputs[:, _DIMENSIONS:]
        offsets = theta - rows
        losses = 0.5 * jnp.sum((offsets @ jnp.asarray(matrix(), offsets.dtype)) * offsets, axis=1)
        return losses, jnp.linalg.norm(theta, axis=1)


@cache
def matrix() -> npt.NDArray:
    """Return Q = R' diag(eigenvalues) R, of shape `[100, 100]`."""
    random = np.random.RandomState(_PROBLEM_SEED)
    eigenvalues = np.concatenate([random.uniform(0, 1, 90), random.uniform(30, 60, 10)])
    rotation = _rotation(_DIMENSIONS, random)
    return rotation.T @ np.diag(eigenvalues) @ rotation


def _rotation(dimensions: int, random: np.random.RandomState) -> npt.NDArray:
    """A rotation from the Haar measure, by the subgroup algorithm of Diaconis & Shahshahani 1987.

    For each further dimension, embed the rotation so far and reflect the new axis onto a uniform
    random direction.
    """
    angle = 2 * np.pi * random.uniform()
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for size in range(3, dimensions + 1):
        direction = random.normal(size=size)
        direction /= np.linalg.norm(direction)
        axis = np.eye(size)[0] - direction
        axis /= np.linalg.norm(axis)
        embedded = np.eye(size)
        embedded[1:, 1:] = rotation
        rotation = embedded - 2 * np.outer(axis, axis @ embedded)
    return -rotation
