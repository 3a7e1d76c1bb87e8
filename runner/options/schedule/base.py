"""What every schedule is, and the check that many of them share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runner.lazy import jnp
from runner.options.clock import Clock, Unit
from runner.options.option import Facts, Option, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class Schedule(Option):
    """A unit multiplier of the learning rate as a function of time."""

    @abstractmethod
    def __call__(self, clock: Clock, memory: Any) -> Float[Array, ""]:
        """Return m(t); `memory` is what `init` and `observe` returned last."""

    def init(self) -> Any:
        """What the schedule remembers before the first step: most remember nothing."""
        return ()

    def observe(self, memory: Any, validation_loss: Float[Array, ""]) -> Any:
        """What it remembers after an evaluation."""
        return memory


def longer_than_the_run(
    field: str, length: int | None, unit: Unit, facts: Facts
) -> Iterator[tuple[str, str]]:
    """Refuse a length in `unit` that ends after the run."""
    run = facts.scheduled(unit)
    if length is not None and length > run:
        yield field, f"{length} {unit}s is longer than the run of {run:g} {unit}s"


@option
class Constant(Schedule):
    """m(t) = 1."""

    def __call__(self, clock: Clock, memory: Any) -> Float[Array, ""]:
        """Return 1."""
        return jnp.ones(())
