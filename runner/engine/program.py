"""A function of the engine, compiled before it is first called, or found compiled on disk."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from threading import RLock
from typing import Any

import jax

from runner.engine.kept_programs import Entries
from runner.engine.state import Arrays
from runner.experiment.experiment import Experiment

_one_at_a_time = RLock()
"""Held while something is traced: two threads that trace a function both do the whole work."""


class Program:
    """A function of experiments, the data, and arguments whose shapes follow from both.

    Args:
        name: what it does, as part of the name of its file.
        function: a pure function of arrays.
        devices: what computes it.
        made_from: what the function depends on besides its arguments: how lanes are computed, and
            the structure of the experiments.
        options: for `jax.jit`.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        devices: Sequence[jax.Device],
        made_from: str,
        **options: Any,
    ) -> None:
        self._name, self._devices, self._made_from = name, devices, made_from
        self._function = jax.jit(_named(name, function), **options)
        self._options = options
        self._compiled: dict[Hashable, jax.stages.Compiled] = {}

    def shapes(self, experiments: Experiment, arrays: Arrays) -> Any:
        """The shapes of the results of a function that has no other arguments."""
        with _one_at_a_time:
            return self._function.eval_shape(experiments, arrays)

    def compiled(
        self,
        experiments: Experiment,
        arrays: Arrays,
        others: Callable[[], tuple[Any, ...]] = tuple,
        rows: int = 0,
    ) -> jax.stages.Compiled:
        """The function, compiled for experiments and data of these shapes.

        Args:
            experiments: the experiments.
            arrays: the data.
            others: returns the other arguments, or their shapes; called only to compile.
            rows: the length of arrays among the other arguments.
        """
        leaves = (jax.tree.leaves(experiments)[0], *jax.tree.leaves(arrays))
        shapes = (rows, *((leaf.shape, leaf.dtype.str, leaf.weak_type) for leaf in leaves))
        if shapes not in self._compiled:
            self._compiled[shapes] = self._find(shapes, experiments, arrays, others)
        return self._compiled[shapes]

    def _find(
        self,
        shapes: tuple[Any, ...],
        experiments: Experiment,
        arrays: Arrays,
        others: Callable[[], tuple[Any, ...]],
    ) -> jax.stages.Compiled:
        made_from = f"{self._made_from} {shapes} {self._options}"
        entries = Entries(self._name, self._devices, made_from)
        found = entries.load()
        if found:
            return found
        with _one_at_a_time:
            lowered = self._function.lower(experiments, arrays, *others())
        return entries.load_lowered(lowered) or entries.compile(lowered)


def _named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of its own under a name, which JAX's cache uses as well."""

    def call(*arguments: Any) -> Any:
        return function(*arguments)

    call.__name__ = call.__qualname__ = name
    return call
