"""Initializers without random numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.lazy import jnp
from runner.options.initializer.base import Initializer
from runner.options.option import PerLayer, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


@option
class Zeros(Initializer):
    """W = 0. The units of a layer always stay equal, which is why weights are drawn at random."""

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Return zeros; the key is not used."""
        return jnp.zeros(shape)


@option
class Constant(Initializer):
    """W = value, every weight the same.

    All units of a layer then compute the same, get the same gradient and stay equal, as with
    zeros: a layer of any width has the capacity of one unit.
    """

    value: PerLayer = number(0.01)

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Return a kernel of this value; the key is not used."""
        return jnp.full(shape, self.value)


@option
class Identity(Initializer):
    """W = scale * I: output i starts as input i, and what has no partner as 0.

    Le et al. 2015, for the recurrent matrix (with relu: their IRNN). A kernel that is not square is
    the identity with rows or columns of zeros added. In a convolution the tap in the centre passes
    each channel on, and the other taps are 0 (PyTorch's `dirac_`; Zagoruyko & Komodakis 2017); with
    an even side the tap is the one that `padding=same` puts on the pixel itself.
    """

    scale: PerLayer = number(1.0, minimum=0)

    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Return scale * I; the key is not used."""
        *sides, inputs, outputs = shape
        centre = tuple((side - 1) // 2 for side in sides)
        return jnp.zeros(shape).at[centre].set(self.scale * jnp.eye(inputs, outputs))
