"""Treatments of the gradient before the optimizer sees it: clipping and noise.

Any number of them, as in `gradient=[clip_norm,noise]`; they act in the order of the table, however
they were typed: clip_value, clip_norm, clip_adaptive, then noise, then a user's own. The recorded
gradient norm is that of the untouched gradient; `clipped` is 1 for a step in which any clipping
changed it.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options.option import Option, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray


class Treated(NamedTuple):
    """The gradient after a treatment, what the treatment remembers, and whether it clipped."""

    gradient: Any
    memory: Any
    clipped: Bool[Array, ""]


class Treatment(Option):
    """A map of the gradient."""

    clips: ClassVar[bool] = False
    """Whether it is a kind of clipping."""

    def init(self) -> Any:
        """What it remembers before the first step."""
        return ()

    @abstractmethod
    def __call__(
        self, gradient: Any, memory: Any, step: Int[Array, ""], key: PRNGKeyArray
    ) -> Treated:
        """Treat the gradient of a step; `key` is this step's and this treatment's own."""


@option
class Untreated(Treatment):
    """The gradient as it is."""

    def __call__(
        self, gradient: Any, memory: Any, step: Int[Array, ""], key: PRNGKeyArray
    ) -> Treated:
        """Return it."""
        return Treated(gradient, memory, jnp.zeros((), bool))


@option
class ClipValue(Treatment):
    """g_i <- min(max(g_i, low), high), each number of the gradient on its own.

    Mikolov 2012, section 3.2.2. It changes the gradient's direction.
    """

    low: float = number(-1.0, maximum=0)
    high: float = number(1.0, minimum=0)

    clips: ClassVar[bool] = True

    def __call__(
        self, gradient: Any, memory: Any, step: Int[Array, ""], key: PRNGKeyArray
    ) -> Treated:
        """Clip to [low, high]."""
        leaves = jax.tree.leaves(gradient)
        outside = jnp.stack([jnp.any((g < self.low) | (g > self.high)) for g in leaves])
        clipped = jax.tree.map(lambda g: jnp.clip(g, self.low, self.high), gradient)
        return Treated(clipped, memory, jnp.any(outside))

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse an empty interval."""
        if self.low == self.high:
            yield "high", "low and high are equal: every gradient would be zero"


@option
class ClipNorm(Treatment):
    """g <- g * min(1, threshold / ||g||), with the norm over all parameters together.

    Pascanu, Mikolov & Bengio 2013, algorithm 1: the direction is kept.
    """

    threshold: float = number(1.0, above=0)

    clips: ClassVar[bool] = True

    def __call__(
        self, gradient: Any, memory: Any, step: Int[Array, ""], key: PRNGKeyArray
    ) -> Treated:
        """Scale to a norm of at most `threshold`."""
        norm = optax.tree.norm(gradient)
        return Treated(_shortened(gradient, norm, self.threshold), memory, norm > self.threshold)


class NormMemory(NamedTuple):
    """The decayed sum of past norms, and of the weights that belong to it."""

    total: Float[Array, ""]
    weight: Float[Array, ""]


@option
class ClipAdaptive(Treatment):
    """g <- g * min(1, factor * n / ||g||), where n is the running mean of the norms before.

    n_t = (1 - decay) * sum_{s<t} decay^(t-1-s) ||g_s|| / (1 - decay^t): an exponential mean without
    the bias of its start, over the norms before clipping; the first step is never clipped. Norms
    that are not finite are left out. The rule of thumb of Pascanu et al. 2013, section 3.2 (a
    threshold from the average norm), applied at every step.
    """

    factor: float = number(2.0, above=0)
    decay: float = number(0.99, minimum=0, below=1)

    clips: ClassVar[bool] = True

    def init(self) -> NormMemory:
        """Nothing seen."""
        return NormMemory(jnp.zeros(()), jnp.zeros(()))

    def __call__(
        self, gradient: Any, memory: NormMemory, step: Int[Array, ""], key: PRNGKeyArray
    ) -> Treated:
        """Scale to at most `factor` times the mean norm, then count this step's norm in."""
        norm = optax.tree.norm(gradient)
        seen = memory.weight > 0
        mean = memory.total / jnp.where(seen, memory.weight, 1.0)
        threshold = jnp.where(seen, self.factor * mean, jnp.inf)
        usable = jnp.isfinite(norm)
        total = self.decay * memory.total + (1 - self.decay) * norm
        weight = self.decay * memory.weight + (1 - self.decay)
        after = NormMemory(
            jnp.where(usable, total, memory.total), jnp.where(usable, weight, memory.weight)
        )
        return Treated(_shortened(gradient, norm, threshold), after, norm > threshold)


@option
class Noise(Treatment):
    """g <- g + N(0, eta / (1 + t)^gamma), t the number of the step from 0.

    `eta / (1 + t)^gamma` is the variance, each number of the gradient gets its own draw.
    Neelakantan et al. 2015, eq. 1, who take gamma = 0.55 and eta from 0.01, 0.3 and 1.0.
    """

    eta: float = number(0.01, minimum=0)
    gamma: float = number(0.55, minimum=0)

    def __call__(
        self, gradient: Any, memory: Any, step: Int[Array, ""], key: PRNGKeyArray
    ) -> Treated:
        """Add annealed Gaussian noise."""
        deviation = jnp.sqrt(self.eta / (1.0 + step) ** self.gamma)
        leaves, tree = jax.tree.flatten(gradient)
        # One draw for all of them: a generator is much code, and compiling it takes a second.
        ends = list(itertools.accumulate(leaf.size for leaf in leaves))
        draws = jnp.split(jax.random.normal(key, (ends[-1],), leaves[0].dtype), ends[:-1])
        noisy = [
            leaf + deviation * draw.reshape(leaf.shape)
            for leaf, draw in zip(leaves, draws, strict=True)
        ]
        return Treated(jax.tree.unflatten(tree, noisy), memory, jnp.zeros((), bool))


def _shortened(gradient: Any, norm: Float[Array, ""], threshold: Float[Array, ""] | float) -> Any:
    """The gradient, scaled down where its norm exceeds the threshold."""
    scale = jnp.where(norm > threshold, threshold / jnp.where(norm > 0, norm, 1.0), 1.0)
    return jax.tree.map(lambda g: g * scale, gradient)
