"""Schedules that decrease throughout: formulas of the time alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from runner.lazy import jnp
from runner.options.clock import Clock, Unit
from runner.options.option import Facts, number, option
from runner.options.schedule.base import Schedule
from runner.options.schedule.power import Rate, as_base, power

if TYPE_CHECKING:
    from jaxtyping import Array, Float

    Time = TypeVar("Time", float, Float[Array, ""])

LEAST_AT_THE_END = 1e-8
"""A multiplier below this at the end of the run is treated as a mistake in the unit of time."""


class Decay(Schedule):
    """A formula of t alone, without a length."""

    unit: Unit

    @abstractmethod
    def at(self, t: Time) -> Time:
        """Return m(t), by operators that both plain and traced numbers support."""

    def __call__(self, clock: Clock, state: Any) -> Float[Array, ""]:
        """Return m(t)."""
        return self.at(jnp.maximum(clock.time(self.unit), 0))

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse a decay that ends all learning before the run ends."""
        end = facts.scheduled(self.unit)
        last = self.at(float(end))
        if last < LEAST_AT_THE_END:
            yield (
                "unit",
                f"after {end:g} {self.unit}s the multiplier is {last:.2g} and nothing would be "
                f"learned; decay more slowly" + (", or use unit=epoch" * (self.unit == "step")),
            )


@option
class Exponential(Decay):
    """m(t) = decay_rate^t, decreasing by the same factor in every unit of time."""

    decay_rate: float = number(0.96, above=0, maximum=1)
    unit: Unit = "epoch"

    def __post_init__(self) -> None:
        """Keep the precision of the base in a program."""
        object.__setattr__(self, "decay_rate", as_base(self.decay_rate))

    def at(self, t: Time) -> Time:
        """Return decay_rate^t."""
        return power(self.decay_rate, t)


@option
class NaturalExponential(Decay):
    """m(t) = e^(-decay_rate * t): `exp` with the base e^(-decay_rate)."""

    decay_rate: float = number(0.04, minimum=0)
    unit: Unit = "epoch"

    def __post_init__(self) -> None:
        """Keep the precision of the rate in a program."""
        object.__setattr__(self, "decay_rate", as_base(self.decay_rate, Rate))

    def at(self, t: Time) -> Time:
        """Return e^(-decay_rate * t)."""
        return power(self.decay_rate, t)


@option
class InverseTime(Decay):
    """m(t) = 1 / (1 + decay_rate * t). Robbins & Monro 1951."""

    decay_rate: float = number(0.1, minimum=0)
    unit: Unit = "epoch"

    def at(self, t: Time) -> Time:
        """Return 1 / (1 + decay_rate * t)."""
        return 1 / (1 + self.decay_rate * t)


@option
class InverseSquareRoot(Decay):
    """m(t) = 1 / sqrt(1 + t / timescale): 1 / sqrt(t) counted from the first unit of time.

    The rate in the regret bounds of online learning (Zinkevich 2003). The schedule of Vaswani et
    al. 2017 is this after a linear warm-up, scaled by the width of the model.
    """

    timescale: float = number(1.0, above=0)
    unit: Unit = "epoch"

    def at(self, t: Time) -> Time:
        """Return 1 / sqrt(1 + t / timescale)."""
        return (1 + t / self.timescale) ** -0.5
