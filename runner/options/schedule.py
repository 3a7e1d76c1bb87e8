"""Schedules: the factor by which the learning rate is multiplied at each step.

A schedule returns a unit multiplier m(t), and the learning rate of step t is
`optimizer.learning_rate * m(t)`; so a schedule never needs to know the optimizer. Time is counted
in epochs (the default; fractions of an epoch count) or in steps, as `unit` says, and starts at 0:
the first step sees m(0).

These are plain formulas and not optax's schedules because those test their arguments in Python,
which a traced float does not allow.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from runner.lazy import jnp
from runner.options.option import Facts, Option, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int

Unit = Literal["epoch", "step"]


class Clock(NamedTuple):
    """The time of a step: its number from 0, and the lengths of an epoch and of the whole run."""

    step: Int[Array, ""]
    steps_per_epoch: int
    total_steps: Int[Array, ""]

    def time(self, unit: Unit) -> Float[Array, ""]:
        """The time t in the given unit."""
        return self.step / (self.steps_per_epoch if unit == "epoch" else 1)


class Schedule(Option):
    """A unit multiplier of the learning rate as a function of time."""

    @abstractmethod
    def __call__(self, clock: Clock) -> Float[Array, ""]:
        """Return m(t)."""


@option
class Constant(Schedule):
    """m(t) = 1."""

    def __call__(self, clock: Clock) -> Float[Array, ""]:
        """Return 1."""
        return jnp.ones(())


@option
class Exponential(Schedule):
    """m(t) = decay_rate ^ t, decreasing by the same factor in every unit of time."""

    decay_rate: float = number(0.96, above=0, maximum=1)
    unit: Unit = "epoch"

    def __call__(self, clock: Clock) -> Float[Array, ""]:
        """Return decay_rate ^ t."""
        return jnp.power(self.decay_rate, clock.time(self.unit))


@option
class InverseTime(Schedule):
    """m(t) = 1 / (1 + decay_rate * t), the rate of Robbins & Monro 1951."""

    decay_rate: float = number(0.1, minimum=0)
    unit: Unit = "epoch"

    def __call__(self, clock: Clock) -> Float[Array, ""]:
        """Return 1 / (1 + decay_rate * t)."""
        return 1 / (1 + self.decay_rate * clock.time(self.unit))


@option
class Cosine(Schedule):
    """m(t) = final + (1 - final) * (1 + cos(pi * min(t / length, 1))) / 2.

    Half a cosine from 1 down to `final`, without restarts (Loshchilov & Hutter 2017, eq. 5).
    `length` is in units of `unit`; null means the whole run. A length beyond the end of the run
    is refused, since the learning rate would never arrive at `final`.
    """

    final: float = number(0.0, minimum=0, maximum=1)
    length: int | None = number(None, minimum=1)
    unit: Unit = "epoch"

    def __call__(self, clock: Clock) -> Float[Array, ""]:
        """Return the half cosine at time t."""
        if self.length is None:
            progress = clock.step / clock.total_steps
        else:
            progress = clock.time(self.unit) / self.length
        half_cosine = (1 + jnp.cos(jnp.pi * jnp.minimum(progress, 1))) / 2
        return self.final + (1 - self.final) * half_cosine

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse a length beyond the end of the run."""
        per_unit = facts.steps_per_epoch if self.unit == "epoch" else 1
        if self.length is not None and self.length * per_unit > facts.total_steps:
            run = facts.total_steps / per_unit
            yield (
                "length",
                f"{self.length} {self.unit}s is longer than the run of {run:g} {self.unit}s",
            )
