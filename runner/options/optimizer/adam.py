"""Adam and its nearest relatives: two running moments of the gradient, and one step from them.

All of them keep m <- b1 * m + (1 - b1) * g, and most v <- b2 * v + (1 - b2) * g^2. Both start at
zero; the bias of that is undone by dividing by 1 - b1^t and 1 - b2^t (t from 1), where b^t stands
for the product of the b of all steps, so that a momentum schedule is corrected for what it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options.optimizer.base import Optimizer, decayed, zeros
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class Moments(NamedTuple):
    """The running moments, and the products of their decay rates over all steps so far."""

    m: Any
    v: Any
    b1_power: Float[Array, ""]
    b2_power: Float[Array, ""]


class _Adaptive(Optimizer):
    """What the family shares: the moments, and the form of a rule."""

    learning_rate: float
    b1: float
    b2: float

    momenta: ClassVar[tuple[str, ...]] = ("b1", "b2")

    def init(self, params: Any) -> Any:
        """Moments of nothing."""
        return Moments(zeros(params), zeros(params), jnp.ones(()), jnp.ones(()))

    def advanced(self, gradient: Any, state: Moments) -> Moments:
        """The moments with this step's gradient counted in."""
        return Moments(
            jax.tree.map(lambda m, g: self.b1 * m + (1 - self.b1) * g, state.m, gradient),
            jax.tree.map(lambda v, g: self.b2 * v + (1 - self.b2) * g**2, state.v, gradient),
            self.b1 * state.b1_power,
            self.b2 * state.b2_power,
        )

    def step(self, gradient: Any, state: Any, params: Any, rate: Any) -> tuple[Any, Any]:
        """The updates, and the new state."""
        raise NotImplementedError

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """The rule as a transformation."""

        def update(gradient: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
            return self.step(gradient, state, params, learning_rate)

        return optax.GradientTransformation(self.init, update)


def adam_updates(moments: Moments, rate: Any, eps: Any) -> Any:
    """-rate * m^ / (sqrt(v^) + eps), with rate and bias corrections folded into two scalars.

    With c1 = 1 - b1^t and c2 = 1 - b2^t it equals (rate * sqrt(c2) / c1) * m / (sqrt(v) +
    eps * sqrt(c2)): one division a parameter instead of three, and an update that is used as it
    stands. A whole training step of small batches is 15 to 25% faster for it than with optax's
    rule on a CPU, where such steps are bound by memory traffic.
    """
    c1, root_c2 = 1 - moments.b1_power, jnp.sqrt(1 - moments.b2_power)
    rate, eps = rate * root_c2 / c1, eps * root_c2
    return jax.tree.map(lambda m, v: -rate * m / (jnp.sqrt(v) + eps), moments.m, moments.v)


@option
class Adam(_Adaptive):
    """theta <- theta - learning_rate * m^ / (sqrt(v^) + eps).

    m <- b1 * m + (1 - b1) * g and v <- b2 * v + (1 - b2) * g^2 are running moments of the
    gradient; m^ = m / (1 - b1^t) and v^ = v / (1 - b2^t), t counting from 1, undo the bias of
    starting them at zero. Kingma & Ba 2015, algorithm 1. `eps` stands outside the root as in the
    paper and PyTorch; TensorFlow adds it to the uncorrected root ("epsilon hat").
    """

    learning_rate: float = number(0.001, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    eps: float = number(1e-8, above=0)

    def step(self, gradient: Any, state: Moments, params: Any, rate: Any) -> tuple[Any, Moments]:
        """Adam with bias correction."""
        moments = self.advanced(gradient, state)
        return adam_updates(moments, rate, self.eps), moments


@option
class AdamW(_Adaptive):
    """theta <- theta - learning_rate * (m^ / (sqrt(v^) + eps) + weight_decay * theta).

    Adam with decoupled weight decay, Loshchilov & Hutter 2019, algorithm 2, in the form of PyTorch
    and optax, where the learning rate multiplies the decay. In the paper only the schedule does:
    `independent` gives that. Biases and normalizations do not decay unless `decay_all` (PyTorch
    and optax decay everything by default).
    """

    learning_rate: float = number(0.001, above=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    eps: float = number(1e-8, above=0)
    weight_decay: float = number(0.01, minimum=0)
    independent: bool = False
    decay_all: bool = False

    def step(self, gradient: Any, state: Moments, params: Any, rate: Any) -> tuple[Any, Moments]:
        """Adam's step and the decay."""
        moments = self.advanced(gradient, state)
        shrink = rate / self.learning_rate if self.independent else rate
        decay = decayed(params, shrink * self.weight_decay, self.decay_all)
        updates = adam_updates(moments, rate, self.eps)
        return jax.tree.map(lambda u, d: u - d, updates, decay), moments


@option
class AdaMax(_Adaptive):
    """theta <- theta - learning_rate / (1 - b1^t) * m / u, with u <- max(b2 * u, |g|).

    Kingma & Ba 2015, algorithm 2: the infinity norm in the place of the root mean square. It has
    no eps; where every gradient was exactly zero there is no step. PyTorch, Keras and optax add
    one.
    """

    learning_rate: float = number(0.002, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)

    def step(self, gradient: Any, state: Moments, params: Any, rate: Any) -> tuple[Any, Moments]:
        """The exponentially weighted infinity norm."""
        u = jax.tree.map(lambda u, g: jnp.maximum(self.b2 * u, jnp.abs(g)), state.v, gradient)
        moments = self.advanced(gradient, state)._replace(v=u)
        rate = rate / (1 - moments.b1_power)
        updates = jax.tree.map(lambda m, u: -rate * m / jnp.where(u > 0, u, 1), moments.m, u)
        return updates, moments


class NadamState(NamedTuple):
    """Adam's moments and the number of steps."""

    moments: Moments
    step: Float[Array, ""]


@option
class NAdam(_Adaptive):
    """theta <- theta - learning_rate * m^ / (sqrt(v^) + eps), m^ looking one momentum step ahead.

    m^ = mu' * m / (1 - M') + (1 - mu) * g / (1 - M), with mu = b1 * (1 - 0.96^(t *
    momentum_decay) / 2), mu' that of the next step, and M, M' the products of all mu up to t and
    t + 1. Dozat 2016, algorithm 2, except that its factor b2 before v in v^ is taken for a slip,
    as everyone does. `growing: false` keeps mu = b1, as optax and Keras's predecessor did.
    PyTorch and Keras average m with b1 even though mu grows.
    """

    learning_rate: float = number(0.002, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    eps: float = number(1e-8, above=0)
    momentum_decay: float = number(0.004, minimum=0)
    growing: bool = True

    momenta: ClassVar[tuple[str, ...]] = ("b2",)

    def init(self, params: Any) -> NadamState:
        """Moments of nothing, at step 0."""
        return NadamState(super().init(params), jnp.zeros(()))

    def momentum(self, t: Float[Array, ""]) -> Any:
        """Mu at step t, from 1."""
        if not self.growing:
            return self.b1
        return self.b1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))

    def step(
        self, gradient: Any, state: NadamState, params: Any, rate: Any
    ) -> tuple[Any, NadamState]:
        """Adam with Nesterov momentum."""
        t = state.step + 1
        mu, ahead = self.momentum(t), self.momentum(t + 1)
        old = state.moments
        moments = self.advanced(gradient, old)._replace(
            m=jax.tree.map(lambda m, g: mu * m + (1 - mu) * g, old.m, gradient),
            b1_power=mu * old.b1_power,
        )
        past = ahead / (1 - ahead * moments.b1_power)
        present = (1 - mu) / (1 - moments.b1_power)
        c2 = 1 - moments.b2_power
        updates = jax.tree.map(
            lambda m, g, v: -rate * (past * m + present * g) / (jnp.sqrt(v / c2) + self.eps),
            moments.m,
            gradient,
            moments.v,
        )
        return updates, NadamState(moments, t)


class AMSGradState(NamedTuple):
    """Adam's moments and the largest second one."""

    moments: Moments
    largest: Any


@option
class AMSGrad(_Adaptive):
    """theta <- theta - learning_rate * m / (sqrt(w) + eps), with w <- max(w, v).

    Reddi, Kale & Kumar 2018, algorithm 2: moments without bias correction (it has no eps either).
    `bias_correction: after` corrects m and w by 1 - b^t after taking the maximum, as PyTorch does
    (and Keras, up to where eps stands); `before` takes the maximum of corrected v, as optax does.
    """

    learning_rate: float = number(0.001, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    eps: float = number(1e-8, above=0)
    bias_correction: Literal["none", "after", "before"] = "none"

    def init(self, params: Any) -> AMSGradState:
        """Nothing seen."""
        return AMSGradState(super().init(params), zeros(params))

    def step(
        self, gradient: Any, state: AMSGradState, params: Any, rate: Any
    ) -> tuple[Any, AMSGradState]:
        """The maximum of all second moments."""
        moments = self.advanced(gradient, state.moments)
        c1, c2 = 1 - moments.b1_power, 1 - moments.b2_power
        seen = jax.tree.map(lambda v: v / c2, moments.v)
        candidate = seen if self.bias_correction == "before" else moments.v
        largest = jax.tree.map(jnp.maximum, state.largest, candidate)
        rate = rate if self.bias_correction == "none" else rate / c1
        scale = c2 if self.bias_correction == "after" else 1.0
        updates = jax.tree.map(
            lambda m, w: -rate * m / (jnp.sqrt(w / scale) + self.eps), moments.m, largest
        )
        return updates, AMSGradState(moments, largest)


@option
class QHAdam(_Adaptive):
    """theta <- theta - learning_rate * (g and m^) / (sqrt(g^2 and v^) + eps), each a weighted mean.

    Of g and m^ with the weights 1 - nu1 and nu1, of g^2 and v^ with 1 - nu2 and nu2.
    Quasi-hyperbolic Adam: Ma & Yarats 2019, algorithm 2; nu1 = nu2 = 1 is Adam, and b1 = 0.995 the
    value they recommend with nu1 = 0.7.
    """

    learning_rate: float = number(0.001, minimum=0)
    b1: float = number(0.995, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    nu1: float = number(0.7, minimum=0, maximum=1)
    nu2: float = number(1.0, minimum=0, maximum=1)
    eps: float = number(1e-8, above=0)

    def step(self, gradient: Any, state: Moments, params: Any, rate: Any) -> tuple[Any, Moments]:
        """A mean of the gradient and its moment, over that of its square and its moment."""
        moments = self.advanced(gradient, state)
        c1, c2 = 1 - moments.b1_power, 1 - moments.b2_power

        def one(
            g: Float[Array, "..."], m: Float[Array, "..."], v: Float[Array, "..."]
        ) -> Float[Array, "..."]:
            square = (1 - self.nu2) * g**2 + self.nu2 * v / c2
            return -rate * ((1 - self.nu1) * g + self.nu1 * m / c1) / (jnp.sqrt(square) + self.eps)

        return jax.tree.map(one, gradient, moments.m, moments.v), moments


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
        """Rectified Adam."""
        return optax.radam(
            learning_rate, b1=self.b1, b2=self.b2, eps=self.eps, threshold=self.threshold
        )


@option
class AdaBelief(Optimizer):
    """theta <- theta - learning_rate * m^ / (sqrt(s^) + eps), s the moment of (g - m)^2.

    s <- b2 * s + (1 - b2) * (g - m)^2 + eps: steps are long where the gradient is as expected.
    Zhuang et al. 2020, algorithm 2, with the eps of its experiments.
    """

    learning_rate: float = number(0.001, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    eps: float = number(1e-8, above=0)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """AdaBelief."""
        return optax.adabelief(
            learning_rate, b1=self.b1, b2=self.b2, eps=self.eps, eps_root=self.eps
        )
