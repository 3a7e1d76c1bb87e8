"""Warm-up: small learning rates at the start, before any schedule.

During the warm-up its multiplier replaces the schedule. The schedule starts after it, with time 0,
and treats the rest of the run as the whole run. The two may have different units: with a batch that
grows, a warm-up of 40 steps is the first 40 steps of the run, and a schedule in epochs starts at
the (fractional) epoch in which they end.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from runner.lazy import jnp
from runner.options.clock import Clock, Phases, Unit
from runner.options.option import Facts, Option, leaf, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float

    from runner.options.schedule.base import Schedule


class Warmup(Option):
    """The learning rates before the schedule starts."""

    @abstractmethod
    def multiplier(self, schedule: Schedule, clock: Clock, state: Any) -> Float[Array, ""]:
        """Return the multiplier of the learning rate by warm-up and schedule together.

        Args:
            schedule: the schedule of the learning rate.
            clock: the time of the step, from the start of the run.
            state: the state of the schedule.
        """

    def duration(self, phases: Callable[[], Phases]) -> tuple[float, float]:
        """Return its length in steps and in epochs, from plain numbers.

        `phases` returns those of the run; a warm-up without length does not load NumPy for them.
        """
        return 0.0, 0.0


@option
class NoWarmup(Warmup):
    """The schedule from the first step."""

    def multiplier(self, schedule: Schedule, clock: Clock, state: Any) -> Float[Array, ""]:
        """Return the multiplier of the schedule."""
        return schedule(clock, state)


@option
class LinearWarmup(Warmup):
    """m(t) = initial + (1 - initial) * t / length for t < length, then the schedule from its start.

    Goyal et al. 2017, section 2.2 ("gradual warmup").
    """

    length: int = leaf(1, minimum=1)
    initial: float = number(0.0, minimum=0, maximum=1)
    unit: Unit = "epoch"

    def multiplier(self, schedule: Schedule, clock: Clock, state: Any) -> Float[Array, ""]:
        """Return a straight line up to 1, then the multiplier of the schedule."""
        progress = clock.progress(self.length, self.unit)
        scheduled = schedule(clock.since(self.length, self.unit), state)
        return jnp.where(progress < 1, self.initial + (1 - self.initial) * progress, scheduled)

    def duration(self, phases: Callable[[], Phases]) -> tuple[float, float]:
        """Return `length` in both units."""
        steps, epochs = phases().in_both_units(self.length, self.unit)
        return float(steps), float(epochs)

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse a warm-up that leaves nothing for the schedule."""
        run = facts.total_epochs if self.unit == "epoch" else facts.total_steps
        if self.length >= run:
            yield (
                "length",
                f"{self.length} {self.unit}s of warm-up leave nothing of a run of "
                f"{run:g} {self.unit}s",
            )
