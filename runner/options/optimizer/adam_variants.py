"""Adaptive methods derived from Adam: other averages, another order, or a corrected variance."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options.layer import Params
from runner.options.moving_average import moving_average
from runner.options.optimizer.adam import MomentRule, Moments
from runner.options.optimizer.base import (
    Optimizer,
    StepInputs,
    UpdateRule,
    decay_mask,
    decay_term,
    scale,
    square,
)
from runner.options.option import leaf, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


@option
class QHAdam(MomentRule[Moments]):
    """theta <- theta - learning_rate * (g and m^) / (sqrt(g^2 and v^) + eps), each a weighted mean.

    The weights of g and m^ are 1 - nu1 and nu1, those of g^2 and v^ are 1 - nu2 and nu2.
    Quasi-hyperbolic Adam: Ma & Yarats 2019, algorithm 2; nu1 = nu2 = 1 is Adam. They recommend
    b1 = 0.995 with nu1 = 0.7.
    """

    learning_rate: float = number(0.001, minimum=0)
    b1: float = number(0.995, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    nu1: float = number(0.7, minimum=0, maximum=1)
    nu2: float = number(1.0, minimum=0, maximum=1)
    eps: float = number(1e-8, above=0)

    def init(self, params: Params) -> Moments:
        """Return zero moments."""
        return self.zero_moments(params)

    def step(self, state: Moments, inputs: StepInputs) -> tuple[Params, Moments]:
        """Update by a mean of gradient and first moment over the root of a mean of squares."""
        gradient, _, rate = inputs
        moments = self.next_moments(state, gradient)
        c1, c2 = 1 - moments.b1_power, 1 - moments.b2_power

        def update(
            g: Float[Array, "..."], m: Float[Array, "..."], v: Float[Array, "..."]
        ) -> Float[Array, "..."]:
            mean_square = (1 - self.nu2) * g**2 + self.nu2 * v / c2
            mean = (1 - self.nu1) * g + self.nu1 * m / c1
            return -rate * mean / (jnp.sqrt(mean_square) + self.eps)

        return jax.tree.map(update, gradient, moments.m, moments.v), moments


@option
class RAdam(Optimizer):
    """Adam whose adaptive step waits until the variance of its rate is known, and is rectified.

    With rho_inf = 2 / (1 - b2) - 1 and rho_t = rho_inf - 2 t b2^t / (1 - b2^t): where rho_t >
    threshold, theta <- theta - learning_rate * r_t * m^ / (sqrt(v^) + eps) with r_t^2 =
    (rho_t - 4)(rho_t - 2) rho_inf / ((rho_inf - 4)(rho_inf - 2) rho_t); before that, theta <-
    theta - learning_rate * m^. Liu et al. 2020, algorithm 2, with threshold 4; the authors' code,
    PyTorch and optax wait for 5.
    """

    learning_rate: float = number(0.001, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, above=0.6, below=1)
    eps: float = number(1e-8, above=0)
    threshold: float = number(4.0, minimum=4)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return optax's rule."""
        return optax.radam(
            learning_rate, b1=self.b1, b2=self.b2, eps=self.eps, threshold=self.threshold
        )


@option
class AdaBelief(Optimizer):
    """theta <- theta - learning_rate * m^ / (sqrt(s^) + eps), s the moving average of (g - m)^2.

    s <- b2 * s + (1 - b2) * (g - m)^2 + eps: steps are long where the gradient is as expected.
    Zhuang et al. 2020, algorithm 2, with the eps of its experiments.
    """

    learning_rate: float = number(0.001, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    eps: float = number(1e-8, above=0)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return optax's rule."""
        return optax.adabelief(
            learning_rate, b1=self.b1, b2=self.b2, eps=self.eps, eps_root=self.eps
        )


class AdanState(NamedTuple):
    """Three moving averages and what their next values need."""

    m: Params  # of the gradient
    v: Params  # of the difference between successive gradients
    n: Params  # of the squared look-ahead gradient
    last_gradient: Params
    step: Int[Array, ""]  # number of steps so far


@option
class Adan(UpdateRule[AdanState]):
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

    def init(self, params: Params) -> AdanState:
        """Return zero averages at step 0."""
        zeros = optax.tree.zeros_like(params)
        return AdanState(zeros, zeros, zeros, zeros, jnp.zeros((), int))

    def step(self, state: AdanState, inputs: StepInputs) -> tuple[Params, AdanState]:
        """Update with adaptive Nesterov momentum."""
        gradient, params, rate = inputs
        first = state.step == 0
        difference = jax.tree.map(
            lambda g, last: jnp.where(first, 0.0, g - last), gradient, state.last_gradient
        )
        ahead = jax.tree.map(lambda g, d: g + self.b2 * d, gradient, difference)
        # A decay of 0 starts the averages at their first values.
        m = moving_average(state.m, gradient, jnp.where(first, 0.0, self.b1))
        v = moving_average(state.v, difference, jnp.where(first, 0.0, self.b2))
        n = moving_average(state.n, square(ahead), jnp.where(first, 0.0, self.b3))

        def update(
            decays: bool,
            m: Float[Array, "..."],
            v: Float[Array, "..."],
            n: Float[Array, "..."],
            p: Float[Array, "..."],
        ) -> Float[Array, "..."]:
            moved = p - rate / (jnp.sqrt(n) + self.eps) * (m + self.b2 * v)
            return moved / (1 + decays * rate * self.weight_decay) - p

        updates = jax.tree.map(update, decay_mask(self.decay_all)(params), m, v, n, params)
        return updates, AdanState(m, v, n, gradient, state.step + 1)


class AdEMAMixState(NamedTuple):
    """Three moving averages and the number of steps."""

    fast: Params  # of the gradient, with b1
    slow: Params  # of the gradient, with b3
    v: Params  # of the squared gradient, with b2
    step: Int[Array, ""]


@option
class AdEMAMix(UpdateRule[AdEMAMixState]):
    """theta <- theta - learning_rate * (m1^ + alpha * m2) / (sqrt(v^) + eps), and weight decay.

    m1 (with b1) and v (with b2) are Adam's moments with bias correction; m2 <- b3 * m2 + (1 - b3)
    * g remembers thousands of gradients, without correction. Over the first `warmup` steps alpha
    grows linearly from 0, and b3 from b1 such that its half-life grows linearly; with `warmup: 0`
    both have their final values from the start. Pagliardini, Ablin & Grangier 2024, algorithm 1,
    who warm up over the whole run. Biases and normalizations do not decay unless `decay_all`.
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

    def init(self, params: Params) -> AdEMAMixState:
        """Return zero averages at step 0."""
        zeros = optax.tree.zeros_like(params)
        return AdEMAMixState(zeros, zeros, zeros, jnp.zeros((), int))

    def step(self, state: AdEMAMixState, inputs: StepInputs) -> tuple[Params, AdEMAMixState]:
        """Update with a mixture of a fast and a slow average."""
        gradient, params, rate = inputs
        t = state.step + 1
        alpha, b3 = self._warmed_up(t)
        fast = moving_average(state.fast, gradient, self.b1)
        slow = moving_average(state.slow, gradient, b3)
        v = moving_average(state.v, square(gradient), self.b2)
        c1, c2 = 1 - self.b1**t, 1 - self.b2**t
        decay = decay_term(params, self.weight_decay, self.decay_all)
        updates = jax.tree.map(
            lambda m1, m2, v, d: (
                -rate * ((m1 / c1 + alpha * m2) / (jnp.sqrt(v / c2) + self.eps) + d)
            ),
            fast,
            slow,
            v,
            decay,
        )
        return updates, AdEMAMixState(fast, slow, v, t)

    def _warmed_up(self, t: Int[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """The values of alpha and b3 at step t, from 1."""
        # With `warmup: 0` the progress is 1 at step 1.
        progress = jnp.minimum(t / jnp.maximum(self.warmup, 1), 1.0)
        log_b1, log_b3 = jnp.log(self.b1), jnp.log(self.b3)
        b3 = jnp.exp(log_b1 * log_b3 / ((1 - progress) * log_b3 + progress * log_b1))
        return progress * self.alpha, jnp.minimum(b3, self.b3)


class AdoptState(NamedTuple):
    """The moving averages and the number of gradients seen."""

    m: Params  # of the normalized gradient
    v: Params  # of the squared gradient
    step: Int[Array, ""]


@option
class ADOPT(UpdateRule[AdoptState]):
    """theta <- theta - learning_rate * m;  m <- b1 * m + (1 - b1) * clip(g / max(sqrt(v), eps)).

    v is the average of the steps *before*, and includes this step's g only afterwards: v <- b2 * v
    + (1 - b2) * g^2. So it is independent of g, and the rule converges for every b2. The first
    gradient only starts v = g^2. `clipping` limits the ratio to +-t^(1/4) (t from 1 at the second
    gradient). Taniguchi et al. 2024, algorithm 2; without clipping, algorithm 1.
    """

    learning_rate: float = number(0.001, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.9999, minimum=0, below=1)
    eps: float = number(1e-6, above=0)
    clipping: bool = True

    def init(self, params: Params) -> AdoptState:
        """Return zero averages at step 0."""
        zeros = optax.tree.zeros_like(params)
        return AdoptState(zeros, zeros, jnp.zeros((), int))

    def step(self, state: AdoptState, inputs: StepInputs) -> tuple[Params, AdoptState]:
        """Update by the normalized gradient, then average its square."""
        first = state.step == 0
        limit = jnp.where(first, 1, state.step) ** 0.25 if self.clipping else jnp.inf

        def normalized(g: Float[Array, "..."], v: Float[Array, "..."]) -> Float[Array, "..."]:
            ratio = jnp.clip(g / jnp.maximum(jnp.sqrt(v), self.eps), -limit, limit)
            return jnp.where(first, 0.0, ratio)

        m = moving_average(state.m, jax.tree.map(normalized, inputs.gradient, state.v), self.b1)
        # A decay of 0 starts the average at the first square.
        v = moving_average(state.v, square(inputs.gradient), jnp.where(first, 0.0, self.b2))
        return scale(-inputs.learning_rate, m), AdoptState(m, v, state.step + 1)
