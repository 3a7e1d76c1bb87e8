"""Initializers whose variance follows from the fans of a kernel, so that signals keep their size.

Each weight has mean 0. A uniform distribution on (-a, a) has variance a^2 / 3, so that the uniform
and the normal form of a rule have the same variance.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from runner.lazy import jax
from runner.options.initializer.base import Initializer, fans
from runner.options.option import PerLayer, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


@option
class Uniform(Initializer):
    """W ~ U(-a, a) with a = scale / sqrt(fan_in).

    The heuristic that Glorot & Bengio 2010, eq. 1, compare with, and what PyTorch's layers start
    from. Its variance 1 / (3 * fan_in) makes signals smaller from layer to layer.
    """

    scale: PerLayer = number(1.0, minimum=0)

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Draw from U(-a, a)."""
        fan_in, _ = fans(shape)
        return _uniform(key, shape, self.scale / math.sqrt(fan_in))


@option
class XavierUniform(Initializer):
    """W ~ U(-a, a) with a = scale * sqrt(6 / (fan_in + fan_out)).

    Keeps the variances of activations and gradients similar from layer to layer in linear or tanh
    networks. Glorot & Bengio 2010, eq. 16 ("normalized initialization").
    """

    scale: PerLayer = number(1.0, minimum=0)

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Draw from U(-a, a)."""
        fan_in, fan_out = fans(shape)
        return _uniform(key, shape, self.scale * math.sqrt(6 / (fan_in + fan_out)))


@option
class XavierNormal(Initializer):
    """W ~ N(0, scale^2 * 2 / (fan_in + fan_out)).

    Glorot & Bengio 2010, eq. 12, the mean of what keeps activations (1 / fan_in) and what keeps
    gradients (1 / fan_out). Untruncated, as in PyTorch; Keras and `jax.nn` truncate it at two
    standard deviations and rescale it.
    """

    scale: PerLayer = number(1.0, minimum=0)

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Draw from N(0, scale^2 * 2 / (fan_in + fan_out))."""
        fan_in, fan_out = fans(shape)
        return self.scale * math.sqrt(2 / (fan_in + fan_out)) * jax.random.normal(key, shape)


@option
class HeUniform(Initializer):
    """W ~ U(-a, a) with a = scale * sqrt(6 / fan_in), the uniform form of `he_normal`.

    PyTorch's `kaiming_uniform_` with its default gain sqrt(2), Keras's `HeUniform`.
    """

    scale: PerLayer = number(1.0, minimum=0)

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Draw from U(-a, a)."""
        fan_in, _ = fans(shape)
        return _uniform(key, shape, self.scale * math.sqrt(6 / fan_in))


@option
class HeNormal(Initializer):
    """W ~ N(0, scale^2 * 2 / fan_in).

    Keeps the variance of activations from layer to layer in networks with rectifiers. He et al.
    2015, eq. 10. Like PyTorch's `kaiming_normal_`, this is the untruncated normal distribution of
    the paper; Keras and `jax.nn` truncate it at two standard deviations and rescale it.
    """

    scale: PerLayer = number(1.0, minimum=0)

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Draw from N(0, scale^2 * 2 / fan_in)."""
        fan_in, _ = fans(shape)
        return self.scale * math.sqrt(2 / fan_in) * jax.random.normal(key, shape)


@option
class LecunUniform(Initializer):
    """W ~ U(-a, a) with a = scale * sqrt(3 / fan_in), the uniform form of `lecun_normal`."""

    scale: PerLayer = number(1.0, minimum=0)

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Draw from U(-a, a)."""
        fan_in, _ = fans(shape)
        return _uniform(key, shape, self.scale * math.sqrt(3 / fan_in))


@option
class LecunNormal(Initializer):
    """W ~ N(0, scale^2 / fan_in), which `activation=selu` is made for.

    LeCun et al. 1998 ("Efficient BackProp"), eq. 16; Klambauer et al. 2017. Untruncated; Keras and
    `jax.nn` truncate it at two standard deviations and rescale it.
    """

    scale: PerLayer = number(1.0, minimum=0)

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Draw from N(0, scale^2 / fan_in)."""
        fan_in, _ = fans(shape)
        return self.scale * math.sqrt(1 / fan_in) * jax.random.normal(key, shape)


def _uniform(
    key: PRNGKeyArray, shape: tuple[int, ...], limit: Float[Array, ""] | float
) -> Float[Array, "*shape"]:
    return limit * jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)
