"""Optimizers that wrap another one: `optimizer=sam optimizer.base=adam optimizer.base.b1=0.8`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options.layer import Params
from runner.options.optimizer.base import Optimizer
from runner.options.option import Facts, leaf, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


class Wrapper(Optimizer):
    """An optimizer with another optimizer inside, whose learning rate and momenta it uses."""

    base: Optimizer

    @property
    def learning_rate(self) -> float:  # type: ignore[override]
        """The learning rate of the base."""
        return self.base.learning_rate

    @property
    def momenta(self) -> tuple[str, ...]:  # type: ignore[override]
        """The momenta of the base."""
        return self.base.momenta

    @property
    def needs_float32(self) -> bool:  # type: ignore[override]
        """Whether the rule of the base fails with less precision."""
        return self.base.needs_float32

    def with_momentum(
        self, names: tuple[str, ...] | None, value: Callable[[Any], Any]
    ) -> Optimizer:
        """Return a copy whose base has other momenta."""
        base = self.base.with_momentum(names, value)
        return dataclasses.replace(self, **{"base": base})

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield the problems of the base."""
        for field, problem in self.base.problems():
            yield f"base.{field}", problem

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Yield the conflicts of the base."""
        for field, problem in self.base.conflicts(facts):
            yield f"base.{field}", problem

    def cautions(self, facts: Facts) -> Iterator[str]:
        """Yield the cautions of the base."""
        yield from self.base.cautions(facts)

    def base_rule(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformationExtraArgs:
        """Return the rule of the base for one step."""
        return optax.with_extra_args_support(self.base.build(learning_rate))


@option
class SAM(Wrapper):
    """The step of the base with the gradient at theta + rho * g / ||g||: sharpness-aware.

    Foret et al. 2021, algorithm 1, with the Euclidean norm: the gradient where the loss is highest
    nearby. It costs two gradients a step, both on the same batch. Clipping and noise act on the
    second gradient, the one that is used.
    """

    base: Optimizer
    rho: float = number(0.05, minimum=0)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return the base's rule, applied to the gradient at the perturbed parameters."""
        rule = self.base_rule(learning_rate)

        def update(
            gradient: Params,
            state: optax.OptState,
            params: Params,
            *,
            grad: Params,
            gradient_at: Callable[[Params], Params],
            **extra: Any,
        ) -> tuple[Params, optax.OptState]:
            norm = optax.tree.norm(grad)
            scale = self.rho / jnp.where(norm > 0, norm, 1.0)
            perturbed = jax.tree.map(lambda p, g: p + scale * g, params, grad)
            return rule.update(
                gradient_at(perturbed), state, params, grad=grad, gradient_at=gradient_at, **extra
            )

        return optax.GradientTransformationExtraArgs(rule.init, update)

    def evaluated(self, state: optax.OptState, params: Params) -> Params:
        """Return the parameters that the base evaluates."""
        return self.base.evaluated(state, params)


class LookaheadState(NamedTuple):
    """The state of the base, the slow weights and the number of steps."""

    base: optax.OptState
    slow: Params
    step: Int[Array, ""]


@option
class Lookahead(Wrapper):
    """After every `period` steps of the base: slow <- slow + alpha * (theta - slow); theta <- slow.

    Zhang, Lucas, Hinton & Ba 2019, algorithm 1. The slow weights are evaluated; the state of the
    base is kept when theta jumps to them, as the paper does by default.
    """

    base: Optimizer
    period: int = leaf(5, minimum=1)
    alpha: float = number(0.5, above=0, maximum=1)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return the base's rule with the jump to the slow weights."""
        rule = self.base_rule(learning_rate)

        def init(params: Params) -> LookaheadState:
            return LookaheadState(rule.init(params), params, jnp.zeros((), int))

        def update(
            gradient: Params, state: LookaheadState, params: Params, **extra: Any
        ) -> tuple[Params, LookaheadState]:
            updates, base = rule.update(gradient, state.base, params, **extra)
            step = state.step + 1
            jump = step % self.period == 0
            fast = optax.tree.add(params, updates)
            slow = jax.tree.map(
                lambda s, f: jnp.where(jump, s + self.alpha * (f - s), s), state.slow, fast
            )
            after = jax.tree.map(lambda u, s, p: jnp.where(jump, s - p, u), updates, slow, params)
            return after, LookaheadState(base, slow, step)

        return optax.GradientTransformationExtraArgs(init, update)

    def evaluated(self, state: LookaheadState, params: Params) -> Params:
        """Return the slow weights."""
        return state.slow
