"""The parameters at every evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from runner.options.diagnostics.base import Diagnostic, Probe, Table
from runner.options.option import option

TABLE = "trajectory"


@option
class Trajectory(Diagnostic):
    """Keeps the parameters of every evaluation, for the figure of the path on the loss surface.

    The table has one column, `parameters`: all n of them in the order of their names, as
    `jax.flatten_util.ravel_pytree` puts them. Disk: 4 n bytes an evaluation. Memory: as many for
    each evaluation that a call of the program may make, 4,096 / (steps of an epoch) + 2; that is
    much for full batches and a large network, and counted before training.
    """

    examples: ClassVar[int] = 2  # type: ignore[misc]

    def memory(self, probe: Probe) -> tuple[()]:
        """Return nothing."""
        return ()

    def measure(self, probe: Probe, start: tuple[()], before: tuple[()]) -> Mapping[str, Table]:
        """Return a table of one row."""
        from jax.flatten_util import ravel_pytree

        parameters, _ = ravel_pytree(probe.params)
        return {TABLE: Table(("all",), {"parameters": parameters[None]})}
