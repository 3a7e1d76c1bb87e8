"""Methods that evaluate an average of the points they have visited.

Training goes on at one point, and validation and test are evaluated at another. With
`normalization=batch` mind that the moving averages belong to the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options.optimizer.base import Optimizer, decayed, zeros
from runner.options.option import leaf, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


class AverageState(NamedTuple):
    """The average, and the number of steps."""

    average: Any
    step: Int[Array, ""]


@option
class AveragedSGD(Optimizer):
    """theta <- theta - learning_rate * g, evaluated at the mean of all theta after `burn_in` steps.

    Polyak & Juditsky 1992 (and Ruppert 1988). Until step `burn_in` the mean is theta itself.
    """

    learning_rate: float = number(0.1, minimum=0)
    burn_in: int = leaf(0, minimum=0)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Gradient descent that keeps the mean."""

        def init(params: Any) -> AverageState:
            return AverageState(params, jnp.zeros((), int))

        def update(
            gradient: Any, state: AverageState, params: Any = None
        ) -> tuple[Any, AverageState]:
            updates = jax.tree.map(lambda g: -learning_rate * g, gradient)
            step = state.step + 1
            weight = 1.0 / jnp.maximum(step - self.burn_in, 1)
            average = jax.tree.map(
                lambda mean, p, u: mean + weight * (p + u - mean), state.average, params, updates
            )
            return updates, AverageState(average, step)

        return optax.GradientTransformation(init, update)

    def evaluated(self, memory: AverageState, params: Any) -> Any:
        """The mean."""
        return memory.average


class ScheduleFreeState(NamedTuple):
    """The point z that takes the steps, the average x, and the sum of the weights in x."""

    z: Any
    x: Any
    weights: Float[Array, ""]


def _averaged(state: ScheduleFreeState, z: Any, rate: Any, momentum: Any) -> Any:
    """X <- (1 - c) x + c z with c = rate^2 / sum of rate^2, and the point y to train at."""
    weights = state.weights + rate**2
    c = rate**2 / jnp.where(weights > 0, weights, 1.0)
    x = jax.tree.map(lambda x, z: (1 - c) * x + c * z, state.x, z)
    y = jax.tree.map(lambda x, z: (1 - momentum) * z + momentum * x, x, z)
    return y, ScheduleFreeState(z, x, weights)


@option
class ScheduleFreeSGD(Optimizer):
    """z <- z - learning_rate * (g(y) + weight_decay * y);  x <- (1 - c) * x + c * z.

    Gradients are taken at y = (1 - momentum) * z + momentum * x, which is what is trained, and x is
    evaluated; c = learning_rate^2 / (sum of its squares so far), so 1/t at a constant rate. The
    average takes the place of a decreasing schedule (use `schedule=constant`, perhaps with
    `warmup=linear`). Defazio et al. 2024, eq. 2 to 5. Biases and normalizations do not decay
    unless `decay_all`.
    """

    learning_rate: float = number(0.5, minimum=0)
    momentum: float = number(0.9, minimum=0, below=1)
    weight_decay: float = number(0.0, minimum=0)
    decay_all: bool = False

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Schedule-free gradient descent."""

        def init(params: Any) -> ScheduleFreeState:
            return ScheduleFreeState(params, params, jnp.zeros(()))

        def update(
            gradient: Any, state: ScheduleFreeState, params: Any = None
        ) -> tuple[Any, ScheduleFreeState]:
            decay = decayed(params, self.weight_decay, self.decay_all)
            z = jax.tree.map(lambda z, g, d: z - learning_rate * (g + d), state.z, gradient, decay)
            y, state = _averaged(state, z, learning_rate, self.momentum)
            return jax.tree.map(jnp.subtract, y, params), state

        return optax.GradientTransformation(init, update)

    def evaluated(self, memory: ScheduleFreeState, params: Any) -> Any:
        """The average x."""
        return memory.x


class ScheduleFreeAdamState(NamedTuple):
    """The averages, the second moment and the number of steps."""

    free: ScheduleFreeState
    v: Any
    step: Int[Array, ""]


@option
class ScheduleFreeAdamW(Optimizer):
    """z <- z - rate * (g(y) / (sqrt(v) + eps) + weight_decay * y);  x <- (1 - c) * x + c * z.

    As `schedule_free_sgd`, with v <- b2 * v + (1 - b2) * g^2, rate = learning_rate * sqrt(1 -
    b2^t), c = rate^2 / (sum of its squares so far), and b1 in the place of momentum. Defazio et
    al. 2024, algorithm 1. Biases and normalizations do not decay unless `decay_all`.
    """

    learning_rate: float = number(0.0025, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    eps: float = number(1e-8, above=0)
    weight_decay: float = number(0.0, minimum=0)
    decay_all: bool = False

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Schedule-free AdamW."""

        def init(params: Any) -> ScheduleFreeAdamState:
            free = ScheduleFreeState(params, params, jnp.zeros(()))
            return ScheduleFreeAdamState(free, zeros(params), jnp.zeros((), int))

        def update(
            gradient: Any, state: ScheduleFreeAdamState, params: Any = None
        ) -> tuple[Any, ScheduleFreeAdamState]:
            step = state.step + 1
            rate = learning_rate * jnp.sqrt(1 - self.b2**step)
            v = jax.tree.map(lambda v, g: self.b2 * v + (1 - self.b2) * g**2, state.v, gradient)
            decay = decayed(params, self.weight_decay, self.decay_all)
            z = jax.tree.map(
                lambda z, g, v, d: z - rate * (g / (jnp.sqrt(v) + self.eps) + d),
                state.free.z,
                gradient,
                v,
                decay,
            )
            y, free = _averaged(state.free, z, rate, self.b1)
            updates = jax.tree.map(jnp.subtract, y, params)
            return updates, ScheduleFreeAdamState(free, v, step)

        return optax.GradientTransformation(init, update)

    def evaluated(self, memory: ScheduleFreeAdamState, params: Any) -> Any:
        """The average x."""
        return memory.free.x
