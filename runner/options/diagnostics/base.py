"""The base class of diagnostics, what they look at, and no diagnostic."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from runner.options.layer import Params
from runner.options.option import Option, option
from runner.options.signals import Signals

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class Probe(NamedTuple):
    """What an evaluation shows to a diagnostic.

    Attributes:
        params: the parameters that are evaluated.
        gradient: of the objective (mean loss and penalties) of the probe batch there.
        layers: the names of the layers, in the order in which data pass through them.
        signals: of the activation of each layer; that of the logits is the identity.
    """

    params: Params
    gradient: Params
    layers: tuple[str, ...]
    signals: tuple[Signals, ...]


class Table(NamedTuple):
    """What a diagnostic measures: numbers or histograms of some things that have names.

    Attributes:
        rows: the names, of layers or of parameters.
        columns: by the name of the measure an array whose first axis counts the rows.
    """

    rows: tuple[str, ...]
    columns: Mapping[str, Float[Array, "rows ..."]]


class Diagnostic(Option):
    """A measurement at evaluations, as pure functions of a `Probe`."""

    examples: int
    """How many examples the probe batch has; 0: the diagnostic measures nothing."""

    @abstractmethod
    def memory(self, probe: Probe) -> Any:
        """Return what is remembered of an evaluation: floating-point arrays in any structure."""

    @abstractmethod
    def measure(self, probe: Probe, start: Any, before: Any) -> Mapping[str, Table]:
        """Measure.

        Args:
            probe: what there is to see.
            start: the memory of the first evaluation, before the first step.
            before: the memory of the evaluation before this one; NaN if this is the first.

        Returns:
            Tables by name, the same ones with the same rows and columns at every evaluation. A
            table is a file of the run, and no other diagnostic has one of its name.
        """


@option
class NoDiagnostic(Diagnostic):
    """Nothing is measured beside loss and error."""

    examples: ClassVar[int] = 0  # type: ignore[misc]

    def memory(self, probe: Probe) -> tuple[()]:
        """Return nothing."""
        return ()

    def measure(self, probe: Probe, start: Any, before: Any) -> Mapping[str, Table]:
        """Return nothing."""
        return {}
