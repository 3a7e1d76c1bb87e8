"""Activations that saturate: bounded on both sides, with slopes that vanish there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.lazy import jax, jnp
from runner.options.activation.base import Elementwise
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float


@option
class Sigmoid(Elementwise):
    """f(x) = 1 / (1 + exp(-x)), between 0 and 1; a mean near 1/2 slows deep networks down."""

    @property
    def steepest(self) -> float:
        """The slope 1/4 at 0."""
        return 0.25

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return 1 / (1 + exp(-x))."""
        return jax.nn.sigmoid(inputs)


@option
class HardSigmoid(Elementwise):
    """f(x) = clip(slope * x + 1/2, 0, 1): the sigmoid in three straight pieces.

    Courbariaux et al. 2015, with a slope of 1/2. Libraries differ in the slope: PyTorch, JAX and
    Keras from version 3 have 1/6, Keras up to version 2 and Theano have 0.2. The sigmoid's own
    slope at 0 is 1/4. The gradient is 0 at both kinks.
    """

    slope: float = number(0.16666667, above=0)

    @property
    def steepest(self) -> float:
        """The field `slope`."""
        return self.slope

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return clip(slope * x + 1/2, 0, 1)."""
        line = self.slope * inputs + 0.5
        return jnp.where(line <= 0, 0.0, jnp.where(line >= 1, 1.0, line))


@option
class Tanh(Elementwise):
    """f(x) = tanh(x), an odd function with values between -1 and 1."""

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return tanh(x)."""
        return jnp.tanh(inputs)


@option
class Softsign(Elementwise):
    """f(x) = x / (1 + |x|), between -1 and 1 as tanh, which it approaches polynomially.

    Bergstra et al. 2009; Glorot & Bengio 2010 find that it saturates less than tanh.
    """

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return x / (1 + |x|)."""
        return inputs / (1 + jnp.abs(inputs))
