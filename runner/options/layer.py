"""What a layer is: a pair of pure functions, and how layers follow each other.

A network is one `Layer` made of others. Its parameters, and the state that is not trained (the
moving averages of batch normalization), are nested dictionaries of arrays under readable names, so
that a float of any option may be traced and the whole may be mapped over a population of runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.lazy import jax

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray

Shape = tuple[int, ...]
Params = dict[str, Any]
LayerState = dict[str, Any]


class Layer(NamedTuple):
    """A pure function with parameters.

    `init(key, shape)` takes the shape of one example and returns `(params, state, output shape)`;
    `apply(params, state, inputs, training)` takes a batch and returns `(outputs, state)`, where
    `training` is a Python bool that chooses between batch statistics and moving averages.
    """

    init: Callable[[PRNGKeyArray, Shape], tuple[Params, LayerState, Shape]]
    apply: Callable[
        [Params, LayerState, Float[Array, "batch *features"], bool],
        tuple[Float[Array, "batch *outputs"], LayerState],
    ]


def pure(function: Callable[[Any], Any], shape: Callable[[Shape], Shape] = lambda s: s) -> Layer:
    """A layer without parameters: `function` of the batch, `shape` of one example."""
    return Layer(
        init=lambda key, inputs: ({}, {}, shape(inputs)),
        apply=lambda params, state, inputs, training: (function(inputs), state),
    )


def serial(**layers: Layer) -> Layer:
    """Apply the named layers one after another; names without parameters leave no trace."""

    def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
        params: Params = {}
        state: LayerState = {}
        for index, (name, layer) in enumerate(layers.items()):
            own_params, own_state, shape = layer.init(jax.random.fold_in(key, index), shape)
            if own_params:
                params[name] = own_params
            if own_state:
                state[name] = own_state
        return params, state, shape

    def apply(
        params: Params, state: LayerState, inputs: Float[Array, "batch *features"], training: bool
    ) -> tuple[Float[Array, "batch *outputs"], LayerState]:
        outputs = inputs
        new_state = dict(state)
        for name, layer in layers.items():
            outputs, own_state = layer.apply(
                params.get(name, {}), state.get(name, {}), outputs, training
            )
            if own_state:
                new_state[name] = own_state
        return outputs, new_state

    return Layer(init, apply)
