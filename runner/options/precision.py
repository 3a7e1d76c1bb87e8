"""Precision: the floating-point type in which a network is computed.

Parameters, gradients, the optimizer's state and the loss are float32 whatever it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from runner.lazy import jnp
from runner.options.layer import Layer, LayerState, Params
from runner.options.parameters import GAIN, SHIFT, map_with_path

if TYPE_CHECKING:
    from jaxtyping import Array, Float

Precision = Literal["float32", "bfloat16"]


def in_precision(network: Layer, precision: Precision) -> Layer:
    """Return the network computed in a precision.

    With bfloat16 (8 bits of significand, the range of float32) inputs and parameters are rounded
    before the first layer; activations and products, and their gradients, are bfloat16, and the
    outputs are converted back to float32. The gradient of a parameter is that of its rounded value,
    as float32. Gains and shifts of normalizations are not rounded, because normalizations compute
    in the type of their parameters. With float32 it is the network itself.

    Args:
        network: a network with float32 parameters.
        precision: the type.
    """
    if precision == "float32":
        return network

    def rounded(path: tuple[str, ...], array: Float[Array, "..."]) -> Float[Array, "..."]:
        return array if path[-1:] in {(GAIN,), (SHIFT,)} else array.astype(jnp.bfloat16)

    def apply(
        params: Params, state: LayerState, inputs: Float[Array, "batch *features"], training: bool
    ) -> tuple[Float[Array, "batch *outputs"], LayerState]:
        params = map_with_path(rounded, params)
        outputs, state = network.apply(params, state, inputs.astype(jnp.bfloat16), training)
        return outputs.astype(inputs.dtype), state

    return Layer(network.init, apply)
