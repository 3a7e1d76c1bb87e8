"""The cells of recurrent networks: the map from one state to the next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runner.lazy import jax, jnp
from runner.options.layer import Layer
from runner.options.model.base import LayerOptions

if TYPE_CHECKING:
    from jaxtyping import Array, Float

    Part = Callable[[str, Float[Array, "batch units"]], Float[Array, "batch units"]]
    """A function of the name of a part of a cell and its inputs."""

Carry = tuple[Any, ...]
"""What a step hands to the next, each `[batch, units]`; the first is the state h."""


class Cell(ABC):
    """A cell with `gates` sums at each step, x W + h U + b, and layers that are applied to them."""

    gates: int
    """How many sums there are."""

    carried: int = 1
    """How many arrays a step hands to the next, h included; all start at 0."""

    parts: dict[str, Layer]
    """The layers that `step` applies, by name; their parameters are stored under it."""

    @abstractmethod
    def step(
        self,
        part: Part,
        carry: Carry,
        drive: Float[Array, "batch gates*units"],
        product: Float[Array, "batch gates*units"],
    ) -> Carry:
        """Return what is handed to the next step.

        Args:
            part: applies a part.
            carry: what the step before handed on.
            drive: x W + b of all gates.
            product: h U of all gates.
        """


class RNNCell(Cell):
    """h = f(x W + h U + b), with f normalization and activation."""

    gates = 1

    def __init__(self, chosen: LayerOptions) -> None:
        self.parts = chosen.nonlinearity()

    def step(self, part: Part, carry: Carry, drive: Any, product: Any) -> Carry:
        """Return h."""
        total = drive + product
        for name in self.parts:
            total = part(name, total)
        return (total,)


class _Gated(Cell):
    """A cell with gates: a sigmoid of a sum, which is normalized where the activation's is."""

    def __init__(self, chosen: LayerOptions, sigmoids: tuple[str, ...]) -> None:
        self._nonlinearity = chosen.nonlinearity()
        self.parts = dict(self._nonlinearity)
        if not chosen.normalization.follows_activation:
            normalization = self._nonlinearity["normalization"]
            self.parts |= {f"normalization_{gate}": normalization for gate in sigmoids}

    def _sum(self, part: Part, gate: str, total: Any) -> Any:
        """The sum of a gate, normalized."""
        name = f"normalization_{gate}"
        return part(name, total) if name in self.parts else total

    def _activated(self, part: Part, total: Any) -> Any:
        """Normalization and activation in their order."""
        for name in self._nonlinearity:
            total = part(name, total)
        return total


class LSTMCell(_Gated):
    """See `runner.options.model.recurrent.LSTM`."""

    gates = 4
    carried = 2

    def __init__(self, chosen: LayerOptions, forget_bias: float) -> None:
        super().__init__(chosen, ("input", "forget", "output"))
        self.parts["output_activation"] = chosen.activation.layer()
        self._forget_bias = forget_bias

    def step(self, part: Part, carry: Carry, drive: Any, product: Any) -> Carry:
        """Return h and c."""
        i, f, g, o = jnp.split(drive + product, self.gates, axis=-1)
        forget = jax.nn.sigmoid(self._sum(part, "forget", f) + self._forget_bias)
        added = jax.nn.sigmoid(self._sum(part, "input", i)) * self._activated(part, g)
        c = forget * carry[1] + added
        return jax.nn.sigmoid(self._sum(part, "output", o)) * part("output_activation", c), c


class GRUCell(_Gated):
    """See `runner.options.model.recurrent.GRU`."""

    gates = 3

    def __init__(self, chosen: LayerOptions) -> None:
        super().__init__(chosen, ("reset", "update"))

    def step(self, part: Part, carry: Carry, drive: Any, product: Any) -> Carry:
        """Return h."""
        driven, products = (jnp.split(each, self.gates, axis=-1) for each in (drive, product))
        reset, update = (
            jax.nn.sigmoid(self._sum(part, gate, x + y))
            for gate, x, y in zip(("reset", "update"), driven[:2], products[:2], strict=True)
        )
        candidate = self._activated(part, driven[2] + reset * products[2])
        return ((1 - update) * candidate + update * carry[0],)
