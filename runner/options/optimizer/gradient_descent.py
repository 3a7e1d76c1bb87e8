"""Gradient descent: plain, with momentum, and with Nesterov's correction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.lazy import optax
from runner.options.optimizer.base import Optimizer
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
        """Plain gradient descent."""
        return optax.sgd(learning_rate)


@option
class Momentum(Optimizer):
    """v <- momentum * v + g;  theta <- theta - learning_rate * v.

    The heavy ball of Polyak 1964, as optax, PyTorch and Keras write it up to where the learning
    rate enters: here (and in PyTorch) it multiplies v; in Sutskever et al. 2013 and Keras it
    multiplies g, which differs once a schedule changes it.
    """

    learning_rate: float = number(0.01, minimum=0)
    momentum: float = number(0.9, minimum=0, below=1)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """The heavy ball."""
        return optax.sgd(learning_rate, momentum=self.momentum)


@option
class Nesterov(Optimizer):
    """v <- momentum * v + g;  theta <- theta - learning_rate * (g + momentum * v).

    Nesterov 1983 in the form of Sutskever et al. 2013, rewritten at the look-ahead point as in
    Bengio et al. 2013 (and optax, PyTorch, Keras).
    """

    learning_rate: float = number(0.01, minimum=0)
    momentum: float = number(0.9, minimum=0, below=1)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Nesterov's accelerated gradient."""
        return optax.sgd(learning_rate, momentum=self.momentum, nesterov=True)
