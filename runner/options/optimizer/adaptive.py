"""Adaptive methods of one moment: the gradient over a root of its squares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from runner.lazy import jax, jnp, optax
from runner.options.optimizer.base import Optimizer
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float


def over_root(
    numerator: Float[Array, "..."],
    square: Float[Array, "..."],
    eps: Float[Array, ""] | float,
    inside: bool,
) -> Float[Array, "..."]:
    """Numerator / (sqrt(square) + eps), or numerator / sqrt(square + eps)."""
    return numerator / (jnp.sqrt(square + eps) if inside else jnp.sqrt(square) + eps)


@option
class Adagrad(Optimizer):
    """G <- G + g^2;  theta <- theta - learning_rate * g / (sqrt(G) + eps).

    Duchi, Hazan & Singer 2011, figure 1 (diagonal), as in Goodfellow et al. 2016, algorithm 8.4.
    G starts at `initial`: 0 here and in PyTorch, 0.1 in Keras and optax. `eps_inside_root` divides
    by sqrt(G + eps) as Ruder 2016 and optax do.
    """

    learning_rate: float = number(0.01, minimum=0)
    initial: float = number(0.0, minimum=0)
    eps: float = number(1e-7, above=0)
    eps_inside_root: bool = False

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Adagrad, diagonal."""

        def init(params: Any) -> Any:
            return jax.tree.map(lambda p: jnp.full_like(p, self.initial), params)

        def update(gradient: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
            state = jax.tree.map(lambda total, g: total + g**2, state, gradient)
            updates = jax.tree.map(
                lambda total, g: (
                    -learning_rate * over_root(g, total, self.eps, self.eps_inside_root)
                ),
                state,
                gradient,
            )
            return updates, state

        return optax.GradientTransformation(init, update)


@option
class Adadelta(Optimizer):
    """theta <- theta - learning_rate * g * sqrt(d + eps) / sqrt(v + eps).

    v <- decay * v + (1 - decay) * g^2 and d <- decay * d + (1 - decay) * (the step)^2 afterwards.
    Zeiler 2012, algorithm 1, has no learning rate to set: 1.0 is the paper's rule (Keras's default
    is 0.001).
    """

    learning_rate: float = number(1.0, minimum=0)
    decay: float = number(0.95, minimum=0, below=1)
    eps: float = number(1e-6, above=0)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Adadelta."""
        return optax.adadelta(learning_rate, rho=self.decay, eps=self.eps)


@option
class RMSProp(Optimizer):
    """theta <- theta - learning_rate * g / (sqrt(v) + eps).

    v <- decay * v + (1 - decay) * g^2 is the running mean square of the gradient.

    Tieleman & Hinton 2012, lecture 6.5, which has no eps. Here as in PyTorch it stands outside the
    root; `eps_inside_root` is optax's and Keras's default. `centered` subtracts the square of the
    running mean of g from v (Graves 2013). PyTorch's default decay (`alpha`) is 0.99.
    """

    learning_rate: float = number(0.001, minimum=0)
    decay: float = number(0.9, minimum=0, below=1)
    eps: float = number(1e-8, above=0)
    eps_inside_root: bool = False
    centered: bool = False

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """RMSProp without momentum."""
        return optax.rmsprop(
            learning_rate,
            decay=self.decay,
            eps=self.eps,
            eps_in_sqrt=self.eps_inside_root,
            centered=self.centered,
        )


@option
class RMSPropNesterov(Optimizer):
    """RMSProp with Nesterov momentum: with r = g / (sqrt(v) + eps) in the place of the gradient.

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
        """RMSProp, then Nesterov momentum, then the rate."""
        return optax.chain(
            optax.scale_by_rms(self.decay, self.eps, eps_in_sqrt=self.eps_inside_root),
            optax.trace(self.momentum, nesterov=True),
            optax.scale_by_learning_rate(learning_rate),
        )


@option
class Yogi(Optimizer):
    """theta <- theta - learning_rate * m / (sqrt(v) + eps).

    m <- b1 * m + (1 - b1) * g and v <- v - (1 - b2) * sign(v - g^2) * g^2: v moves towards g^2 by
    an amount that depends on g alone. Zaheer et al. 2018, algorithm 2, without bias correction as
    there; `bias_correction` divides both by 1 - b^t as optax does. v starts at `initial`.
    """

    learning_rate: float = number(0.01, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    eps: float = number(1e-3, above=0)
    initial: float = number(1e-6, minimum=0)
    bias_correction: bool = False

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Yogi."""

        def init(params: Any) -> Any:
            m = jax.tree.map(jnp.zeros_like, params)
            v = jax.tree.map(lambda p: jnp.full_like(p, self.initial), params)
            return jnp.zeros((), int), m, v

        def update(gradient: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
            step, m, v = state[0] + 1, state[1], state[2]
            m = jax.tree.map(lambda m, g: self.b1 * m + (1 - self.b1) * g, m, gradient)
            v = jax.tree.map(
                lambda v, g: v - (1 - self.b2) * jnp.sign(v - g**2) * g**2, v, gradient
            )
            c1, c2 = (1 - self.b1**step, 1 - self.b2**step) if self.bias_correction else (1.0, 1.0)
            updates = jax.tree.map(
                lambda m, v: -learning_rate * (m / c1) / (jnp.sqrt(v / c2) + self.eps), m, v
            )
            return updates, (step, m, v)

        return optax.GradientTransformation(init, update)
