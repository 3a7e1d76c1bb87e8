"""Weight normalization: kernels as a length and a direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.lazy import jax, jnp
from runner.options.layer import KernelMap, Layer, LayerState, Params, pure
from runner.options.normalization.base import Normalization
from runner.options.option import option
from runner.options.parameters import GAIN

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray

_TINY = 1e-20
"""Added to the square of a length, so that a kernel of zeros has finite gradients."""


@option
class WeightNorm(Normalization):
    """y = x W + b with W = gain * v / ||v||: the weights of a unit as length and direction.

    Salimans & Kingma 2016, eq. 2. The norm is over the incoming weights of each unit (of a channel:
    over its receptive field). v is the kernel that the initializer draws, and `gain` starts at
    ||v||, so that the network starts as without normalization; the paper's initialization from a
    batch of data is left out. The paper normalizes the last layer as well; here logits are not, as
    with all normalizations. In a recurrent network both matrices are normalized.

    The gradient for v is orthogonal to v, so that ||v|| only grows under plain gradient descent.
    Weight decay, `l2` and `max_norm` act on v, whose length has no effect on the function: they
    change how far a step turns v.
    """

    def layer(self) -> Layer:
        """Return the identity: the kernel is normalized, and not what it computes."""
        return pure(lambda inputs: inputs)

    def kernel_map(self) -> KernelMap:
        """Return the map from v to gain * v / ||v||."""

        def init(
            key: PRNGKeyArray, kernel: Float[Array, "*inputs units"]
        ) -> tuple[Params, LayerState]:
            return {GAIN: jnp.sqrt(_squared_lengths(kernel))}, {}

        def apply(
            params: Params, state: LayerState, kernel: Float[Array, "*inputs units"], training: bool
        ) -> tuple[Float[Array, "*inputs units"], LayerState]:
            v = kernel.astype(params[GAIN].dtype)
            return v * (params[GAIN] * jax.lax.rsqrt(_squared_lengths(v))), state

        return KernelMap(init, apply)


def _squared_lengths(kernel: Float[Array, "*inputs units"]) -> Float[Array, " units"]:
    """The squared norm of the incoming weights of each unit, and a little more."""
    return jnp.square(kernel).sum(tuple(range(kernel.ndim - 1))) + _TINY
