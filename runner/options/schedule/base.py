"""The base class of schedules, and the check that many of them share."""

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
    """A multiplier of the learning rate over time, 1 at its largest but in a range test."""

    @abstractmethod
    def __call__(self, clock: Clock, state: Any) -> Float[Array, ""]:
        """Return m(t); `state` is what `init` or the last `observe` returned."""

    def init(self) -> Any:
        """Return the state before the first step: most schedules have none."""
        return ()

    def observe(self, state: Any, validation_loss: Float[Array, ""]) -> Any:
        """Return the state after an evaluation."""
        return state


def longer_than_the_run(
    field: str, length: int | None, unit: Unit, facts: Facts
) -> Iterator[tuple[str, str]]:
    """Yield a conflict if a length does not fit into the run.

    Args:
        field: the field that holds the length.
        length: the length; None is the whole run.
        unit: the unit of `length`.
        facts: the rest of the run.
    """
    run = facts.scheduled(unit)
    if length is not None and length > run:
        yield field, f"{length} {unit}s is longer than the run of {run:g} {unit}s"


@option
class Constant(Schedule):
    """m(t) = 1."""

    def __call__(self, clock: Clock, state: Any) -> Float[Array, ""]:
        """Return 1."""
        return jnp.ones(())
