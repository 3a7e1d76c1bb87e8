"""The base class of initializers, and the fans of a kernel."""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.options.option import Facts, Option, per_layer_names
from runner.options.per_layer import wrong_lengths

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the fan-in and fan-out of a kernel of this shape.

    A dense kernel `(inputs, outputs)` has these two; those of a convolution
    `(height, width, in, out)` are `height * width` times `in` and `out`.
    """
    receptive_field = math.prod(shape[:-2])
    return receptive_field * shape[-2], receptive_field * shape[-1]


class Initializer(Option):
    """A distribution over kernels."""

    @abstractmethod
    def __call__(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Draw a kernel of the given shape."""

    def of_layer(self, index: int) -> Initializer:
        """Return the initializer of one layer, in which every number that may differ is one.

        Args:
            index: the place of the layer among those with a kernel; -1 is the last.
        """
        numbers = {name: getattr(self, name) for name in per_layer_names(type(self))}
        own = {name: value[index] for name, value in numbers.items() if isinstance(value, tuple)}
        return dataclasses.replace(self, **own) if own else self

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse lists that do not have a number for each layer of the model."""
        yield from wrong_lengths(self, facts)
