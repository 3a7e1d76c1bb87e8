"""Schedules that decrease to a given value within a given length and stay there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runner.lazy import jnp
from runner.options.clock import Clock, Unit
from runner.options.option import Facts, leaf, number, option
from runner.options.schedule.base import Schedule, longer_than_the_run

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class Finite(Schedule):
    """From 1 down to `final` within `length`, then `final`."""

    final: float
    length: int | None
    unit: Unit

    @abstractmethod
    def shape(self, progress: Float[Array, ""]) -> Float[Array, ""]:
        """Return a number that falls from 1 at progress 0 to 0 at progress 1."""

    def __call__(self, clock: Clock, state: Any) -> Float[Array, ""]:
        """Return final + (1 - final) * shape(t / length)."""
        shape = self.shape(clock.progress(self.length, self.unit))
        return self.final + (1 - self.final) * shape

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse a length beyond the end of the run, where `final` would never be reached."""
        yield from longer_than_the_run("length", self.length, self.unit, facts)


@option
class Linear(Finite):
    """m(t) = 1 - (1 - final) * min(t / length, 1): linear until `length`, then constant.

    Goodfellow, Bengio & Courville 2016, eq. 8.14, with tau = `length` and 1 % at the end.
    """

    final: float = number(0.01, minimum=0, maximum=1)
    length: int | None = leaf(None, minimum=1)
    unit: Unit = "epoch"

    def shape(self, progress: Float[Array, ""]) -> Float[Array, ""]:
        """Return a straight line."""
        return 1 - progress


@option
class Polynomial(Finite):
    """m(t) = final + (1 - final) * (1 - min(t / length, 1))^power."""

    power: float = number(2.0, above=0)
    final: float = number(0.0, minimum=0, maximum=1)
    length: int | None = leaf(None, minimum=1)
    unit: Unit = "epoch"

    def shape(self, progress: Float[Array, ""]) -> Float[Array, ""]:
        """Return a power of what remains."""
        return (1 - progress) ** self.power


@option
class Cosine(Finite):
    """m(t) = final + (1 - final) * (1 + cos(pi * min(t / length, 1))) / 2.

    Half a cosine from 1 down to `final`, without restarts (Loshchilov & Hutter 2017, eq. 5).
    """

    final: float = number(0.0, minimum=0, maximum=1)
    length: int | None = leaf(None, minimum=1)
    unit: Unit = "epoch"

    def shape(self, progress: Float[Array, ""]) -> Float[Array, ""]:
        """Return half a cosine."""
        return (1 + jnp.cos(jnp.pi * progress)) / 2


@option
class Step(Schedule):
    """m(t) = factor^(number of milestones at or before t).

    `milestones: null` puts them at one half and three quarters of the run, as He et al. 2016 did.
    """

    milestones: tuple[int, ...] | None = leaf(None, minimum=1)
    factor: float = number(0.1, above=0, maximum=1)
    unit: Unit = "epoch"

    def __call__(self, clock: Clock, state: Any) -> Float[Array, ""]:
        """Return factor^(milestones passed)."""
        t = clock.time(self.unit)
        halves = (clock.end(self.unit) / 2, clock.end(self.unit) * 3 / 4)
        passed = jnp.stack([t >= when for when in self.milestones or halves])
        return jnp.power(self.factor, jnp.sum(passed))

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse an empty list, and milestones that do not increase."""
        if self.milestones is not None and not self.milestones:
            yield "milestones", "the list is empty; use null for 1/2 and 3/4 of the run"
        elif self.milestones and sorted(set(self.milestones)) != list(self.milestones):
            yield "milestones", "they must increase"

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse milestones after the end of the run."""
        for when in self.milestones or ():
            yield from longer_than_the_run("milestones", when, self.unit, facts)
