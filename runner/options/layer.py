"""Layers and maps of kernels: pairs of pure functions, and their composition.

A network is one `Layer` composed of others. Its parameters, and the state that is not trained (the
moving averages of batch normalization), are nested dictionaries of arrays under readable names. A
float of any option may be traced, and a whole network may be mapped over many runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from runner.lazy import jax, jnp

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray

Shape = tuple[int, ...]
"""The shape of one example, without the batch axis."""

Params = dict[str, Any]
"""Nested dictionaries of arrays: trained parameters, or one number for each of them."""

LayerState = dict[str, Any]
"""Nested dictionaries of arrays that change in training but are not trained."""


class Layer(NamedTuple):
    """A pure function with parameters.

    - `init(key, shape)` takes the shape of one example and returns `(params, state, output shape)`.
    - `apply(params, state, inputs, training)` takes a batch and returns `(outputs, new state)`;
      `training` is a Python bool, false at evaluation.
    """

    init: Callable[[PRNGKeyArray, Shape], tuple[Params, LayerState, Shape]]
    apply: Callable[
        [Params, LayerState, Float[Array, "batch *features"], bool],
        tuple[Float[Array, "batch *outputs"], LayerState],
    ]


class KernelMap(NamedTuple):
    """A pure function from the trained kernel of an affine map to the kernel that is applied.

    - `init(key, kernel)` takes the initial kernel and returns `(params, state)`: what is trained
      beside the kernel, and what changes in training but is not trained.
    - `apply(params, state, kernel, training)` returns `(kernel, new state)`, the kernel in its
      shape, whose last axis counts the outputs.
    """

    init: Callable[[PRNGKeyArray, Float[Array, "*inputs outputs"]], tuple[Params, LayerState]]
    apply: Callable[
        [Params, LayerState, Float[Array, "*inputs outputs"], bool],
        tuple[Float[Array, "*inputs outputs"], LayerState],
    ]


same_kernel = KernelMap(
    init=lambda key, kernel: ({}, {}),
    apply=lambda params, state, kernel, training: (kernel, state),
)
"""The kernel map that applies the trained kernel itself."""


_Part = TypeVar("_Part", Layer, KernelMap)


def always_training(part: _Part) -> _Part:
    """Return a layer or a map of kernels that does at evaluation what it does in training."""
    return part._replace(
        apply=lambda params, state, inputs, training: part.apply(params, state, inputs, True)
    )


def pure(
    function: Callable[[Any], Any], shape: Callable[[Shape], Shape] = lambda same: same
) -> Layer:
    """Return a layer without parameters or state.

    Args:
        function: maps a batch of inputs to the outputs.
        shape: maps the shape of one example to the shape of its output; by default they are equal.
    """
    return Layer(
        init=lambda key, inputs: ({}, {}, shape(inputs)),
        apply=lambda params, state, inputs, training: (function(inputs), state),
    )


def serial(**layers: Layer) -> Layer:
    """Return the layer that applies the given layers one after another.

    The parameters and the state of each are stored under its name; a layer without parameters has
    no entry. Every layer's outputs are converted to the type of the inputs: a number of an option
    is float32, and must not make the products after it float32 where the network is bfloat16.
    """

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
        new_state: LayerState = {}
        for name, layer in layers.items():
            outputs, own_state = layer.apply(
                params.get(name, {}), state.get(name, {}), outputs, training
            )
            outputs = outputs.astype(inputs.dtype)
            if own_state:
                new_state[name] = own_state
        others = {name: own for name, own in state.items() if name not in new_state}
        return outputs, new_state | others  # in the order of the layers

    return Layer(init, apply)


def residual(layer: Layer) -> Layer:
    """Return the layer y = x + l(x), with the parameters and the state of l.

    Args:
        layer: l, which keeps the shape of its inputs.
    """

    def apply(
        params: Params, state: LayerState, inputs: Float[Array, "batch *features"], training: bool
    ) -> tuple[Float[Array, "batch *features"], LayerState]:
        outputs, state = layer.apply(params, state, inputs, training)
        return inputs + outputs, state

    return Layer(layer.init, apply)


def with_layer_before(network: Layer, name: str, layer: Layer) -> Layer:
    """Return a network with a layer on its inputs, which keeps their shape.

    The parameters and the state of the network stay where they are, and start from the same random
    numbers; those of the layer are beside them, under its name.

    Args:
        network: the network, whose parts have other names.
        name: the name of the layer.
        layer: the layer.
    """
    first = serial(**{name: layer})

    def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
        params, state, outputs = network.init(key, shape)
        own_params, own_state, _ = first.init(jax.random.fold_in(key, _NO_INDEX), shape)
        return params | own_params, state | own_state, outputs

    def apply(
        params: Params, state: LayerState, inputs: Float[Array, "batch *features"], training: bool
    ) -> tuple[Float[Array, "batch *outputs"], LayerState]:
        inputs, after = first.apply(params, state, inputs, training)
        outputs, of_network = network.apply(params, state, inputs, training)
        return outputs, of_network | {key: after[key] for key in (name,) if key in after}

    return Layer(init, apply)


def of_symbols(network: Layer, symbols: int) -> Layer:
    """Return a network whose inputs `[batch, steps]` stand for symbols, counted from 0.

    The network gets each symbol as a vector of zeros and a 1 (one-hot), so that an affine map of it
    is an embedding. With 0 symbols, where inputs are numbers, it is the network itself.

    Args:
        network: a network of `[batch, steps, symbols]`.
        symbols: how many symbols there are.
    """
    if not symbols:
        return network

    def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
        return network.init(key, (*shape, symbols))

    def apply(
        params: Params, state: LayerState, inputs: Float[Array, "batch steps"], training: bool
    ) -> tuple[Float[Array, "batch *outputs"], LayerState]:
        is_symbol = inputs[..., None] == jnp.arange(symbols, dtype=inputs.dtype)
        return network.apply(params, state, is_symbol.astype(inputs.dtype), training)

    return Layer(init, apply)


_NO_INDEX = 2**31 - 1
"""What is folded into the key of a network for a layer before it; no network has as many layers."""


def maps_in_turn(**maps: KernelMap) -> KernelMap:
    """Return the kernel map that applies the given ones one after another.

    The parameters and the state of each are stored under its name, as in `serial`. Each is
    initialized with the kernel that the ones before it make of the initial kernel. Every kernel is
    converted to the type of the first, for the reason that `serial` has. If all of them are
    `same_kernel`, so is the result, and no random number is drawn for it.
    """
    maps = {name: each for name, each in maps.items() if each is not same_kernel}
    if not maps:
        return same_kernel

    def init(key: PRNGKeyArray, kernel: Float[Array, "*shape"]) -> tuple[Params, LayerState]:
        params: Params = {}
        state: LayerState = {}
        for index, (name, each) in enumerate(maps.items()):
            own_params, own_state = each.init(jax.random.fold_in(key, index), kernel)
            kernel, _ = each.apply(own_params, own_state, kernel, False)
            if own_params:
                params[name] = own_params
            if own_state:
                state[name] = own_state
        return params, state

    def apply(
        params: Params, state: LayerState, kernel: Float[Array, "*shape"], training: bool
    ) -> tuple[Float[Array, "*shape"], LayerState]:
        new_state = dict(state)
        for name, each in maps.items():
            own = params.get(name, {}), state.get(name, {})
            mapped, own_state = each.apply(*own, kernel, training)
            kernel = mapped.astype(kernel.dtype)
            if own_state:
                new_state[name] = own_state
        return kernel, new_state

    return KernelMap(init, apply)
