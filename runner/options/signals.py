"""Signals: what an activation gets and gives, handed out in the state of a network.

A network that is watched (`LayerOptions.watched`) computes what the network computes, and returns
the signals of its activations as part of the state after. So what is inside of a network needs no
side effect, and goes through gradients, loops and lanes like any other array.

A recurrent layer that is watched returns its states at all time steps, too, and adds to them what
the state before has as `nudges`: the gradient with respect to nudges of 0 is that with respect to
the states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.lazy import jax, jnp
from runner.options.layer import Layer, LayerState, Params

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float

SATURATED = 0.05
"""An activation is saturated where its slope is less than this fraction of its largest slope."""

_KEY = "signals"
_STATES = "states"
_NUDGES = "nudges"


class Signals(NamedTuple):
    """What an activation f makes of a batch; the last axis counts the units or channels.

    The axes before it are examples and positions, or time steps and examples.
    """

    inputs: Float[Array, "*batch units"]  # x, the pre-activations
    outputs: Float[Array, "*batch units"]  # f(x), the activations
    saturated: Bool[Array, "*batch units"]  # |f'(x)| < SATURATED max |f'|


def watched(activation: Layer, steepest: float) -> Layer:
    """Return an activation that returns its signals as its state.

    Args:
        activation: a function of every number on its own, without a state.
        steepest: its largest slope.
    """

    def apply(
        params: Params, state: LayerState, inputs: Float[Array, "*batch units"], training: bool
    ) -> tuple[Float[Array, "*batch units"], LayerState]:
        def outputs_of(inputs: Float[Array, "*batch units"]) -> Float[Array, "*batch units"]:
            return activation.apply(params, state, inputs, training)[0]

        outputs, slopes = jax.jvp(outputs_of, (inputs,), (jnp.ones_like(inputs),))
        saturated = jnp.abs(slopes) < SATURATED * steepest
        return outputs, {_KEY: Signals(inputs, outputs, saturated)}

    return Layer(activation.init, apply)


def signals_of(state: LayerState, layer: tuple[str, ...] = ()) -> dict[str, Signals]:
    """Return the signals in the state of a watched network, in the order of its layers.

    Args:
        state: the state that the network returned.
        layer: the names on the way to this part of the state.

    Returns:
        The signals by the name of the layer that the activation belongs to: `hidden_1`.
    """
    found = {}
    for name, own in state.items():
        if isinstance(own, Signals):
            found["/".join(layer[:-1] or layer)] = own
        elif isinstance(own, dict):
            found |= signals_of(own, (*layer, name))
    return found


class States(NamedTuple):
    """The states of a recurrent layer: what it carries from each time step to the next one.

    Several arrays, like the state and the cell of an LSTM, are side by side.
    """

    values: Float[Array, "steps batch units"]


def nudges_of(state: LayerState) -> Float[Array, "steps batch units"] | None:
    """Return what a recurrent layer is to add to its states; None: nothing.

    Args:
        state: that of the layer, before.
    """
    return state.get(_NUDGES)


def with_states(state: LayerState, values: Float[Array, "steps batch units"]) -> LayerState:
    """Return the state of a recurrent layer after, with its states at all time steps."""
    return {**state, _STATES: States(values)}


def states_of(state: LayerState, layer: tuple[str, ...] = ()) -> dict[tuple[str, ...], States]:
    """Return the states of the recurrent layers of a watched network, in the order of the layers.

    Args:
        state: the state that the network returned.
        layer: the names on the way to this part of the state.

    Returns:
        The states by the names on the way to the recurrent layer.
    """
    found = {}
    for name, own in state.items():
        if isinstance(own, States):
            found[layer] = own
        elif isinstance(own, dict):
            found |= states_of(own, (*layer, name))
    return found


def nudged(
    state: LayerState, nudges: dict[tuple[str, ...], Float[Array, "steps batch units"]]
) -> LayerState:
    """Return the state of a network before, with what recurrent layers are to add to their states.

    Args:
        state: the state before.
        nudges: by the names on the way to the layer.
    """
    for (first, *rest), values in nudges.items():
        own = state.get(first, {})
        below = nudged(own, {tuple(rest): values}) if rest else {**own, _NUDGES: values}
        state = {**state, first: below}
    return state
