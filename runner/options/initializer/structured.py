"""Initializers whose weights depend on each other. Convolutions are matrices to them.

A kernel is the matrix of `fan_in` rows and as many columns as it has outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.lazy import jax, jnp
from runner.options.initializer.base import Initializer, fans
from runner.options.option import PerLayer, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


@option
class Orthogonal(Initializer):
    """W = scale * Q, with Q a random matrix whose columns (or rows, if fewer) are orthonormal.

    Saxe et al. 2014: signals keep their length through a deep linear network. Q is uniformly
    distributed (the QR decomposition of a normal matrix with the signs of Mezzadri 2007). A
    convolution is flattened to fan_in by outputs, as PyTorch and Keras do. `scale=1.414` makes up
    for the half that relu drops.
    """

    scale: PerLayer = number(1.0, minimum=0)

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Draw scale * Q."""
        fan_in, outputs = fans(shape)[0], shape[-1]
        return self.scale * jax.random.orthogonal(key, fan_in, m=outputs).reshape(shape)


@option
class Sparse(Initializer):
    """Each unit has `connections` weights from N(0, stddev^2), on random inputs; the others are 0.

    Martens 2010, section 5, with 15 connections and a standard deviation of 1 for sigmoids and
    tanh: what reaches a unit does not grow with the layer before it. A unit with fewer inputs has
    all of them. The zeros are trained like all weights. PyTorch's `sparse_` is given the fraction
    of zeros instead, and a standard deviation of 0.01.
    """

    connections: int = number(15, minimum=1)
    stddev: PerLayer = number(1.0, minimum=0)

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Draw the weights, and which inputs have one."""
        of_values, of_places = jax.random.split(key)
        matrix = fans(shape)[0], shape[-1]
        rank = jnp.argsort(jnp.argsort(jax.random.uniform(of_places, matrix), axis=0), axis=0)
        values = self.stddev * jax.random.normal(of_values, matrix)
        return jnp.where(rank < self.connections, values, 0.0).reshape(shape)
