"""Initializers: the distribution of the weights before the first step.

The last axis of a kernel counts the outputs, the other axes count the inputs of one output. So a
dense kernel `(inputs, outputs)` has fan-in `inputs` and fan-out `outputs`, and a convolution
kernel `(height, width, in, out)` has fan-in `height * width * in` and fan-out
`height * width * out`. Biases start at zero with every initializer.

Rules that derive the spread from the shape have a factor `scale`: 1 is the paper's rule.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING

from runner.lazy import jax, jnp
from runner.options.option import Option, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the fan-in and fan-out of a kernel of this shape (see the module's docstring)."""
    receptive_field = math.prod(shape[:-2])
    return receptive_field * shape[-2], receptive_field * shape[-1]


class Initializer(Option):
    """A distribution over kernels."""

    @abstractmethod
    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Draw a kernel of the given shape."""


@option
class Zeros(Initializer):
    """W = 0. The units of a layer always stay equal, which is why weights are drawn at random."""

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Return zeros; the key is not used."""
        return jnp.zeros(shape)


@option
class Normal(Initializer):
    """W ~ N(0, stddev^2), for layers of every shape."""

    stddev: float = number(0.01, minimum=0)

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Draw from N(0, stddev^2)."""
        return self.stddev * jax.random.normal(key, shape)


@option
class XavierUniform(Initializer):
    """W ~ U(-a, a) with a = scale * sqrt(6 / (fan_in + fan_out)).

    Keeps the variances of activations and gradients similar from layer to layer in linear or tanh
    networks. Glorot & Bengio 2010, eq. 16 ("normalized initialization").
    """

    scale: float = number(1.0, minimum=0)

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Draw from U(-a, a)."""
        fan_in, fan_out = fans(shape)
        limit = self.scale * math.sqrt(6 / (fan_in + fan_out))
        return limit * jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)


@option
class HeNormal(Initializer):
    """W ~ N(0, scale^2 * 2 / fan_in).

    Keeps the variance of activations from layer to layer in networks with rectifiers. He et al.
    2015, eq. 10. Like PyTorch's `kaiming_normal_`, this is the untruncated normal distribution of
    the paper; Keras and `jax.nn` truncate it at two standard deviations and rescale it.
    """

    scale: float = number(1.0, minimum=0)

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Draw from N(0, scale^2 * 2 / fan_in)."""
        fan_in, _ = fans(shape)
        return self.scale * math.sqrt(2 / fan_in) * jax.random.normal(key, shape)
