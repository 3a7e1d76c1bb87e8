"""Arrays with named columns: the one place where the name of a measure becomes an index.

In a compiled loop one table is updated by one operation a step, where a dictionary of arrays would
take one for each measure.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import lax

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int, Num


@functools.partial(jax.tree_util.register_dataclass, data_fields=["values"], meta_fields=["names"])
@dataclasses.dataclass(frozen=True)
class Columns:
    """An array whose last axis has a name for each entry; a pytree with one leaf.

    Attributes:
        values: shape `(..., columns)`.
        names: a name for each column.
    """

    values: Float[Array, "*rows columns"]
    names: tuple[str, ...]

    @classmethod
    def zeros(cls, names: tuple[str, ...], *shape: int) -> Columns:
        """Zeros: one row, or a table of `shape` rows."""
        return cls(jnp.zeros((*shape, len(names))), names)

    @classmethod
    def row(cls, names: tuple[str, ...], values: Mapping[str, Float[Array, ""]]) -> Columns:
        """One row, from a value for each name."""
        assert values.keys() == set(names)
        return cls(jnp.stack([values[name] for name in names]), names)

    def __getitem__(self, name: str) -> Float[Array, " *rows"]:
        """A column."""
        return self.values[..., self.names.index(name)]

    def part(self, names: tuple[str, ...]) -> Columns:
        """Some columns that are next to each other, in their order."""
        first = self.names.index(names[0])
        columns = slice(first, first + len(names))
        assert self.names[columns] == names
        return Columns(self.values[..., columns], names)

    def with_row(self, index: Int[Array, ""], row: Columns) -> Columns:
        """A table with another row at an index."""
        assert row.names == self.names
        values = lax.dynamic_update_slice(self.values, row.values[None], [index, 0])
        return dataclasses.replace(self, values=values)

    def plus(self, factor: int, other: Columns) -> Columns:
        """The sum of this and `factor` times another of the same shape."""
        assert other.names == self.names
        return dataclasses.replace(self, values=self.values + factor * other.values)

    def divided(self, divisor: Num[Array, ""]) -> Columns:
        """Every value divided by a number."""
        return dataclasses.replace(self, values=self.values / divisor)
