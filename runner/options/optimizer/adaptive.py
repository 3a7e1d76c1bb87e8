"""Adaptive methods: a step size of its own for every parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.lazy import optax
from runner.options.optimizer.base import Optimizer
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float


@option
class Adam(Optimizer):
    """theta <- theta - learning_rate * m^ / (sqrt(v^) + eps).

    m <- b1 * m + (1 - b1) * g and v <- b2 * v + (1 - b2) * g^2 are running moments of the
    gradient; m^ = m / (1 - b1^t) and v^ = v / (1 - b2^t), t counting from 1, undo the bias of
    starting them at zero. Kingma & Ba 2015, algorithm 1. `eps` stands outside the root as in the
    paper and PyTorch; TensorFlow adds it to the uncorrected root ("epsilon hat").
    """

    learning_rate: float = number(0.001, minimum=0)
    b1: float = number(0.9, minimum=0, below=1)
    b2: float = number(0.999, minimum=0, below=1)
    eps: float = number(1e-8, minimum=0)

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Adam with bias correction."""
        return optax.adam(learning_rate, b1=self.b1, b2=self.b2, eps=self.eps)
