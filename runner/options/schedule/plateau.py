"""The schedule that watches the validation loss, inside the compiled program."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runner.lazy import jnp
from runner.options.clock import Clock
from runner.options.option import leaf, number, option
from runner.options.schedule.base import Schedule

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


class PlateauMemory(NamedTuple):
    """The least validation loss, the evaluations since then, and the multiplier."""

    best: Float[Array, ""]
    waited: Int[Array, ""]
    multiplier: Float[Array, ""]


@option
class Plateau(Schedule):
    """Times `factor` whenever the validation loss has not improved for `patience` evaluations.

    An evaluation improves if its loss is below (1 - threshold) times the best one so far. After
    `patience` evaluations in a row that do not, the multiplier is multiplied by `factor`, never
    below `least`, and the count starts again: PyTorch's ReduceLROnPlateau with
    `patience - 1`, whose `patience` counts the evaluations that are forgiven.
    """

    factor: float = number(0.1, above=0, below=1)
    patience: int = leaf(5, minimum=1)
    threshold: float = number(1e-4, minimum=0, below=1)
    least: float = number(1e-4, minimum=0, maximum=1)

    def __call__(self, clock: Clock, memory: PlateauMemory) -> Float[Array, ""]:
        """Return the multiplier reached so far."""
        return memory.multiplier

    def init(self) -> PlateauMemory:
        """Nothing seen, nothing reduced."""
        return PlateauMemory(jnp.asarray(jnp.inf), jnp.zeros((), int), jnp.ones(()))

    def observe(self, memory: PlateauMemory, validation_loss: Float[Array, ""]) -> PlateauMemory:
        """Count the evaluations without improvement, and reduce when there were enough."""
        improved = validation_loss < memory.best * (1 - self.threshold)
        waited = jnp.where(improved, 0, memory.waited + 1)
        reduce = waited >= self.patience
        smaller = jnp.maximum(memory.multiplier * self.factor, self.least)
        return PlateauMemory(
            jnp.where(improved, validation_loss, memory.best),
            jnp.where(reduce, 0, waited),
            jnp.where(reduce, smaller, memory.multiplier),
        )
