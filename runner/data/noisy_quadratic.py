"""A quadratic with a chosen spectrum and noise, on which rates of convergence are known.

Y. Nesterov, Introductory Lectures on Convex Optimization, 2004; G. Zhang et al., Which Algorithmic
Choices Matter at Which Batch Sizes? Insights From a Noisy Quadratic Model, 2019.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Literal

from runner.data.problem import Problem
from runner.data.source import Dataset, Sizes, Split
from runner.lazy import jax, jnp, np
from runner.options.option import number, option

if TYPE_CHECKING:
    import numpy.typing as npt
    from jaxtyping import Array, Float, Int, Num, PRNGKeyArray

Spectrum = Literal["geometric", "linear", "power", "two"]

_HELD_OUT = 1
_MOST_ROTATED = 2000
_ROTATION_SEED, _NOISE_SEED = 0, 1


@option
class NoisyQuadratic(Problem):
    """Mean of theta' Q theta / 2 - noise xi' theta over examples xi ~ N(0, I), of any dimension.

    The gradient of an example is Q theta - noise xi: in each number a deviation of `noise`, and of
    `noise / sqrt(B)` over a batch of B. Q has d = `dimensions` eigenvalues from 1 to 1 / condition:

    - `geometric`: condition^(-i / (d - 1)), evenly spaced on a logarithmic axis, for i = 0, ...;
    - `linear`: evenly spaced;
    - `power`: (i + 1)^-p, with the p that ends at 1 / condition;
    - `two`: half of them 1, the others 1 / condition.

    The eigenvectors are the axes or, with `rotated`, fixed random directions, which matters to
    rules that treat each number separately. Training starts where all coordinates along the
    eigenvectors are `coordinate`. The training examples have the mean 0, so that the minimum 0 of
    their loss is at 0, too, and validation and test measure theta' Q theta / 2 itself. The error is
    the distance from 0. Zhang et al. 2019 have noise with the covariance Q.
    """

    dimensions: int = number(100, minimum=2, maximum=100_000)
    spectrum: Spectrum = "geometric"
    condition: float = number(100.0, minimum=1)
    rotated: bool = False
    noise: float = number(0.0, minimum=0)
    coordinate: float = number(1.0)
    train_examples: int = number(1000, minimum=1)

    generates: ClassVar[bool] = True

    @property
    def input_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """One number of noise for each dimension."""
        return (self.dimensions,)

    def sizes(self) -> Sizes:
        """Return `train_examples`, and one example without noise each for validation and test."""
        return Sizes(self.train_examples, _HELD_OUT, _HELD_OUT)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse a matrix of eigenvectors that is too large."""
        if self.rotated and self.dimensions > _MOST_ROTATED:
            yield (
                "dimensions",
                f"{self.dimensions} directions are too many for rotated=true: at most "
                f"{_MOST_ROTATED}, or rotated=false",
            )

    def load(self) -> Dataset:
        """Draw the training examples and subtract their mean."""
        shape = (self.train_examples, self.dimensions)
        rows = np.random.default_rng(_NOISE_SEED).standard_normal(shape, np.float32)
        rows -= rows.mean(axis=0, dtype=float).astype(np.float32)
        exact = np.zeros((_HELD_OUT, self.dimensions), np.float32)
        return Dataset(
            *(Split(each, np.zeros(len(each), np.int32)) for each in (rows, exact, exact))
        )

    def draw(
        self, key: PRNGKeyArray, examples: int
    ) -> tuple[Float[Array, "examples dimensions"], Int[Array, " examples"]]:
        """Draw new examples."""
        return jax.random.normal(key, (examples, self.dimensions)), jnp.zeros(examples, int)

    def eigenvalues(self) -> Float[Array, " dimensions"]:
        """Return the eigenvalues of Q, from 1 to 1 / condition."""
        count, least = self.dimensions, 1 / self.condition
        part = jnp.arange(count) / (count - 1)
        if self.spectrum == "linear":
            return 1 - (1 - least) * part
        if self.spectrum == "two":
            return jnp.where(jnp.arange(count) < count / 2, 1.0, least)
        if self.spectrum == "power":
            part = jnp.log1p(jnp.arange(count)) / math.log(count)
        return least**part

    def curvatures(self) -> tuple[float, float]:
        """Return the ends of the spectrum."""
        return 1 / self.condition, 1.0

    def start(self) -> Float[Array, " dimensions"]:
        """Return the point whose coordinates along the eigenvectors are `coordinate`."""
        along = jnp.full(self.dimensions, self.coordinate, float)
        return along @ jnp.asarray(rotation(self.dimensions)) if self.rotated else along

    def least_loss(self, split: str) -> float:
        """Return 0."""
        return 0.0

    def losses_and_errors(
        self, outputs: Float[Array, "batch m"], targets: Num[Array, " batch"]
    ) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
        """Return the quadratic with the noise of each example, and the distance of theta from 0."""
        theta, noise = outputs[0, : self.dimensions], outputs[:, self.dimensions :]
        along = jnp.asarray(rotation(self.dimensions)) @ theta if self.rotated else theta
        value = 0.5 * jnp.sum(self.eigenvalues() * along**2)
        distance = jnp.linalg.norm(theta)
        return value - self.noise * (noise @ theta), jnp.broadcast_to(distance, len(outputs))


@cache
def rotation(dimensions: int) -> npt.NDArray[np.float32]:
    """Return random eigenvectors, one a row: the orthogonal factor of a normal matrix."""
    random = np.random.default_rng(_ROTATION_SEED)
    q, r = np.linalg.qr(random.standard_normal((dimensions, dimensions)))
    return (q * np.sign(np.diag(r))).astype(np.float32)
