"""Hidden layers that are numbered: their sizes and paths, and the dense layers of these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runner.options.layer import Layer
from runner.options.model.base import LayerOptions, hidden_dense
from runner.options.option import HiddenLayer


def numbered(
    name: str, widths: Iterable[int], *, has_positions: bool = False
) -> tuple[HiddenLayer, ...]:
    """Return hidden layers called `name_1`, `name_2` and so on.

    Args:
        name: what they are.
        widths: the units or channels of each.
        has_positions: whether they are convolutions.
    """
    return tuple(
        HiddenLayer(units, has_positions, f"{name}_{number}")
        for number, units in enumerate(widths, start=1)
    )


def dense_layers(
    layers: Sequence[HiddenLayer], chosen: LayerOptions, first: int = 0
) -> dict[str, Layer]:
    """Return dense hidden layers under their paths.

    Args:
        layers: their sizes.
        chosen: the options of the network.
        first: the index of the first of them among the layers with a kernel.
    """
    return {
        layer.path: hidden_dense(layer.units, chosen.of_layer(index))
        for index, layer in enumerate(layers, start=first)
    }
