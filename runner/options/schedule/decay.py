"""Schedules that fall for ever: formulas of the time alone."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runner.lazy import jnp
from runner.options.clock import Clock, Unit
from runner.options.option import Facts, number, option
from runner.options.schedule.base import Schedule

if TYPE_CHECKING:
    from jaxtyping import Array, Float

LEAST_AT_THE_END = 1e-8
"""A decay below this before the run ends is taken for a mistake in the unit of time."""


class Decay(Schedule):
    """A formula of t alone, that never ends."""

    unit: Unit

    @abstractmethod
    def at(self, t: Any) -> Any:
        """m(t), in operators that plain numbers understand as well as traced ones."""

    def __call__(self, clock: Clock, memory: Any) -> Float[Array, ""]:
        """Return m(t)."""
        return self.at(jnp.maximum(clock.time(self.unit), 0))

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse a decay that stops all learning long before the run ends."""
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
    """m(t) = decay_rate ^ t, decreasing by the same factor in every unit of time."""

    decay_rate: float = number(0.96, above=0, maximum=1)
    unit: Unit = "epoch"

    def at(self, t: Any) -> Any:
        """decay_rate ^ t."""
        return self.decay_rate**t


@option
class NaturalExponential(Decay):
    """m(t) = e ^ (-decay_rate * t): `exp` with the base e ^ -decay_rate."""

    decay_rate: float = number(0.04, minimum=0)
    unit: Unit = "epoch"

    def at(self, t: Any) -> Any:
        """E ^ (-decay_rate * t)."""
        return math.e ** (-self.decay_rate * t)


@option
class InverseTime(Decay):
    """m(t) = 1 / (1 + decay_rate * t), the rate of Robbins & Monro 1951."""

    decay_rate: float = number(0.1, minimum=0)
    unit: Unit = "epoch"

    def at(self, t: Any) -> Any:
        """1 / (1 + decay_rate * t)."""
        return 1 / (1 + self.decay_rate * t)


@option
class InverseSquareRoot(Decay):
    """m(t) = 1 / sqrt(1 + t / timescale): 1 / sqrt(t) counted from the first unit of time.

    The rate of the regret bounds of online learning (Zinkevich 2003). The schedule of Vaswani et
    al. 2017 is this after a linear warm-up, there scaled by the width of the model.
    """

    timescale: float = number(1.0, above=0)
    unit: Unit = "epoch"

    def at(self, t: Any) -> Any:
        """1 / sqrt(1 + t / timescale)."""
        return (1 + t / self.timescale) ** -0.5
