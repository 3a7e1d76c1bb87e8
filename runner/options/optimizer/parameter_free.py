"""Methods that determine the size of their steps themselves.

Their `learning_rate` multiplies the step size that they determine: 1.0 is the paper's rule, and a
schedule changes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.lazy import jnp, optax
from runner.options.layer import Params
from runner.options.optimizer.base import Optimizer, decay_term, scale
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float


@option
class PolyakSGD(Optimizer):
    """theta <- theta - min((loss - least_loss) / (c * ||g||^2), learning_rate) * g.

    Polyak's step size on the loss of the batch: Loizou et al. 2021, SPS_max (eq. 3), with c = 1/2;
    Polyak 1987 has c = 1, the full batch and no upper bound. `least_loss` is the lowest loss that
    can be reached: 0 where every example can be fitted. `learning_rate` is the upper bound.
    """

    learning_rate: float = number(1.0, minimum=0)
    least_loss: float = number(0.0)
    c: float = number(0.5, above=0)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return the stochastic Polyak step size."""

        def update(
            gradient: Params,
            state: optax.EmptyState,
            params: Params,
            *,
            value: Float[Array, ""],
            **extra: Any,
        ) -> tuple[Params, optax.EmptyState]:
            squared_norm = optax.tree.norm(gradient, squared=True)
            gap = jnp.maximum(value - self.least_loss, 0)
            size = gap / (self.c * jnp.where(squared_norm > 0, squared_norm, 1.0))
            return scale(-jnp.minimum(size, learning_rate), gradient), state

        return optax.GradientTransformationExtraArgs(optax.init_empty_state, update)


@option
class DoG(Optimizer):
    """theta <- theta - learning_rate * r / sqrt(G + eps) * g: distance over gradients.

    r is the greatest distance from the start so far, at least `initial * (1 + ||theta_0||)`, and G
    the sum of all ||g||^2. Ivgi, Hinder & Carmon 2023, eq. 1. They also average the iterates; this
    option does not.
    """

    learning_rate: float = number(1.0, minimum=0)
    initial: float = number(1e-6, above=0)
    eps: float = number(1e-8, above=0)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return optax's rule."""
        return optax.contrib.dog(learning_rate, ("heuristic", self.initial), self.eps)


@option
class Prodigy(Optimizer):
    """Adam with a step size d that grows to the distance between start and solution.

    m and v are moments of d * g and (d * g)^2; theta <- theta - learning_rate * d * c * (m /
    (sqrt(v) + d * eps) + weight_decay * theta), c = sqrt(1 - b2^t) / (1 - b1^t); then d <- max(d,
    r / ||s||_1), where r is the decayed sum (with sqrt(b2)) of learning_rate * c * d^2 * <g,
    theta_0 - theta> and s the decayed sum of learning_rate * c * d^2 * g. d starts at `initial`.
    Mishchenko & Defazio 2024, algorithm 4, with the bias correction of the authors' code. Biases
    and normalizations do not decay unless `decay_all`.
    """

    learning_rate: float = number(1.0, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    eps: float = number(1e-8, above=0)
    initial: float = number(1e-6, above=0)
    weight_decay: float = number(0.0, minimum=0)
    decay_all: bool = False

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return optax's rule with a weight decay that leaves some parameters alone."""
        rule = optax.contrib.prodigy(
            learning_rate, (self.b1, self.b2), eps=self.eps, estim_lr0=self.initial
        )

        def update(
            gradient: Params, state: optax.OptState, params: Params
        ) -> tuple[Params, optax.OptState]:
            updates, after = rule.update(gradient, state, params)
            t = after.count
            correction = jnp.sqrt(1 - self.b2**t) / (1 - self.b1**t)
            rate = learning_rate * state.estim_lr * correction
            decay = decay_term(params, rate * self.weight_decay, self.decay_all)
            return optax.tree.sub(updates, decay), after

        return optax.GradientTransformation(rule.init, update)


@option
class DAdaptAdamW(Optimizer):
    """AdamW with a step size d that grows to a lower bound of the distance to the solution.

    m <- b1 * m + (1 - b1) * rate * g with rate = d * learning_rate * sqrt(1 - b2^t) / (1 - b1^t);
    theta <- theta - m / (sqrt(v) + eps) - rate * weight_decay * theta; then d <- max(d, r / ((1 -
    sqrt(b2)) * ||s||_1)), where s and r are moments (with sqrt(b2)) of rate * g and of rate *
    <g, s / (sqrt(v) + eps)>. d starts at `initial`. Defazio & Mishchenko 2023, algorithm 5, as in
    optax. Biases and normalizations do not decay unless `decay_all`.
    """

    learning_rate: float = number(1.0, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    eps: float = number(1e-8, above=0)
    initial: float = number(1e-6, above=0)
    weight_decay: float = number(0.0, minimum=0)
    decay_all: bool = False

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return optax's rule, called with only the parameters that decay."""
        rule = optax.contrib.dadapt_adamw(
            learning_rate,
            (self.b1, self.b2),
            eps=self.eps,
            estim_lr0=self.initial,
            weight_decay=self.weight_decay,
        )

        def update(
            gradient: Params, state: optax.OptState, params: Params
        ) -> tuple[Params, optax.OptState]:
            # The rule uses the parameters for nothing but their decay.
            return rule.update(gradient, state, decay_term(params, 1.0, self.decay_all))

        return optax.GradientTransformation(rule.init, update)
