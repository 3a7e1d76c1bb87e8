"""Early stopping: a rule that may end a run before its plan, and so says what the run keeps.

A rule sees what each evaluation measures on the validation split, inside the compiled program. The
run ends with the evaluation at which the rule says so: nothing later is computed or recorded, and
the status of the run is `stopped`. The evaluation before the first step counts, but ends no run;
nor does one whose loss is not finite, since the next step shows that the run diverged.

Every run keeps the parameters of its best evaluation: the first one with the least `measure` of the
rule, or validation error. With a rule they are those of the run, stopped or not; without one those
are its last ones. The best are the ones that were evaluated, so averages for an
optimizer that averages, with the state of the layers that belongs to them.

The plan of a run stays as it is: `epochs`, `steps` and `min_steps` are the longest that it may
take, and schedules that end with the run end there.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from runner.lazy import jnp
from runner.options.option import Facts, Option, leaf, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Int

ValidationMeasure = Literal["validation_loss", "validation_error"]
"""What a rule may look at, and by which an evaluation is the best one."""

_ROUNDING = 1e-6
"""How far a value may be above a target that it meets, relative to the target. An error rate is a
sum of rounded terms: 18 errors of 360 may be a little more than 0.05."""


class Evaluation(Protocol):
    """What an evaluation measured, by the names in `runner.measures`."""

    def __getitem__(self, measure: str, /) -> Float[Array, ""]:
        """Return the value of a measure."""


class Stopping(Option):
    """A rule that may end a run, as pure functions of what it remembers."""

    measure: str | None
    """By which measure an evaluation is the best one; None: the rule ends no run and names none."""

    @abstractmethod
    def init(self) -> Any:
        """Return what the rule remembers before the first evaluation."""

    @abstractmethod
    def observe(self, memory: Any, evaluation: Evaluation) -> Any:
        """Return what the rule remembers after an evaluation."""

    @abstractmethod
    def stopped(self, memory: Any) -> Bool[Array, ""]:
        """Return whether the run ends with the last evaluation."""

    @abstractmethod
    def reason(self) -> str:
        """Return why a run was ended, from plain numbers: what follows `stopped at epoch 12: `."""

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse a run without validation."""
        if not facts.validation_examples:
            yield (
                "name",
                f"the rule follows the {self.measure}, and there is no validation split "
                "(validation_examples=0); use stopping=none",
            )


class AllSteps(Stopping):
    """A rule that ends no run."""

    def init(self) -> tuple[()]:
        """Remember nothing."""
        return ()

    def observe(self, memory: tuple[()], evaluation: Evaluation) -> tuple[()]:
        """Remember nothing."""
        return memory

    def stopped(self, memory: tuple[()]) -> Bool[Array, ""]:
        """Return false."""
        return jnp.zeros((), bool)

    def reason(self) -> str:
        """Return nothing: no run is ended."""
        return ""


@option
class NoStopping(AllSteps):
    """Every run takes all planned steps, and its parameters are those after the last."""

    measure: ClassVar[None] = None  # type: ignore[misc]

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Accept every run."""
        yield from ()


@option
class Best(AllSteps):
    """Take all planned steps, and use the parameters of the best evaluation.

    That is the first one with the least `measure`. It is `ModelCheckpoint` of Keras with
    `save_best_only=True`, and of PyTorch Lightning with `save_top_k=1`.
    """

    measure: ValidationMeasure = "validation_error"


class PatienceState(NamedTuple):
    """The value of the last improvement, and how long ago it was."""

    reference: Float[Array, ""]
    waited: Int[Array, ""]  # evaluations


@option
class Patience(Stopping):
    """Stop after `patience` evaluations in a row without improvement.

    With v the `measure` of an evaluation and r its value at the last improvement (at first
    infinity):

        v < r - min_delta:  r <- v, waited <- 0
        otherwise:          waited <- waited + 1, and stop if waited = patience

    This is `EarlyStopping` of Keras and of PyTorch Lightning: `min_delta` is absolute, as it is
    there, and not relative like the `threshold` of `schedule=plateau`. Unlike there, what is kept
    does not depend on `min_delta` (Keras, with `restore_best_weights`, keeps the last improvement).
    The UP criterion of Prechelt 1998 is another: it counts increases in a row.
    """

    measure: ValidationMeasure = "validation_loss"
    patience: int = leaf(5, minimum=1)
    min_delta: float = number(0.0, minimum=0)

    def init(self) -> PatienceState:
        """Return infinity, and no time since then."""
        return PatienceState(jnp.array(jnp.inf, float), jnp.zeros((), int))

    def observe(self, memory: PatienceState, evaluation: Evaluation) -> PatienceState:
        """Count the evaluations since the last improvement."""
        value = evaluation[self.measure]
        improved = value < memory.reference - self.min_delta
        return PatienceState(
            jnp.where(improved, value, memory.reference),
            jnp.where(improved, 0, memory.waited + 1),
        )

    def stopped(self, memory: PatienceState) -> Bool[Array, ""]:
        """Return whether `patience` evaluations have passed without improvement."""
        return memory.waited >= self.patience

    def reason(self) -> str:
        """Return for how long nothing improved."""
        by = f" by more than {self.min_delta:g}" if self.min_delta else ""
        count = f"{self.patience} evaluation{'s' * (self.patience != 1)}"
        return f"no better {self.measure}{by} for {count}"

    def cautions(self, facts: Facts) -> Iterator[str]:
        """Warn of a run that is too short to be stopped."""
        if self.patience >= facts.evaluations:
            yield (
                f"patience={self.patience} cannot end this run early: it has {facts.evaluations} "
                "evaluations after the first one, at its start"
            )


@option
class Target(Stopping):
    """Stop at the first evaluation whose `measure` is at most `value`.

    An error of 5 % is 0.05. Rounding is forgiven: up to a millionth of the value.
    """

    measure: ValidationMeasure = "validation_error"
    value: float = number(0.05)

    def init(self) -> Bool[Array, ""]:
        """Return that the target is not reached."""
        return jnp.zeros((), bool)

    def observe(self, memory: Bool[Array, ""], evaluation: Evaluation) -> Bool[Array, ""]:
        """Return whether the target is reached now."""
        return evaluation[self.measure] <= self.value + _ROUNDING * jnp.abs(self.value)

    def stopped(self, memory: Bool[Array, ""]) -> Bool[Array, ""]:
        """Return whether the target is reached."""
        return memory

    def reason(self) -> str:
        """Return which target was reached."""
        return f"{self.measure} at most {self.value:g}"

    def cautions(self, facts: Facts) -> Iterator[str]:
        """Warn of a percentage that is typed as a number."""
        if self.measure == "validation_error" and self.value >= 1 and facts.error_is_rate:
            yield (
                "every error is at most 1, so the first evaluation after the start ends the run; "
                "an error of 5 % is value=0.05"
            )
