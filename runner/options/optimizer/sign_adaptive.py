"""A separate learning rate for every parameter, adapted by the signs of successive gradients.

Both rules compare the signs of gradients of the same function, so they are meant for full batches:
the noise of small batches flips signs at random.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options.layer import Params
from runner.options.moving_average import moving_average
from runner.options.optimizer.base import State, StepInputs, UpdateRule
from runner.options.option import Facts, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class SignRule(UpdateRule[State]):
    """A rule with one learning rate for each parameter, meant for full batches."""

    def cautions(self, facts: Facts) -> Iterator[str]:
        """Warn when the batch is not full."""
        if facts.batch_size < facts.train_examples:
            yield (
                "the optimizer compares the signs of successive gradients and is meant for "
                f"batch_size=full; a batch of {facts.batch_size} makes them noisy"
            )

    def initial_rates(self, params: Params) -> Params:
        """Return the optimizer's learning rate for every parameter."""
        return jax.tree.map(lambda p: jnp.full_like(p, self.learning_rate), params)


class DeltaBarDeltaState(NamedTuple):
    """The learning rate of every parameter and the moving average of its gradient."""

    rates: Params
    mean: Params


@option
class DeltaBarDelta(SignRule[DeltaBarDeltaState]):
    """theta <- theta - rate * g, with a rate for each parameter that is adapted before the step.

    rate <- rate + increase where the gradient has the sign of its moving average, rate <- rate *
    (1 - decrease) where it has the opposite sign; then mean <- memory * mean + (1 - memory) * g.
    Rates start at `learning_rate`, and a schedule multiplies them. Jacobs 1988, eq. 4 and 5, with
    kappa = increase, phi = decrease, theta = memory. For `batch_size=full`.
    """

    learning_rate: float = number(0.1, above=0)
    increase: float = number(0.005, minimum=0)
    decrease: float = number(0.1, minimum=0, below=1)
    memory: float = number(0.7, minimum=0, below=1)

    def init(self, params: Params) -> DeltaBarDeltaState:
        """Return equal rates and a zero mean."""
        return DeltaBarDeltaState(self.initial_rates(params), optax.tree.zeros_like(params))

    def step(
        self, state: DeltaBarDeltaState, inputs: StepInputs
    ) -> tuple[Params, DeltaBarDeltaState]:
        """Increase rates additively, decrease them multiplicatively, then update."""
        gradient, _, learning_rate = inputs

        def adapted(
            rate: Float[Array, "..."], mean: Float[Array, "..."], g: Float[Array, "..."]
        ) -> Float[Array, "..."]:
            decreased = jnp.where(mean * g < 0, (1 - self.decrease) * rate, rate)
            return jnp.where(mean * g > 0, rate + self.increase, decreased)

        rates = jax.tree.map(adapted, state.rates, state.mean, gradient)
        mean = moving_average(state.mean, gradient, self.memory)
        multiplier = learning_rate / self.learning_rate
        updates = jax.tree.map(lambda rate, g: -multiplier * rate * g, rates, gradient)
        return updates, DeltaBarDeltaState(rates, mean)


class RpropState(NamedTuple):
    """The step size of every parameter, and the gradient that the next one is compared with."""

    sizes: Params
    last_gradient: Params  # 0 where the sign of the gradient has just changed


@option
class Rprop(SignRule[RpropState]):
    """theta <- theta - size * sign(g), with a step size for each parameter that is adapted before.

    size <- min(size * grow, largest) where the gradient keeps its sign, and max(size * shrink,
    smallest) where its sign changes; there no step is taken, and the next gradient is not compared
    with this one. Sizes start at `learning_rate`, and a schedule multiplies them. Riedmiller &
    Braun 1993 in the variant iRprop- (Igel & Huesken 2000), as in PyTorch; the original takes the
    last step back instead, and optax takes every step one gradient late. For `batch_size=full`.
    """

    learning_rate: float = number(0.01, above=0)
    grow: float = number(1.2, minimum=1)
    shrink: float = number(0.5, above=0, maximum=1)
    smallest: float = number(1e-6, minimum=0)
    largest: float = number(50.0, above=0)

    def init(self, params: Params) -> RpropState:
        """Return equal step sizes and no gradient."""
        return RpropState(self.initial_rates(params), optax.tree.zeros_like(params))

    def step(self, state: RpropState, inputs: StepInputs) -> tuple[Params, RpropState]:
        """Adapt the step sizes, then update by the signs, without weight-backtracking."""
        gradient, last, learning_rate = inputs.gradient, state.last_gradient, inputs.learning_rate

        def adapted(
            size: Float[Array, "..."], last: Float[Array, "..."], g: Float[Array, "..."]
        ) -> Float[Array, "..."]:
            grown = jnp.where(last * g > 0, jnp.minimum(size * self.grow, self.largest), size)
            shrunk = jnp.maximum(size * self.shrink, self.smallest)
            return jnp.where(last * g < 0, shrunk, grown)

        sizes = jax.tree.map(adapted, state.sizes, last, gradient)
        used = jax.tree.map(lambda last, g: jnp.where(last * g < 0, 0.0, g), last, gradient)
        multiplier = learning_rate / self.learning_rate
        updates = jax.tree.map(lambda size, g: -multiplier * size * jnp.sign(g), sizes, used)
        return updates, RpropState(sizes, used)
