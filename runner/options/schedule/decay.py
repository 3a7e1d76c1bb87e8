"""Schedules that decrease throughout: formulas of the time alone.

The time of a decay is t / `decay_steps`, and with `staircase` the whole number below it, so that
the rate is constant within each of these periods: the two arguments of the decays of TensorFlow,
optax and the textbooks. t is in epochs or steps, as `unit` says: `unit=step decay_steps=1` decays
in every iteration.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from runner.lazy import jax, jnp
from runner.options.clock import Clock, Unit
from runner.options.option import Facts, leaf, number, option
from runner.options.schedule.base import Schedule
from runner.options.schedule.power import Base, Rate, as_base, power

if TYPE_CHECKING:
    from jaxtyping import Array, Float

    Time = TypeVar("Time", float, Float[Array, ""])

LEAST_AT_THE_END = 1e-8
"""A multiplier below this at the end of the run may be a mistake in the unit of time."""


def whole_periods(t: Any, period: Any) -> Any:
    """Return how many whole periods have passed, without rounding: a step at its own time."""
    if isinstance(t, float):
        return t // period
    return jnp.round((t - jax.lax.rem(t, jnp.asarray(period, t.dtype))) / period)


class Decay(Schedule):
    """A formula of t alone, without a length."""

    staircase: bool
    unit: Unit

    @abstractmethod
    def at(self, t: Time) -> Time:
        """Return m(t), by operators that both plain and traced numbers support."""

    def __call__(self, clock: Clock, state: Any) -> Float[Array, ""]:
        """Return m(t)."""
        return self.at(jnp.maximum(clock.time(self.unit), 0))

    def cautions(self, facts: Facts) -> Iterator[str]:
        """Warn of a decay that ends all learning before the run ends."""
        end = float(facts.scheduled(self.unit))
        last = self.at(end)
        if last < LEAST_AT_THE_END:
            yield (
                f"after {end:g} {self.unit}s the schedule multiplies the learning rate by "
                f"{last:.2g}, and nothing is learned long before; decay more slowly"
                + (", or use schedule.unit=epoch" * (self.unit == "step"))
            )


class PowerDecay(Decay):
    """A decay by the same factor in every period: a power of a base that is known to all bits."""

    decay_rate: float
    decay_steps: int
    kind: ClassVar[type[Base]]

    def __post_init__(self) -> None:
        """Keep the precision of the base, and of its root, in a program."""
        period = 1 if self.staircase else self.decay_steps
        object.__setattr__(self, "decay_rate", as_base(self.decay_rate, self.kind, period))

    def at(self, t: Time) -> Time:
        """Return the power."""
        return power(self.decay_rate, whole_periods(t, self.decay_steps) if self.staircase else t)


@option
class Exponential(PowerDecay):
    """m(t) = decay_rate^(t / decay_steps), decreasing by the same factor in every period.

    `staircase`: decay_rate^floor(t / decay_steps). 0.96 in every iteration is `unit=step`.
    """

    decay_rate: float = number(0.96, above=0, maximum=1)
    decay_steps: int = leaf(1, minimum=1)
    staircase: bool = False
    unit: Unit = "epoch"
    kind: ClassVar[type[Base]] = Base


@option
class NaturalExponential(PowerDecay):
    """m(t) = e^(-decay_rate * t / decay_steps): `exp` with the base e^(-decay_rate).

    `staircase`: e^(-decay_rate * floor(t / decay_steps)).
    """

    decay_rate: float = number(0.04, minimum=0)
    decay_steps: int = leaf(1, minimum=1)
    staircase: bool = False
    unit: Unit = "epoch"
    kind: ClassVar[type[Base]] = Rate


@option
class InverseTime(Decay):
    """m(t) = 1 / (1 + decay_rate * t / decay_steps). Robbins & Monro 1951.

    `staircase`: 1 / (1 + decay_rate * floor(t / decay_steps)).
    """

    decay_rate: float = number(0.1, minimum=0)
    decay_steps: int = leaf(1, minimum=1)
    staircase: bool = False
    unit: Unit = "epoch"

    def at(self, t: Time) -> Time:
        """Return 1 / (1 + decay_rate * the time in periods)."""
        passed = whole_periods(t, self.decay_steps) if self.staircase else t / self.decay_steps
        return 1 / (1 + self.decay_rate * passed)


@option
class InverseSquareRoot(Decay):
    """m(t) = 1 / sqrt(1 + t / timescale): 1 / sqrt(t) counted from the first unit of time.

    The rate in the regret bounds of online learning (Zinkevich 2003). The schedule of Vaswani et
    al. 2017 is this after a linear warm-up, scaled by the width of the model. `timescale` is what
    `decay_steps` is elsewhere; `staircase`: 1 / sqrt(1 + floor(t / timescale)).
    """

    timescale: float = number(1.0, above=0)
    staircase: bool = False
    unit: Unit = "epoch"

    def at(self, t: Time) -> Time:
        """Return 1 / sqrt(1 + the time in timescales)."""
        passed = whole_periods(t, self.timescale) if self.staircase else t / self.timescale
        return (1 + passed) ** -0.5
