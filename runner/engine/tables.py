"""Tables of diagnostics: in the compiled loop a pytree of arrays, on the host rows with names."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from runner.options.diagnostics.base import Table

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["values"], meta_fields=["rows", "columns"]
)
@dataclasses.dataclass(frozen=True)
class Recorded:
    """A table of one evaluation or step, or one for each of several; a pytree of the columns.

    The names are structure, in their order: dictionaries lose theirs on the way through JAX.

    Attributes:
        rows: the names of the rows.
        columns: the names of the measures.
        values: for each measure an array `(rows, ...)`, of several evaluations
            `(evaluations, rows, ...)`.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[Float[Array, "..."], ...]

    @classmethod
    def of(cls, table: Table) -> Recorded:
        """A table of one evaluation."""
        assert all(len(values) == len(table.rows) for values in table.columns.values())
        return cls(table.rows, tuple(table.columns), tuple(table.columns.values()))

    def with_row(self, index: Int[Array, ""], table: Recorded) -> Recorded:
        """Tables of several evaluations or steps, with another one at an index."""
        return jax.tree.map(lambda all_of, one: all_of.at[index].set(one), self, table)


Tables = dict[str, Recorded]
"""Tables by their names."""


def room_for(tables: Tables, count: int) -> Tables:
    """Zeros for the tables of a number of evaluations or steps.

    Args:
        tables: those of one, or their shapes.
        count: how many there are at most.
    """
    return jax.tree.map(lambda one: jnp.zeros((count, *one.shape), one.dtype), tables)


def named_rows(tables: Tables, evaluations: npt.NDArray) -> Mapping[str, npt.NDArray]:
    """What was measured as arrays with named columns: a row for each evaluation and name.

    Args:
        tables: those of as many evaluations or more, on the host.
        evaluations: the `epoch` and the `step` of each, in columns of these names.

    Returns:
        By table an array with the columns `epoch`, `step`, `name` and the measures; a measure that
        is not one number has a shape.
    """
    return {name: _rows(table, evaluations) for name, table in tables.items()}


def _rows(table: Recorded, evaluations: npt.NDArray) -> npt.NDArray:
    of = [np.asarray(values)[: len(evaluations)] for values in table.values]
    longest = max(map(len, table.rows))
    measures: list[Any] = [
        (name, "<f4", values.shape[2:]) for name, values in zip(table.columns, of, strict=True)
    ]
    dtype = np.dtype([("epoch", "<i4"), ("step", "<i4"), ("name", f"<U{longest}"), *measures])
    rows = np.zeros((len(evaluations), len(table.rows)), dtype)
    for name in ("epoch", "step"):
        rows[name] = evaluations[name][:, None]
    rows["name"] = table.rows
    for name, values in zip(table.columns, of, strict=True):
        rows[name] = values
    return rows.ravel()
