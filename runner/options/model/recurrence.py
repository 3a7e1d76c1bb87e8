"""A recurrence: one cell applied to all steps of a sequence, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.lazy import jax, jnp
from runner.options.initializer.base import Initializer
from runner.options.layer import Layer, LayerState, Params, Shape
from runner.options.model.base import AffineWeights, LayerOptions, dense, in_blocks
from runner.options.model.cell import Carry, Cell
from runner.options.signals import nudges_of, with_states

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray

    _Step = Callable[[Carry, tuple[Any, Any]], tuple[Carry, tuple[LayerState, Any, Any]]]


class Recurrence(NamedTuple):
    """States h_t of a cell, which gets (x_t * m) W + b and (h_{t-1} * n) U at each step.

    The masks m and n are the same at all steps. W, b and U have the blocks of all gates of the cell
    side by side.
    """

    cell: Cell
    units: int
    driving: Layer  # x W + b
    recurrent: AffineWeights  # U
    masks: dict[str, Layer]  # from ones to those of m and n that there are
    gives_sequence: bool  # all states, and not only the last one
    watched: bool  # whether the state after has what each step carries to the next

    @classmethod
    def of(
        cls,
        cell: Cell,
        units: int,
        chosen: LayerOptions,
        recurrent: Initializer,
        scale: float,
        *,
        gives_sequence: bool,
    ) -> Recurrence:
        """Return the recurrence with the options of a layer.

        Args:
            cell: the map from one state to the next.
            units: the size of a state.
            chosen: the options; their initializer draws W.
            recurrent: draws U.
            scale: multiplies what it draws.
            gives_sequence: whether all states are the outputs, and not only the last one.
        """
        kernel_map = chosen.kernel_map()
        draw = in_blocks(chosen.initializer, cell.gates)
        draw_recurrent = in_blocks(recurrent, cell.gates)
        return cls(
            cell=cell,
            units=units,
            driving=dense(cell.gates * units, draw, kernel_map=kernel_map),
            recurrent=AffineWeights(
                lambda key, shape: scale * draw_recurrent(key, shape),
                bias=False,
                kernel_map=kernel_map,
            ),
            masks=chosen.recurrent_masks(),
            gives_sequence=gives_sequence,
            watched=chosen.watched,
        )

    def init(self, key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
        """Return the parameters and the state of the parts by name; see `Layer`."""
        keys = jax.random.split(key, 3)
        outputs = (self.units,)
        parts = {
            "input": self.driving.init(keys[0], shape[1:])[:2],
            "recurrent": self.recurrent.init(keys[2], (self.units, self.cell.gates * self.units)),
        }
        for name, layer in self.cell.parts.items():
            parts[name] = layer.init(keys[1], outputs)[:2]
        for index, (name, layer) in enumerate(self.masks.items(), start=1):
            masked = shape[1:] if name == "input_mask" else outputs
            parts[name] = layer.init(jax.random.fold_in(keys[1], index), masked)[:2]
        params = {name: own for name, (own, _) in parts.items() if own}
        state = {name: own for name, (_, own) in parts.items() if own}
        return params, state, (shape[0], *outputs) if self.gives_sequence else outputs

    def apply(
        self,
        params: Params,
        state: LayerState,
        inputs: Float[Array, "batch steps features"],
        training: bool,
    ) -> tuple[Float[Array, "batch *steps units"], LayerState]:
        """Return the last state or all of them, and the state of the parts; see `Layer`.

        Args:
            params: of the parts, by name.
            state: of the parts, by name.
            inputs: the sequences.
            training: whether it is a training step; false at evaluation.
        """
        inputs = jnp.swapaxes(inputs, 0, 1)
        start = jnp.zeros((inputs.shape[1], self.units), inputs.dtype)
        drawn, after = self._masks_of(inputs, start, state, training)
        if "input_mask" in drawn:
            inputs = inputs * drawn["input_mask"]
        driven, after["input"] = self.driving.apply(
            params["input"], state.get("input", {}), inputs, training
        )
        kernel, after["recurrent"] = self.recurrent.kernel(
            params["recurrent"], state.get("recurrent", {}), training
        )
        step = self._step(params, kernel, drawn.get("state_mask"), training)
        carry, (signals, states, carried) = jax.lax.scan(
            step, (start,) * self.cell.carried, (driven, nudges_of(state))
        )
        after |= signals
        outputs = carry[0] if states is None else jnp.swapaxes(states, 0, 1)
        after = {name: own for name, own in after.items() if own}
        return outputs, with_states(after, carried) if self.watched else after

    def _masks_of(
        self,
        inputs: Float[Array, "steps batch features"],
        start: Float[Array, "batch units"],
        state: LayerState,
        training: bool,
    ) -> tuple[dict[str, Any], LayerState]:
        """The masks of all steps by name, and their state after.

        Args:
            inputs: those of all steps.
            start: the state before the first step.
            state: the state of the parts.
            training: whether masks are drawn.
        """
        drawn, after = {}, {}
        for name, layer in self.masks.items():
            ones = jnp.ones_like(inputs[0] if name == "input_mask" else start)
            drawn[name], after[name] = layer.apply({}, state.get(name, {}), ones, training)
        return drawn, after

    def _step(
        self,
        params: Params,
        kernel: Float[Array, "units gates*units"],
        mask: Float[Array, "batch units"] | None,
        training: bool,
    ) -> _Step:
        """The function that is applied at each step.

        It maps what the step before handed on, and what drives this one with what nudges its state,
        to what it hands on, and to the signals of the parts, the state and all that it hands on,
        each where that is asked for.
        """

        def step(carry: Carry, at: tuple[Any, Any]) -> tuple[Carry, tuple[LayerState, Any, Any]]:
            drive, nudge = at
            hidden = carry[0]
            seen = hidden if mask is None else hidden * mask
            signals: LayerState = {}

            def part(name: str, values: Float[Array, "batch units"]) -> Float[Array, "batch units"]:
                layer = self.cell.parts[name]
                values, own = layer.apply(params.get(name, {}), {}, values, training)
                if own:
                    signals[name] = own
                return values

            new = self.cell.step(part, carry, drive, seen @ kernel)
            carry = tuple(value.astype(hidden.dtype) for value in new)
            if nudge is not None:
                nudges = jnp.split(nudge, self.cell.carried, axis=-1)
                carry = tuple(value + by for value, by in zip(carry, nudges, strict=True))
            carried = jnp.concatenate(carry, axis=-1) if self.watched else None
            return carry, (signals, carry[0] if self.gives_sequence else None, carried)

        return step
