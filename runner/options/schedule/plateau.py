"""The schedule that follows the validation loss, inside the compiled program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from runner.lazy import jnp
from runner.options.clock import Clock
from runner.options.option import Facts, leaf, number, option
from runner.options.schedule.base import Schedule

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


class PlateauState(NamedTuple):
    """The best validation loss so far and the current multiplier."""

    best: Float[Array, ""]
    waited: Int[Array, ""]  # evaluations without improvement
    multiplier: Float[Array, ""]


@option
class Plateau(Schedule):
    """m <- m * factor whenever the validation loss has not improved for `patience` evaluations.

    An evaluation is an improvement if its loss is below (1 - threshold) times the best loss so far.
    After `patience` evaluations in a row without improvement, m is multiplied by `factor`, but not
    below `least`, and the count restarts. PyTorch's ReduceLROnPlateau counts the evaluations that
    are tolerated, so its `patience` is one less.
    """

    factor: float = number(0.1, above=0, below=1)
    patience: int = leaf(5, minimum=1)
    threshold: float = number(1e-4, minimum=0, below=1)
    least: float = number(1e-4, minimum=0, maximum=1)

    def __call__(self, clock: Clock, state: PlateauState) -> Float[Array, ""]:
        """Return the current multiplier."""
        return state.multiplier

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse a run without validation."""
        if not facts.validation_examples:
            yield (
                "name",
                "plateau follows the validation loss, and there is no validation split "
                "(validation_examples=0); use another schedule",
            )

    def init(self) -> PlateauState:
        """Return a multiplier of 1."""
        return PlateauState(jnp.asarray(jnp.inf), jnp.zeros((), int), jnp.ones(()))

    def observe(self, state: PlateauState, validation_loss: Float[Array, ""]) -> PlateauState:
        """Count the evaluations without improvement, and reduce the multiplier after `patience`."""
        improved = validation_loss < state.best * (1 - self.threshold)
        waited = jnp.where(improved, 0, state.waited + 1)
        reduce = waited >= self.patience
        smaller = jnp.maximum(state.multiplier * self.factor, self.least)
        return PlateauState(
            jnp.where(improved, validation_loss, state.best),
            jnp.where(reduce, 0, waited),
            jnp.where(reduce, smaller, state.multiplier),
        )
