"""Gradient descent: plain, with several kinds of momentum, and by the sign of the gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options.layer import Params
from runner.options.moving_average import moving_average
from runner.options.optimizer.base import (
    Optimizer,
    StepInputs,
    UpdateRule,
    decay_mask,
    scale,
    velocity_with_rate,
)
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float


@option
class SGD(Optimizer):
    """theta <- theta - learning_rate * g.

    Robbins & Monro 1951. With `batch_size=full` this is gradient descent.
    """

    learning_rate: float = number(0.1, minimum=0)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return optax's rule."""
        return optax.sgd(learning_rate)

    def sharpness_limit(self) -> float:
        """Return 2: with a larger product every step overshoots by more than it came from."""
        return 2.0

    def step_on_quadratic(self, curvature: float) -> list[list[float]]:
        """Return [[1 - learning_rate * curvature]]."""
        return [[1 - self.learning_rate * curvature]]


@option
class Momentum(Optimizer):
    """v <- momentum * v + g;  theta <- theta - learning_rate * v.

    The heavy ball of Polyak 1964. Implementations differ in where the learning rate enters: here,
    in optax and in PyTorch it multiplies v. With `rate_inside_velocity` it multiplies g, v <-
    momentum * v + learning_rate * g and theta <- theta - v, as in Sutskever et al. 2013, eq. 1, and
    Keras. Both are one path at a constant rate; where a schedule lowers it, the velocity inside
    keeps the larger rates of the steps before.
    """

    learning_rate: float = number(0.01, minimum=0)
    momentum: float = number(0.9, minimum=0, below=1)
    rate_inside_velocity: bool = False

    momenta: ClassVar[tuple[str, ...]] = ("momentum",)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return optax's rule, or momentum after the learning rate."""
        if self.rate_inside_velocity:
            return velocity_with_rate(learning_rate, self.momentum)
        return optax.sgd(learning_rate, momentum=self.momentum)

    def sharpness_limit(self) -> Float[Array, ""] | float:
        """Return 2 (1 + momentum). Polyak 1964."""
        return 2 * (1 + self.momentum)

    def step_on_quadratic(self, curvature: float) -> list[list[float]]:
        """Return the matrix of v and theta; where the rate enters makes no difference."""
        rate, momentum = self.learning_rate, self.momentum
        return [[momentum, curvature], [-rate * momentum, 1 - rate * curvature]]


@option
class Nesterov(Optimizer):
    """v <- momentum * v + g;  theta <- theta - learning_rate * (g + momentum * v).

    Nesterov 1983 in the form of Sutskever et al. 2013, rewritten at the look-ahead point as in
    Bengio et al. 2013 (and optax, PyTorch, Keras). With `rate_inside_velocity` the learning rate
    multiplies g as in `optimizer=momentum`: v <- momentum * v + learning_rate * g and theta <-
    theta - (learning_rate * g + momentum * v), which is the rule of Sutskever et al., eq. 3 and 4,
    and of Keras under any schedule of the rate.
    """

    learning_rate: float = number(0.01, minimum=0)
    momentum: float = number(0.9, minimum=0, below=1)
    rate_inside_velocity: bool = False

    momenta: ClassVar[tuple[str, ...]] = ("momentum",)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return optax's rule, or momentum after the learning rate."""
        if self.rate_inside_velocity:
            return velocity_with_rate(learning_rate, self.momentum, nesterov=True)
        return optax.sgd(learning_rate, momentum=self.momentum, nesterov=True)

    def step_on_quadratic(self, curvature: float) -> list[list[float]]:
        """Return the matrix of v and theta; where the rate enters makes no difference."""
        rate, momentum = self.learning_rate, self.momentum
        return [
            [momentum, curvature],
            [-rate * momentum**2, 1 - rate * curvature * (1 + momentum)],
        ]


class QHMState(NamedTuple):
    """The moving average of the gradient."""

    average: Params


@option
class QHM(UpdateRule[QHMState]):
    """theta <- theta - learning_rate * ((1 - nu) * g + nu * m), with m the moving average of g.

    m <- momentum * m + (1 - momentum) * g before the step, from 0, without correction of its bias.
    Quasi-hyperbolic momentum, Ma & Yarats 2019, eq. 3 and 4, who recommend nu = 0.7 with a momentum
    of 0.999. nu = 0 is gradient descent; nu = 1 is `optimizer=momentum` and nu = momentum is
    `optimizer=nesterov`, both at learning_rate * (1 - momentum), since m is an average.
    """

    learning_rate: float = number(0.1, minimum=0)
    momentum: float = number(0.999, minimum=0, below=1)
    nu: float = number(0.7, minimum=0, maximum=1)

    momenta: ClassVar[tuple[str, ...]] = ("momentum",)

    def init(self, params: Params) -> QHMState:
        """Return a zero average."""
        return QHMState(optax.tree.zeros_like(params))

    def step(self, state: QHMState, inputs: StepInputs) -> tuple[Params, QHMState]:
        """Update by a weighted mean of the gradient and its average."""
        gradient, _, rate = inputs
        average = moving_average(state.average, gradient, self.momentum)
        direction = moving_average(average, gradient, self.nu)
        return scale(-rate, direction), QHMState(average)

    def step_on_quadratic(self, curvature: float) -> list[list[float]]:
        """Return the matrix of the average and theta."""
        rate, momentum, nu = self.learning_rate, self.momentum, self.nu
        return [
            [momentum, (1 - momentum) * curvature],
            [-rate * nu * momentum, 1 - rate * curvature * (1 - nu * momentum)],
        ]


class AggMoState(NamedTuple):
    """The velocities of every parameter."""

    velocities: Params  # an array of shape `(k, *shape)` for a parameter of shape `shape`


@option
class AggMo(UpdateRule[AggMoState]):
    """v_i <- b_i * v_i + g for several b_i;  theta <- theta - learning_rate * mean of the v_i.

    Aggregated momentum, Lucas et al. 2019, eq. 1, with b_i = 1 - scale^i for i from 0 to
    velocities - 1; the defaults give the paper's 0, 0.9 and 0.99. Velocities with a large b_i make
    fast progress, those with a small one stop the oscillations.
    """

    learning_rate: float = number(0.01, minimum=0)
    velocities: int = number(3, minimum=1)
    scale: float = number(0.1, minimum=0, below=1)

    def init(self, params: Params) -> AggMoState:
        """Return zero velocities."""
        shape = (self.velocities,)
        return AggMoState(jax.tree.map(lambda p: jnp.zeros(shape + p.shape, p.dtype), params))

    def step(self, state: AggMoState, inputs: StepInputs) -> tuple[Params, AggMoState]:
        """Update by the mean of the velocities."""
        gradient, _, rate = inputs
        b = 1 - jnp.asarray(self.scale) ** jnp.arange(self.velocities)

        def advanced(v: Float[Array, "k ..."], g: Float[Array, "..."]) -> Float[Array, "k ..."]:
            return b.reshape(-1, *[1] * g.ndim).astype(g.dtype) * v + g

        velocities = jax.tree.map(advanced, state.velocities, gradient)
        updates = jax.tree.map(lambda v: -rate * v.mean(0), velocities)
        return updates, AggMoState(velocities)


@option
class SignSGD(Optimizer):
    """theta <- theta - learning_rate * sign(g).

    Bernstein et al. 2018, algorithm 1.
    """

    learning_rate: float = number(0.001, minimum=0)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return optax's rule."""
        return optax.sign_sgd(learning_rate)


@option
class Lion(Optimizer):
    """theta <- theta - learning_rate * (sign(b1 * m + (1 - b1) * g) + weight_decay * theta).

    Then m <- b2 * m + (1 - b2) * g. Chen et al. 2023, program 1 ("evolved sign momentum"), who
    recommend a learning rate 3 to 10 times smaller than Adam's. Biases and normalizations do not
    decay unless `decay_all`.
    """

    learning_rate: float = number(1e-4, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.99, minimum=0, below=1)
    weight_decay: float = number(0.0, minimum=0)
    decay_all: bool = False

    momenta: ClassVar[tuple[str, ...]] = ("b1", "b2")

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return optax's rule."""
        return optax.lion(
            learning_rate,
            b1=self.b1,
            b2=self.b2,
            weight_decay=self.weight_decay,
            mask=decay_mask(self.decay_all),
        )
