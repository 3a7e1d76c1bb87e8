"""Adaptive methods with more than two moments, or another order of the usual ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options.optimizer.base import Optimizer, decay_mask, decayed, zeros
from runner.options.option import leaf, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


class AdanState(NamedTuple):
    """The three moments, the last gradient and the number of steps."""

    m: Any
    v: Any
    n: Any
    last: Any
    step: Int[Array, ""]


@option
class Adan(Optimizer):
    """theta <- (theta - eta * (m + b2 * v)) / (1 + learning_rate * weight_decay).

    With d = g - (the gradient before), m <- b1 * m + (1 - b1) * g, v <- b2 * v + (1 - b2) * d,
    n <- b3 * n + (1 - b3) * (g + b2 * d)^2 and eta = learning_rate / (sqrt(n) + eps); at the first
    step m = g, v = 0, n = g^2. Xie et al. 2022, algorithm 1, whose betas are one minus these
    (0.02, 0.08, 0.01). The authors' code and optax start at zero and correct the bias instead.
    Biases and normalizations do not decay unless `decay_all`.
    """

    learning_rate: float = number(0.001, minimum=0)
    b1: float = number(0.98, minimum=0, below=1)
    b2: float = number(0.92, minimum=0, below=1)
    b3: float = number(0.99, minimum=0, below=1)
    eps: float = number(1e-8, above=0)
    weight_decay: float = number(0.0, minimum=0)
    decay_all: bool = False

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Adaptive Nesterov momentum."""

        def init(params: Any) -> AdanState:
            nothing = zeros(params)
            return AdanState(nothing, nothing, nothing, nothing, jnp.zeros((), int))

        def update(gradient: Any, state: AdanState, params: Any = None) -> tuple[Any, AdanState]:
            first = state.step == 0
            difference = jax.tree.map(
                lambda g, last: jnp.where(first, 0.0, g - last), gradient, state.last
            )
            ahead = jax.tree.map(lambda g, d: (g + self.b2 * d) ** 2, gradient, difference)
            m = _moment(self.b1, state.m, gradient, first)
            v = _moment(self.b2, state.v, difference, first)
            n = _moment(self.b3, state.n, ahead, first)

            def one(
                applies: bool,
                m: Float[Array, "..."],
                v: Float[Array, "..."],
                n: Float[Array, "..."],
                p: Float[Array, "..."],
            ) -> Float[Array, "..."]:
                moved = p - learning_rate / (jnp.sqrt(n) + self.eps) * (m + self.b2 * v)
                return moved / (1 + applies * learning_rate * self.weight_decay) - p

            applies = decay_mask(self.decay_all)(params)
            updates = jax.tree.map(one, applies, m, v, n, params)
            return updates, AdanState(m, v, n, gradient, state.step + 1)

        return optax.GradientTransformation(init, update)


def _moment(b: Any, old: Any, new: Any, first: Any) -> Any:
    """B * old + (1 - b) * new, or just `new` at the first step."""
    return jax.tree.map(lambda o, n: jnp.where(first, n, b * o + (1 - b) * n), old, new)


class AdEMAMixState(NamedTuple):
    """The fast, the slow and the second moment, and the number of steps."""

    fast: Any
    slow: Any
    v: Any
    step: Int[Array, ""]


@option
class AdEMAMix(Optimizer):
    """theta <- theta - learning_rate * (m1^ + alpha * m2) / (sqrt(v^) + eps), and weight decay.

    m1 (with b1) and v (with b2) are Adam's moments with bias correction; m2 <- b3 * m2 + (1 - b3)
    * g remembers thousands of gradients, without correction. Over the first `warmup` steps alpha
    grows linearly from 0, and b3 from b1 so that its half-life grows linearly; 0 is no such
    warm-up. Pagliardini, Ablin & Grangier 2024, algorithm 1, who take the whole run for it.
    Biases and normalizations do not decay unless `decay_all`.
    """

    learning_rate: float = number(0.001, minimum=0)
    b1: float = number(0.9, above=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    b3: float = number(0.9999, above=0, below=1)
    alpha: float = number(5.0, minimum=0)
    eps: float = number(1e-8, above=0)
    warmup: int = leaf(0, minimum=0)
    weight_decay: float = number(0.0, minimum=0)
    decay_all: bool = False

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Adam with a mixture of a fast and a slow moment."""

        def init(params: Any) -> AdEMAMixState:
            nothing = zeros(params)
            return AdEMAMixState(nothing, nothing, nothing, jnp.zeros((), int))

        def update(
            gradient: Any, state: AdEMAMixState, params: Any = None
        ) -> tuple[Any, AdEMAMixState]:
            t = state.step + 1
            # Without a warm-up it is over at step 1.
            passed = jnp.minimum(t / jnp.maximum(self.warmup, 1), 1.0)
            alpha = passed * self.alpha
            fast, slow = jnp.log(self.b1), jnp.log(self.b3)
            b3 = jnp.exp(fast * slow / ((1 - passed) * slow + passed * fast))
            b3 = jnp.minimum(b3, self.b3)
            m1 = _mean(self.b1, state.fast, gradient)
            m2 = _mean(b3, state.slow, gradient)
            v = jax.tree.map(lambda v, g: self.b2 * v + (1 - self.b2) * g**2, state.v, gradient)
            c1, c2 = 1 - self.b1**t, 1 - self.b2**t
            decay = decayed(params, self.weight_decay, self.decay_all)
            updates = jax.tree.map(
                lambda m1, m2, v, d: (
                    -learning_rate * ((m1 / c1 + alpha * m2) / (jnp.sqrt(v / c2) + self.eps) + d)
                ),
                m1,
                m2,
                v,
                decay,
            )
            return updates, AdEMAMixState(m1, m2, v, t)

        return optax.GradientTransformation(init, update)


def _mean(b: Any, old: Any, new: Any) -> Any:
    return jax.tree.map(lambda o, n: b * o + (1 - b) * n, old, new)


class AdoptState(NamedTuple):
    """The moments and the number of gradients seen."""

    m: Any
    v: Any
    step: Int[Array, ""]


@option
class ADOPT(Optimizer):
    """theta <- theta - learning_rate * m;  m <- b1 * m + (1 - b1) * clip(g / max(sqrt(v), eps)).

    v is that of the steps *before*, and takes this step's g only afterwards: v <- b2 * v + (1 - b2)
    * g^2. So it is independent of g, and the rule converges for every b2. The first gradient only
    starts v = g^2. `clipping` limits the ratio to +-t^(1/4) (t from 1 at the second gradient).
    Taniguchi et al. 2024, algorithm 2; without clipping, algorithm 1.
    """

    learning_rate: float = number(0.001, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.9999, minimum=0, below=1)
    eps: float = number(1e-6, above=0)
    clipping: bool = True

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Adam in another order."""

        def init(params: Any) -> AdoptState:
            return AdoptState(zeros(params), zeros(params), jnp.zeros((), int))

        def update(gradient: Any, state: AdoptState, params: Any = None) -> tuple[Any, AdoptState]:
            first = state.step == 0
            limit = jnp.where(first, 1, state.step) ** 0.25 if self.clipping else jnp.inf

            def ratio(g: Float[Array, "..."], v: Float[Array, "..."]) -> Float[Array, "..."]:
                normal = jnp.clip(g / jnp.maximum(jnp.sqrt(v), self.eps), -limit, limit)
                return jnp.where(first, 0.0, normal)

            m = _mean(self.b1, state.m, jax.tree.map(ratio, gradient, state.v))
            squares = jax.tree.map(jnp.square, gradient)
            v = _moment(self.b2, state.v, squares, first)
            updates = jax.tree.map(lambda m: -learning_rate * m, m)
            return updates, AdoptState(m, v, state.step + 1)

        return optax.GradientTransformation(init, update)
