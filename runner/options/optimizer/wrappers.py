"""Optimizers around another one: `optimizer=sam optimizer.base=adam optimizer.base.b1=0.8`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options.optimizer.base import Optimizer
from runner.options.option import Facts, leaf, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


class Around(Optimizer):
    """What both have: a base, whose learning rate and momenta are theirs."""

    base: Optimizer

    @property
    def learning_rate(self) -> Any:  # type: ignore[override]
        """The base's."""
        return self.base.learning_rate

    @property
    def momenta(self) -> tuple[str, ...]:  # type: ignore[override]
        """The base's."""
        return self.base.momenta

    def with_momentum(
        self, names: tuple[str, ...] | None, value: Callable[[Any], Any]
    ) -> Optimizer:
        """The same around the changed base."""
        base = self.base.with_momentum(names, value)
        return dataclasses.replace(self, **{"base": base})

    def problems(self) -> Iterator[tuple[str, str]]:
        """The base's."""
        for field, problem in self.base.problems():
            yield f"base.{field}", problem

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """The base's."""
        for field, problem in self.base.conflicts(facts):
            yield f"base.{field}", problem

    def cautions(self, facts: Facts) -> Iterator[str]:
        """The base's."""
        yield from self.base.cautions(facts)

    def _rule(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformationExtraArgs:
        return optax.with_extra_args_support(self.base.build(learning_rate))


@option
class SAM(Around):
    """The base's step with the gradient at theta + rho * g / ||g||: sharpness-aware minimization.

    Foret et al. 2021, algorithm 1, with the Euclidean norm: the gradient where the loss is highest
    nearby. It costs two gradients a step, both on the same batch. Clipping and noise act on the
    second one, which is used.
    """

    base: Optimizer
    rho: float = number(0.05, minimum=0)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Climb, look, come back and step."""
        rule = self._rule(learning_rate)

        def update(
            gradient: Any,
            state: Any,
            params: Any = None,
            *,
            grad: Any,
            gradient_at: Callable[[Any], Any],
            **extra: Any,
        ) -> tuple[Any, Any]:
            norm = optax.tree.norm(grad)
            scale = self.rho / jnp.where(norm > 0, norm, 1.0)
            worst = jax.tree.map(lambda p, g: p + scale * g, params, grad)
            return rule.update(
                gradient_at(worst), state, params, grad=grad, gradient_at=gradient_at, **extra
            )

        return optax.GradientTransformationExtraArgs(rule.init, update)

    def evaluated(self, memory: Any, params: Any) -> Any:
        """What the base evaluates."""
        return self.base.evaluated(memory, params)


class LookaheadState(NamedTuple):
    """The base's state, the slow weights and the number of steps."""

    base: Any
    slow: Any
    step: Int[Array, ""]


@option
class Lookahead(Around):
    """After every `period` steps of the base: slow <- slow + alpha * (theta - slow); theta <- slow.

    Zhang, Lucas, Hinton & Ba 2019, algorithm 1. The slow weights are evaluated; the base's memory
    is kept at the jump, as the paper does by default.
    """

    base: Optimizer
    period: int = leaf(5, minimum=1)
    alpha: float = number(0.5, above=0, maximum=1)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """K steps forward, one step back."""
        rule = self._rule(learning_rate)

        def init(params: Any) -> LookaheadState:
            return LookaheadState(rule.init(params), params, jnp.zeros((), int))

        def update(
            gradient: Any, state: LookaheadState, params: Any = None, **extra: Any
        ) -> tuple[Any, LookaheadState]:
            updates, base = rule.update(gradient, state.base, params, **extra)
            step = state.step + 1
            jump = step % self.period == 0
            fast = jax.tree.map(jnp.add, params, updates)
            slow = jax.tree.map(
                lambda s, f: jnp.where(jump, s + self.alpha * (f - s), s), state.slow, fast
            )
            after = jax.tree.map(lambda u, s, p: jnp.where(jump, s - p, u), updates, slow, params)
            return after, LookaheadState(base, slow, step)

        return optax.GradientTransformationExtraArgs(init, update)

    def evaluated(self, memory: LookaheadState, params: Any) -> Any:
        """The slow weights."""
        return memory.slow
