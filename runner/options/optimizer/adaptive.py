"""Adaptive methods that divide the gradient by a root of its squares."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.options.layer import Params
from runner.options.moving_average import moving_average
from runner.options.optimizer.base import Optimizer, StepInputs, UpdateRule, velocity_with_rate
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


class AdagradState(NamedTuple):
    """The sum of all squared gradients."""

    total: Params


@option
class Adagrad(UpdateRule[AdagradState]):
    """G <- G + g^2;  theta <- theta - learning_rate * g / (sqrt(G) + eps).

    Duchi, Hazan & Singer 2011, figure 1 (diagonal), as in Goodfellow et al. 2016, algorithm 8.4.
    G starts at `initial`: 0 here and in PyTorch, 0.1 in Keras and optax. `eps_inside_root` divides
    by sqrt(G + eps) as Ruder 2016 and optax do.
    """

    learning_rate: float = number(0.01, minimum=0)
    initial: float = number(0.0, minimum=0)
    eps: float = number(1e-7, above=0)
    eps_inside_root: bool = False

    def init(self, params: Params) -> AdagradState:
        """Return sums of `initial`."""
        return AdagradState(jax.tree.map(lambda p: jnp.full_like(p, self.initial), params))

    def step(self, state: AdagradState, inputs: StepInputs) -> tuple[Params, AdagradState]:
        """Update by the gradient over the root of the sum of its squares."""
        gradient, _, rate = inputs
        total = jax.tree.map(lambda total, g: total + g**2, state.total, gradient)
        updates = jax.tree.map(lambda g, total: -rate * (g / self._root(total)), gradient, total)
        return updates, AdagradState(total)

    def _root(self, total: Float[Array, "..."]) -> Float[Array, "..."]:
        if self.eps_inside_root:
            return jnp.sqrt(total + self.eps)
        return jnp.sqrt(total) + self.eps


@option
class Adadelta(Optimizer):
    """theta <- theta - learning_rate * g * sqrt(d + eps) / sqrt(v + eps).

    v <- decay * v + (1 - decay) * g^2 before the step, d <- decay * d + (1 - decay) * (the
    step)^2 after it. Zeiler 2012, algorithm 1, which has no learning rate: 1.0 is the paper's rule
    (Keras's default is 0.001).
    """

    learning_rate: float = number(1.0, minimum=0)
    decay: float = number(0.95, minimum=0, below=1)
    eps: float = number(1e-6, above=0)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return optax's rule."""
        return optax.adadelta(learning_rate, rho=self.decay, eps=self.eps)


@option
class RMSProp(Optimizer):
    """theta <- theta - learning_rate * g / (sqrt(v) + eps).

    v <- decay * v + (1 - decay) * g^2 is the moving average of the squared gradient.

    Tieleman & Hinton 2012, lecture 6.5, which has no eps. Here as in PyTorch it is added outside
    the root; `eps_inside_root` is the default of optax and Keras. `centered` subtracts the square
    of the moving average of g from v (Graves 2013). PyTorch's default decay (`alpha`) is 0.99.
    """

    learning_rate: float = number(0.001, minimum=0)
    decay: float = number(0.9, minimum=0, below=1)
    eps: float = number(1e-8, above=0)
    eps_inside_root: bool = False
    centered: bool = False

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return optax's rule, without momentum."""
        return optax.rmsprop(
            learning_rate,
            decay=self.decay,
            eps=self.eps,
            eps_in_sqrt=self.eps_inside_root,
            centered=self.centered,
        )


@option
class RMSPropMomentum(Optimizer):
    """RMSProp with heavy-ball momentum, applied to r = g / (sqrt(v) + eps) instead of the gradient.

    u <- momentum * u + r;  theta <- theta - learning_rate * u, as PyTorch does with `momentum`.
    With `rate_inside_velocity`, u <- momentum * u + learning_rate * r and theta <- theta - u: so do
    Graves 2013, eq. 38 to 41, with v `centered` as well, and TensorFlow, Keras and optax. As in
    `optimizer=momentum` this differs only where a schedule changes the rate.
    """

    learning_rate: float = number(0.001, minimum=0)
    decay: float = number(0.9, minimum=0, below=1)
    momentum: float = number(0.9, minimum=0, below=1)
    eps: float = number(1e-8, above=0)
    eps_inside_root: bool = False
    centered: bool = False
    rate_inside_velocity: bool = False

    momenta: ClassVar[tuple[str, ...]] = ("momentum",)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return RMSProp, then momentum and the learning rate in their order."""
        root = optax.scale_by_stddev if self.centered else optax.scale_by_rms
        ratio = root(self.decay, self.eps, eps_in_sqrt=self.eps_inside_root)
        if self.rate_inside_velocity:
            return optax.chain(ratio, velocity_with_rate(learning_rate, self.momentum))
        return optax.chain(
            ratio, optax.trace(self.momentum), optax.scale_by_learning_rate(learning_rate)
        )


@option
class RMSPropNesterov(Optimizer):
    """RMSProp with Nesterov momentum, applied to r = g / (sqrt(v) + eps) instead of the gradient.

    u <- momentum * u + r;  theta <- theta - learning_rate * (r + momentum * u). Goodfellow et al.
    2016, algorithm 8.6, rewritten at the look-ahead point as in `optimizer=nesterov`.
    """

    learning_rate: float = number(0.001, minimum=0)
    decay: float = number(0.9, minimum=0, below=1)
    momentum: float = number(0.9, minimum=0, below=1)
    eps: float = number(1e-8, above=0)
    eps_inside_root: bool = False

    momenta: ClassVar[tuple[str, ...]] = ("momentum",)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return RMSProp, then Nesterov momentum, then the learning rate."""
        return optax.chain(
            optax.scale_by_rms(self.decay, self.eps, eps_in_sqrt=self.eps_inside_root),
            optax.trace(self.momentum, nesterov=True),
            optax.scale_by_learning_rate(learning_rate),
        )


class YogiState(NamedTuple):
    """The two moments and the number of steps."""

    m: Params
    v: Params
    step: Int[Array, ""]


@option
class Yogi(UpdateRule[YogiState]):
    """theta <- theta - learning_rate * m / (sqrt(v) + eps).

    m <- b1 * m + (1 - b1) * g and v <- v - (1 - b2) * sign(v - g^2) * g^2: v moves towards g^2 by
    an amount that depends on g alone. Zaheer et al. 2018, algorithm 2, which has no bias
    correction; `bias_correction` divides both by 1 - b^t as optax does. v starts at `initial`.
    """

    learning_rate: float = number(0.01, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    eps: float = number(1e-3, above=0)
    initial: float = number(1e-6, minimum=0)
    bias_correction: bool = False

    def init(self, params: Params) -> YogiState:
        """Return a zero first moment and a second moment of `initial`."""
        v = jax.tree.map(lambda p: jnp.full_like(p, self.initial), params)
        return YogiState(optax.tree.zeros_like(params), v, jnp.zeros((), int))

    def step(self, state: YogiState, inputs: StepInputs) -> tuple[Params, YogiState]:
        """Update with a second moment that changes additively."""
        gradient, _, rate = inputs
        t = state.step + 1
        m = moving_average(state.m, gradient, self.b1)
        v = jax.tree.map(
            lambda v, g: v - (1 - self.b2) * jnp.sign(v - g**2) * g**2, state.v, gradient
        )
        c1, c2 = (1 - self.b1**t, 1 - self.b2**t) if self.bias_correction else (1.0, 1.0)
        updates = jax.tree.map(lambda m, v: -rate * (m / c1) / (jnp.sqrt(v / c2) + self.eps), m, v)
        return updates, YogiState(m, v, t)
