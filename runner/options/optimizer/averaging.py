"""Methods that are evaluated at an average of the points they have visited.

Training continues from one point, and validation and test use another. With
`normalization=batch`, the moving averages of the normalization belong to the first, so each
evaluation computes statistics for the second from the training set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options.layer import Params
from runner.options.moving_average import moving_average
from runner.options.optimizer.base import Optimizer, StepInputs, UpdateRule, decay_term, square
from runner.options.optimizer.wrappers import Wrapper
from runner.options.option import Facts, leaf, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


class AveragedState(NamedTuple):
    """The state of the base, the mean of the points and the number of steps."""

    base: optax.OptState
    average: Params
    step: Int[Array, ""]


@option
class Averaged(Wrapper):
    """The steps of the base, evaluated at the mean of the points that it visits.

    After `burn_in` steps the point after every `every`-th step is averaged: mean <- mean + w *
    (theta - mean), where w is 1/n for the n-th such point, and never less than 1 - `decay`. The
    mean is theta itself until there is a point.

    With `decay: 1` all points have equal weights: Polyak & Juditsky 1992 (and Ruppert 1988), with
    `base=sgd`; with the steps of an epoch as `every`, stochastic weight averaging (Izmailov et al.
    2018). Below 1 it is the exponential moving average, with equal weights for its first
    1 / (1 - decay) points instead of a bias towards the first.
    """

    base: Optimizer
    burn_in: int = leaf(0, minimum=0)
    every: int = leaf(1, minimum=1)
    decay: float = number(1.0, minimum=0, maximum=1)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return the base's rule, which includes each new point in the mean."""
        rule = self.base_rule(learning_rate)

        def init(params: Params) -> AveragedState:
            return AveragedState(rule.init(params), params, jnp.zeros((), int))

        def update(
            gradient: Params, state: AveragedState, params: Params, **extra: Any
        ) -> tuple[Params, AveragedState]:
            updates, base = rule.update(gradient, state.base, params, **extra)
            step = state.step + 1
            weight = self._weight(step)
            point = self.base.evaluated(base, optax.tree.add(params, updates))
            average = jax.tree.map(lambda mean, p: mean + weight * (p - mean), state.average, point)
            return updates, AveragedState(base, average, step)

        return optax.GradientTransformationExtraArgs(init, update)

    def _weight(self, step: Int[Array, ""]) -> Float[Array, ""]:
        """The weight of the point after this step; 1 until there is one to average."""
        since = step - self.burn_in
        weight = jnp.maximum(1.0 / jnp.maximum(since // self.every, 1), 1 - self.decay)
        included = (since % self.every == 0) | (since < self.every)
        return jnp.where(included, jnp.where(since <= self.every, 1.0, weight), 0.0)

    def evaluated(self, state: AveragedState, params: Params) -> Params:
        """Return the mean."""
        return state.average

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse a mean that no point of the run is part of."""
        yield from super().conflicts(facts)
        if self.burn_in + self.every > facts.total_steps:
            field = "burn_in" if self.burn_in >= facts.total_steps else "every"
            yield (
                field,
                f"the first point to average is that after {self.burn_in + self.every} steps, and "
                f"the run has {facts.total_steps}",
            )


class ScheduleFreeState(NamedTuple):
    """The two sequences of a schedule-free method."""

    z: Params  # the point that takes the steps
    x: Params  # the weighted average of all z
    weights: Float[Array, ""]  # the sum of the weights in x


def _train_and_average(
    state: ScheduleFreeState, z: Params, rate: Float[Array, ""], momentum: Float[Array, ""] | float
) -> tuple[Params, ScheduleFreeState]:
    """Return the next point y to train at, and the state with the new z.

    x <- (1 - c) x + c z with c = rate^2 / (sum of all rate^2); y = (1 - momentum) z + momentum x.
    """
    weights = state.weights + rate**2
    c = rate**2 / jnp.where(weights > 0, weights, 1.0)
    x = jax.tree.map(lambda x, z: (1 - c) * x + c * z, state.x, z)
    y = jax.tree.map(lambda x, z: (1 - momentum) * z + momentum * x, x, z)
    return y, ScheduleFreeState(z, x, weights)


@option
class ScheduleFreeSGD(UpdateRule[ScheduleFreeState]):
    """z <- z - learning_rate * (g(y) + weight_decay * y);  x <- (1 - c) * x + c * z.

    The gradient is taken at y = (1 - momentum) * z + momentum * x, the point that is trained, and
    x is evaluated; c = learning_rate^2 / (sum of its squares so far), so 1/t at a constant rate.
    The average replaces a decreasing schedule (use `schedule=constant`, perhaps with
    `warmup=linear`). Defazio et al. 2024, eq. 2 to 5. Biases and normalizations do not decay
    unless `decay_all`.
    """

    learning_rate: float = number(0.5, minimum=0)
    momentum: float = number(0.9, minimum=0, below=1)
    weight_decay: float = number(0.0, minimum=0)
    decay_all: bool = False

    def init(self, params: Params) -> ScheduleFreeState:
        """Return both sequences at the initial parameters."""
        return ScheduleFreeState(params, params, jnp.zeros(()))

    def step(
        self, state: ScheduleFreeState, inputs: StepInputs
    ) -> tuple[Params, ScheduleFreeState]:
        """Update z by gradient descent, then x and y."""
        gradient, params, rate = inputs
        decay = decay_term(params, self.weight_decay, self.decay_all)
        z = jax.tree.map(lambda z, g, d: z - rate * (g + d), state.z, gradient, decay)
        y, state = _train_and_average(state, z, rate, self.momentum)
        return optax.tree.sub(y, params), state

    def evaluated(self, state: ScheduleFreeState, params: Params) -> Params:
        """Return the average x."""
        return state.x


class ScheduleFreeAdamState(NamedTuple):
    """The two sequences, the second moment and the number of steps."""

    sequences: ScheduleFreeState
    v: Params
    step: Int[Array, ""]


@option
class ScheduleFreeAdamW(UpdateRule[ScheduleFreeAdamState]):
    """z <- z - rate * (g(y) / (sqrt(v) + eps) + weight_decay * y);  x <- (1 - c) * x + c * z.

    As `schedule_free_sgd`, with v <- b2 * v + (1 - b2) * g^2, rate = learning_rate * sqrt(1 -
    b2^t), c = rate^2 / (sum of its squares so far), and b1 as the momentum. Defazio et al. 2024,
    algorithm 1. Biases and normalizations do not decay unless `decay_all`.
    """

    learning_rate: float = number(0.0025, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    eps: float = number(1e-8, above=0)
    weight_decay: float = number(0.0, minimum=0)
    decay_all: bool = False

    def init(self, params: Params) -> ScheduleFreeAdamState:
        """Return both sequences at the initial parameters and a zero second moment."""
        sequences = ScheduleFreeState(params, params, jnp.zeros(()))
        return ScheduleFreeAdamState(sequences, optax.tree.zeros_like(params), jnp.zeros((), int))

    def step(
        self, state: ScheduleFreeAdamState, inputs: StepInputs
    ) -> tuple[Params, ScheduleFreeAdamState]:
        """Update z by a step without first moment, then x and y."""
        gradient, params, rate = inputs
        t = state.step + 1
        rate = rate * jnp.sqrt(1 - self.b2**t)
        v = moving_average(state.v, square(gradient), self.b2)
        decay = decay_term(params, self.weight_decay, self.decay_all)
        z = jax.tree.map(
            lambda z, g, v, d: z - rate * (g / (jnp.sqrt(v) + self.eps) + d),
            state.sequences.z,
            gradient,
            v,
            decay,
        )
        y, sequences = _train_and_average(state.sequences, z, rate, self.b1)
        return optax.tree.sub(y, params), ScheduleFreeAdamState(sequences, v, t)

    def evaluated(self, state: ScheduleFreeAdamState, params: Params) -> Params:
        """Return the average x."""
        return state.sequences.x
