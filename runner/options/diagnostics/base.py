"""The base class of diagnostics, what they look at, and no diagnostic."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from runner.options.layer import Params
from runner.options.option import Facts, Option, option
from runner.options.signals import Signals

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int, PRNGKeyArray


class OfParams(Protocol):
    """A function of parameters on the probe batch; it is computed only where it is called."""

    def __call__(
        self,
        params: Params,
        *,
        fixed_statistics: bool = False,
        rows: Int[Array, " some"] | None = None,
    ) -> Float[Array, "..."]:
        """Compute it without random masks, unless evaluations draw some.

        Args:
            params: any parameters, of the shapes of those that are evaluated.
            fixed_statistics: whether a normalization over the batch uses the statistics that
                evaluations use, so that examples do not depend on each other, and no mask is drawn;
                else it uses those of the probe batch at `params`, as a training step does.
            rows: which examples of the probe batch; None: all.
        """


class ThroughTime(NamedTuple):
    """A recurrent layer on the probe batch, at all time steps.

    Attributes:
        states: what it carries from each step to the next one.
        gradients: of `Probe.objective` with respect to the states. That with respect to a state
            is the whole one, through all later steps.
    """

    states: Float[Array, "steps examples units"]
    gradients: Float[Array, "steps examples units"]


class Probe(NamedTuple):
    """What an evaluation shows to a diagnostic. What is not used of it is not computed.

    Attributes:
        params: the parameters that are evaluated.
        gradient: of `objective` there, with the statistics of the probe batch.
        layers: the names of the layers, in the order in which data pass through them.
        signals: of the activation of each layer; that of the logits is the identity.
        through_time: of each recurrent layer by its name, in the order of the layers; empty in
            networks without one.
        objective: what training minimizes: the mean loss and the penalties, a number.
        example_losses: the loss of each example, without penalties, of the shape `[examples]`.
        learning_rate: of the step that starts here; at the end of a run that of its last step.
        key: random numbers that follow from the seed, the same at every evaluation.
        sharpness_limit: the largest product of the learning rate and the largest eigenvalue of the
            Hessian with which the steps of the optimizer are stable on a quadratic function; NaN
            where none is known, or where steps do not minimize `objective` but something random.
        normalizes_over_batch: whether `fixed_statistics` makes a difference.
    """

    params: Params
    gradient: Params
    layers: tuple[str, ...]
    signals: tuple[Signals, ...]
    through_time: Mapping[str, ThroughTime]
    objective: OfParams
    example_losses: OfParams
    learning_rate: Float[Array, ""]
    key: PRNGKeyArray
    sharpness_limit: Float[Array, ""]
    normalizes_over_batch: bool


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

    needs_float32: ClassVar[bool] = False
    """Whether what is measured is lost in the rounding of a network with less precision."""

    needs_layers: ClassVar[bool] = False
    """Whether it looks at layers, which a problem with parameters of its own does not have."""

    def working_numbers(self, parameters: int) -> int:
        """Return how many numbers an evaluation keeps while it measures; by default none count.

        Args:
            parameters: how many parameters are trained.
        """
        return 0

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse a problem where layers are needed."""
        if self.needs_layers and not facts.has_network:
            yield (
                "name",
                "the data are a problem with its own parameters and no layers; use "
                "diagnostics=curvature",
            )

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
