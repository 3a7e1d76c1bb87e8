"""The online problem on which Adam ends at the worst point.

S. Reddi, S. Kale & S. Kumar, On the Convergence of Adam and Beyond, 2018.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.data.problem import Problem
from runner.data.source import Dataset, Sizes, Split
from runner.lazy import jax, jnp, np
from runner.options.layer import Params
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Num


@option
class Reddi(Problem):
    """f_t = steep x for one t of `period` and f_t = -slope x for the others, with x in [-1, 1].

    steep = ratio (period - 1) slope: with a ratio above 1 the one gradient outweighs all others of
    the period, so the minimum of the mean is at -1. The defaults are those of Reddi et al. 2018,
    section 5: 1010 x for t mod 101 = 1, else -10 x. Adam divides the rare steep gradients by their
    own size and ends at 1. Theorem 1 has period=3, slope=1, ratio=C/2 with C > 2, and Adam with
    b1=0, b2=1/(1 + C^2).

    After each update x is projected to [-1, 1]. The examples are the f_t of a period:
    `batch_size=stochastic` takes one a step; with `sampling=fixed sampling.shuffled=false` in the
    cyclic order of the paper, with `sampling=replacement` as in its stochastic variant. The paper
    has learning rates that fall like 1 / sqrt(t). Validation and test are the mean over a period,
    and the error is the distance from -1.
    """

    x: float = number(0.0, minimum=-1, maximum=1)
    period: int = number(101, minimum=2)
    slope: float = number(10.0, above=0)
    ratio: float = number(1.01, above=1)

    input_shape = (1,)

    def sizes(self) -> Sizes:
        """Return a period for each split."""
        return Sizes(self.period, self.period, self.period)

    def load(self) -> Dataset:
        """Return a period of marks: 1 where f_t is the steep one, which comes first."""
        marks = np.zeros((self.period, 1), np.float32)
        marks[0] = 1
        return Dataset(*(Split(marks, np.zeros(self.period, np.int32)) for _ in range(3)))

    def start(self) -> Float[Array, " 1"]:
        """Return x."""
        return jnp.asarray(self.x, float).reshape(1)

    def project(self, params: Params) -> Params:
        """Return x, clipped to [-1, 1]."""
        return jax.tree.map(lambda x: jnp.clip(x, -1.0, 1.0), params)

    def least_loss(self, split: str) -> float:
        """Return the mean over a period at -1."""
        return -(self.ratio - 1) * (self.period - 1) * self.slope / self.period

    def losses_and_errors(
        self, outputs: Float[Array, "batch 2"], targets: Num[Array, " batch"]
    ) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
        """Return f_t and the distance of x from -1."""
        x, mark = outputs.T
        steep = self.ratio * (self.period - 1) * self.slope
        return jnp.where(mark > 0, steep, -self.slope) * x, jnp.abs(x + 1)
