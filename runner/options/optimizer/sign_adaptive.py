"""A learning rate of its own for every parameter, from the signs of successive gradients.

Both rules compare the signs of gradients of the same function, so they are meant for full batches:
the noise of small ones flips signs at random.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options.optimizer.base import Optimizer, zeros
from runner.options.option import Facts, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class RatesState(NamedTuple):
    """The rate of every parameter, and the (mean) gradient it is compared with."""

    rates: Any
    before: Any


class _OwnRates(Optimizer):
    """What the two rules share."""

    def cautions(self, facts: Facts) -> Iterator[str]:
        """Say so when the batch is not full."""
        if facts.batch_size < facts.train_examples:
            yield (
                "the optimizer compares the signs of successive gradients and is meant for "
                f"batch_size=full; a batch of {facts.batch_size} makes them noisy"
            )

    def _filled(self, params: Any) -> Any:
        return jax.tree.map(lambda p: jnp.full_like(p, self.learning_rate), params)


@option
class DeltaBarDelta(_OwnRates):
    """theta <- theta - rate * g, each parameter's rate adapted before the step.

    rate <- rate + increase where the gradient has the sign of its running mean, rate <- rate *
    (1 - decrease) where it has the other; mean <- (1 - memory) * g + memory * mean afterwards.
    Rates start at `learning_rate`, and a schedule multiplies them. Jacobs 1988, eq. 4 and 5, with
    kappa = increase, phi = decrease, theta = memory. For `batch_size=full`.
    """

    learning_rate: float = number(0.1, above=0)
    increase: float = number(0.005, minimum=0)
    decrease: float = number(0.1, minimum=0, below=1)
    memory: float = number(0.7, minimum=0, below=1)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Additive growth, multiplicative shrinking."""

        def init(params: Any) -> RatesState:
            return RatesState(self._filled(params), zeros(params))

        def update(gradient: Any, state: RatesState, params: Any = None) -> tuple[Any, RatesState]:
            def rate(
                r: Float[Array, "..."], mean: Float[Array, "..."], g: Float[Array, "..."]
            ) -> Float[Array, "..."]:
                shrunk = jnp.where(mean * g < 0, (1 - self.decrease) * r, r)
                return jnp.where(mean * g > 0, r + self.increase, shrunk)

            rates = jax.tree.map(rate, state.rates, state.before, gradient)
            mean = jax.tree.map(
                lambda m, g: self.memory * m + (1 - self.memory) * g, state.before, gradient
            )
            multiplier = learning_rate / self.learning_rate
            updates = jax.tree.map(lambda r, g: -multiplier * r * g, rates, gradient)
            return updates, RatesState(rates, mean)

        return optax.GradientTransformation(init, update)


@option
class Rprop(_OwnRates):
    """theta <- theta - step * sign(g), each parameter's step adapted before.

    step <- min(step * grow, largest) where the gradient keeps its sign, max(step * shrink,
    smallest) where it changed it, and there no step is taken and the next gradient counts as
    unchanged. Steps start at `learning_rate`, and a schedule multiplies them. Riedmiller & Braun
    1993 in the variant iRprop- (Igel & Huesken 2000), which PyTorch has too; the original takes
    the last step back instead, and optax takes every step one gradient late. For
    `batch_size=full`.
    """

    learning_rate: float = number(0.01, above=0)
    grow: float = number(1.2, minimum=1)
    shrink: float = number(0.5, above=0, maximum=1)
    smallest: float = number(1e-6, minimum=0)
    largest: float = number(50.0, above=0)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Resilient propagation without weight-backtracking."""

        def init(params: Any) -> RatesState:
            return RatesState(self._filled(params), zeros(params))

        def update(gradient: Any, state: RatesState, params: Any = None) -> tuple[Any, RatesState]:
            def step(
                size: Float[Array, "..."], last: Float[Array, "..."], g: Float[Array, "..."]
            ) -> Float[Array, "..."]:
                grown = jnp.where(last * g > 0, jnp.minimum(size * self.grow, self.largest), size)
                shrunk = jnp.maximum(size * self.shrink, self.smallest)
                return jnp.where(last * g < 0, shrunk, grown)

            sizes = jax.tree.map(step, state.rates, state.before, gradient)
            used = jax.tree.map(
                lambda last, g: jnp.where(last * g < 0, 0.0, g), state.before, gradient
            )
            multiplier = learning_rate / self.learning_rate
            updates = jax.tree.map(lambda s, g: -multiplier * s * jnp.sign(g), sizes, used)
            return updates, RatesState(sizes, used)

        return optax.GradientTransformation(init, update)
