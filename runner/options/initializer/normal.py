"""Initializers whose spread is a number of the user's, the same for layers of every shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.lazy import jax
from runner.options.initializer.base import Initializer
from runner.options.option import PerLayer, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


@option
class Normal(Initializer):
    """W ~ N(0, stddev^2), for layers of every shape."""

    stddev: PerLayer = number(0.01, minimum=0)

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Draw from N(0, stddev^2)."""
        return self.stddev * jax.random.normal(key, shape)


@option
class TruncatedNormal(Initializer):
    """W ~ N(0, stddev^2), drawn again until it is within two standard deviations.

    `stddev` is that of the normal distribution before it is cut, as in JAX, in Keras's
    `TruncatedNormal` and in PyTorch's `trunc_normal_` (whose bounds are absolute, -2 and 2). The
    weights have 0.8796 times as much. Keras's and JAX's variance scaling (`he_normal` and others)
    divide by this factor instead, so that the weights have the variance asked for.
    """

    stddev: PerLayer = number(0.01, minimum=0)

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Draw from the truncated N(0, stddev^2)."""
        return self.stddev * jax.random.truncated_normal(key, -2.0, 2.0, shape)
