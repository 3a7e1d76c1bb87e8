"""Treatments of the gradient before it reaches the optimizer: clipping and noise.

Any number of them can be chosen, as in `gradient=[clip_norm,noise]`. They act in the order of the
list below, in whatever order they were typed: clip_value, clip_norm, clip_adaptive, noise, then
those of plugins. The recorded gradient norm is measured before any treatment; `clipped` is 1 for a
step in which clipping changed the gradient.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options.layer import Params
from runner.options.moving_average import moving_average
from runner.options.option import Option, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray


class TreatedGradient(NamedTuple):
    """What a treatment returns."""

    gradient: Params
    state: Any  # of the treatment, for the next step
    clipped: Bool[Array, ""]  # whether clipping changed the gradient


class GradientTreatment(Option):
    """A map from the gradient to the gradient that the optimizer receives."""

    clips: ClassVar[bool] = False
    """Whether it is a kind of clipping."""

    def init(self) -> Any:
        """Return the state before the first step: by default there is none."""
        return ()

    @abstractmethod
    def __call__(
        self, gradient: Params, state: Any, step: Int[Array, ""], key: PRNGKeyArray
    ) -> TreatedGradient:
        """Treat the gradient of a step.

        Args:
            gradient: the gradient of the batch's loss, after the treatments before this one.
            state: what `init` or the last call returned.
            step: the number of the step, from 0.
            key: random numbers for this step and this treatment alone.
        """


@option
class NoTreatment(GradientTreatment):
    """The gradient unchanged."""

    def __call__(
        self, gradient: Params, state: Any, step: Int[Array, ""], key: PRNGKeyArray
    ) -> TreatedGradient:
        """Return the gradient."""
        return TreatedGradient(gradient, state, jnp.zeros((), bool))


@option
class ClipValue(GradientTreatment):
    """g_i <- min(max(g_i, low), high), each number of the gradient separately.

    Mikolov 2012, section 3.2.2. It changes the gradient's direction.
    """

    low: float = number(-1.0, maximum=0)
    high: float = number(1.0, minimum=0)

    clips: ClassVar[bool] = True

    def __call__(
        self, gradient: Params, state: Any, step: Int[Array, ""], key: PRNGKeyArray
    ) -> TreatedGradient:
        """Clip to [low, high]."""
        leaves = jax.tree.leaves(gradient)
        outside = jnp.stack([jnp.any((g < self.low) | (g > self.high)) for g in leaves])
        clipped = jax.tree.map(lambda g: jnp.clip(g, self.low, self.high), gradient)
        return TreatedGradient(clipped, state, jnp.any(outside))

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse an empty interval."""
        if self.low == self.high:
            yield "high", "low and high are equal: every gradient would be zero"


@option
class ClipNorm(GradientTreatment):
    """g <- g * min(1, threshold / ||g||), with the norm over all parameters together.

    Pascanu, Mikolov & Bengio 2013, algorithm 1. The direction does not change.
    """

    threshold: float = number(1.0, above=0)

    clips: ClassVar[bool] = True

    def __call__(
        self, gradient: Params, state: Any, step: Int[Array, ""], key: PRNGKeyArray
    ) -> TreatedGradient:
        """Scale to a norm of at most `threshold`."""
        norm = optax.tree.norm(gradient)
        shortened = _shortened(gradient, norm, self.threshold)
        return TreatedGradient(shortened, state, norm > self.threshold)


class NormState(NamedTuple):
    """The moving average of past norms, started at zero, and its bias correction."""

    average: Float[Array, ""]
    weight: Float[Array, ""]  # 1 - decay^t after t finite norms


@option
class ClipAdaptive(GradientTreatment):
    """g <- g * min(1, factor * n / ||g||), with n the moving average of the earlier norms.

    n_t = (1 - decay) * sum_{s<t} decay^(t-1-s) ||g_s|| / (1 - decay^t): an exponential moving
    average with bias correction, of the norms before clipping. The first step is never clipped.
    Norms that are not finite are left out. The rule of thumb of Pascanu et al. 2013, section 3.2
    (a threshold from the average norm), applied at every step.
    """

    factor: float = number(2.0, above=0)
    decay: float = number(0.99, minimum=0, below=1)

    clips: ClassVar[bool] = True

    def init(self) -> NormState:
        """Return an average of no norms."""
        return NormState(jnp.zeros(()), jnp.zeros(()))

    def __call__(
        self, gradient: Params, state: NormState, step: Int[Array, ""], key: PRNGKeyArray
    ) -> TreatedGradient:
        """Scale to at most `factor` times the average norm, then include the norm of this step."""
        norm = optax.tree.norm(gradient)
        started = state.weight > 0
        average = state.average / jnp.where(started, state.weight, 1.0)
        threshold = jnp.where(started, self.factor * average, jnp.inf)
        usable = jnp.isfinite(norm)
        after = moving_average(state, NormState(norm, jnp.ones(())), self.decay)
        after = jax.tree.map(lambda new, old: jnp.where(usable, new, old), after, state)
        return TreatedGradient(_shortened(gradient, norm, threshold), after, norm > threshold)


@option
class Noise(GradientTreatment):
    """g <- g + N(0, eta / (1 + t)^gamma), with t the number of the step from 0.

    `eta / (1 + t)^gamma` is the variance, and each number of the gradient has an independent draw.
    Neelakantan et al. 2015, eq. 1, who use gamma = 0.55 and eta out of 0.01, 0.3 and 1.0.
    """

    eta: float = number(0.01, minimum=0)
    gamma: float = number(0.55, minimum=0)

    def __call__(
        self, gradient: Params, state: Any, step: Int[Array, ""], key: PRNGKeyArray
    ) -> TreatedGradient:
        """Add annealed Gaussian noise."""
        deviation = jnp.sqrt(self.eta / (1.0 + step) ** self.gamma)
        leaves, tree = jax.tree.flatten(gradient)
        # One draw for all leaves: every draw is much code, and compiling it takes a second.
        ends = list(itertools.accumulate(leaf.size for leaf in leaves))
        draws = jnp.split(jax.random.normal(key, (ends[-1],), leaves[0].dtype), ends[:-1])
        noisy = [
            leaf + deviation * draw.reshape(leaf.shape)
            for leaf, draw in zip(leaves, draws, strict=True)
        ]
        return TreatedGradient(jax.tree.unflatten(tree, noisy), state, jnp.zeros((), bool))


def _shortened(
    gradient: Params, norm: Float[Array, ""], threshold: Float[Array, ""] | float
) -> Params:
    """The gradient, scaled down where its norm exceeds the threshold."""
    scale = jnp.where(norm > threshold, threshold / jnp.where(norm > 0, norm, 1.0), 1.0)
    return jax.tree.map(lambda g: g * scale, gradient)
