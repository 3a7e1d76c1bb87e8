"""Smooth rectifiers: close to x for large x, bounded for small x, and curved in between."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from runner.lazy import jax, jnp
from runner.options.activation.base import Elementwise
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float

TANH_IS_ONE = 10.0
"""From here on the tanh in `gelu` is 1 in single precision, and -1 from minus this on."""


@option
class Softplus(Elementwise):
    """f(x) = log(1 + exp(beta * x)) / beta, which tends to relu as beta grows.

    Dugas et al. 2001, with beta = 1; its slope is sigmoid(beta * x).
    """

    beta: float = number(1.0, above=0)

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return log(1 + exp(beta * x)) / beta."""
        return jax.nn.softplus(self.beta * inputs) / self.beta


@option
class Elu(Elementwise):
    """f(x) = x for x > 0, else alpha * (exp(x) - 1). Clevert et al. 2016, eq. 15.

    It bends at 0 unless alpha is 1.
    """

    alpha: float = number(1.0, minimum=0)

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return x for x > 0, else alpha * (exp(x) - 1)."""
        return jax.nn.elu(inputs, self.alpha)


@option
class Selu(Elementwise):
    """f(x) = lambda * x for x > 0, else lambda * alpha * (exp(x) - 1): self-normalizing.

    Klambauer et al. 2017, eq. 2, with lambda = 1.0507 and alpha = 1.6733: with weights of mean 0
    and variance 1 / fan_in (`initializer=lecun_normal`) mean 0 and variance 1 of a layer's inputs
    are a stable fixed point, which activations approach from layer to layer. Dropout disturbs it,
    `regularization=alpha_dropout` does not.
    """

    self_normalizes: ClassVar[bool] = True

    @property
    def steepest(self) -> float:
        """The slope lambda * alpha below 0."""
        return 1.7580993

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return lambda * x for x > 0, else lambda * alpha * (exp(x) - 1)."""
        return jax.nn.selu(inputs)


@option
class Gelu(Elementwise):
    """f(x) = x * Phi(x), with Phi the distribution function of the standard normal distribution.

    Hendrycks & Gimpel 2016. `form: exact` computes Phi by the error function, as PyTorch and Keras
    do by default; `form: tanh` is the paper's approximation, x / 2 * (1 + tanh(sqrt(2 / pi) *
    (x + 0.044715 * x^3))), the default of JAX and Flax. They differ by at most 0.0005.
    """

    form: Literal["exact", "tanh"] = "exact"

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return x * Phi(x)."""
        if self.form == "exact":
            return jax.nn.gelu(inputs, approximate=False)
        # Cubes of large numbers are infinite, and their gradients NaN.
        near = jnp.clip(inputs, -TANH_IS_ONE, TANH_IS_ONE)
        argument = math.sqrt(2 / math.pi) * (near + 0.044715 * near**3)
        return inputs / 2 * (1 + jnp.tanh(argument))


@option
class Silu(Elementwise):
    """f(x) = x * sigmoid(beta * x), not monotonic: its least value is -0.28 / beta.

    Elfwing et al. 2018 (SiLU, beta = 1); Ramachandran et al. 2017 (Swish, with a beta). It tends to
    relu as beta grows, and is x / 2 for beta = 0.
    """

    beta: float = number(1.0, minimum=0)

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return x * sigmoid(beta * x)."""
        return inputs * jax.nn.sigmoid(self.beta * inputs)


@option
class Mish(Elementwise):
    """f(x) = x * tanh(log(1 + exp(x))). Misra 2020, eq. 1."""

    def __call__(self, inputs: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """Return x * tanh(softplus(x))."""
        return jax.nn.mish(inputs)
