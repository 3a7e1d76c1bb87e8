"""The base class of diagnostics of steps, and what a step shows to them.

They measure at the steps at which norms are measured (`measure_every`), on the batch of the step,
and change nothing about the training. All other steps are the plain ones.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from runner.options.diagnostics.base import Diagnostic, Probe, Table
from runner.options.layer import Params

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class TakenStep(NamedTuple):
    """A step that was taken. What is not used of it is not computed.

    Attributes:
        params: the parameters before the step.
        gradient: of the objective of the batch there, before any clipping or noise.
        updates: what the optimizer added to the parameters.
        value: the objective of the batch (mean loss and penalties) before the step.
        value_after: computes that of the same batch, with the same random masks, after the step.
        momentum: the number of the optimizer that weights the past, as the momentum schedule has
            set it for the step; NaN of an optimizer without one.
    """

    params: Params
    gradient: Params
    updates: Params
    value: Float[Array, ""]
    value_after: Callable[[], Float[Array, ""]]
    momentum: Float[Array, ""]


class StepDiagnostic(Diagnostic):
    """A measurement at steps, as pure functions of a `TakenStep`."""

    examples: ClassVar[int] = 0  # type: ignore[misc]
    of_steps: ClassVar[bool] = True

    def memory(self, probe: Probe) -> tuple[()]:
        """Return nothing."""
        return ()

    def measure(self, probe: Probe, start: Any, before: Any) -> Mapping[str, Table]:
        """Return nothing: evaluations measure nothing."""
        return {}

    @abstractmethod
    def first_memory(self, params: Params) -> Any:
        """Return what is remembered before the first step: arrays in any structure.

        Args:
            params: the initial parameters.
        """

    @abstractmethod
    def measure_step(self, taken: TakenStep, memory: Any) -> tuple[Any, Mapping[str, Table]]:
        """Measure.

        Args:
            taken: the step.
            memory: what was returned for the measured step before, or by `first_memory`.

        Returns:
            What is remembered, and tables by name: the same ones with the same rows and columns at
            every step. A table is a file of the run, and no other diagnostic has one of its name.
        """
