"""Schedules of the momentum, up to the number that the optimizer is configured with.

They set the numbers of the optimizer that weight the past (`momentum`, `b1`, `b2`, ...): by default
the first of them, others by name in `of`. Optimizers that correct the bias of their moments use the
product of the numbers of all steps so far.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from runner.lazy import jnp
from runner.options.clock import Clock, Unit
from runner.options.option import Facts, Option, leaf, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class MomentumSchedule(Option):
    """The momentum of a step, as a function of time and of the configured number."""

    of: tuple[str, ...] | None
    changes: ClassVar[bool] = True
    """Whether the momentum ever differs from the configured number."""

    @abstractmethod
    def __call__(self, momentum: Float[Array, ""], clock: Clock) -> Float[Array, ""]:
        """Return the value at this time of a number that is configured as `momentum`."""

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse optimizers without momentum, and names that are not among their momenta."""
        if not facts.momenta:
            yield "name", "the optimizer has no momentum that could follow a schedule"
        for key in self.of or ():
            if key not in facts.momenta:
                known = ", ".join(facts.momenta)
                yield "of", f"{key} is not a momentum of the optimizer; choose from {known}"


@option
class ConstantMomentum(MomentumSchedule):
    """The configured number at all times."""

    of: ClassVar[None] = None  # type: ignore[misc]
    changes: ClassVar[bool] = False

    def __call__(self, momentum: Float[Array, ""], clock: Clock) -> Float[Array, ""]:
        """Return `momentum`."""
        return momentum

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Accept every run."""
        yield from ()


@option
class LinearMomentum(MomentumSchedule):
    """From `initial` to the configured number in a straight line over `length`, then constant."""

    initial: float = number(0.5, minimum=0, below=1)
    length: int | None = leaf(None, minimum=1)
    unit: Unit = "epoch"
    of: tuple[str, ...] | None = None

    def __call__(self, momentum: Float[Array, ""], clock: Clock) -> Float[Array, ""]:
        """Return initial + (momentum - initial) * min(t / length, 1)."""
        return self.initial + (momentum - self.initial) * clock.progress(self.length, self.unit)


@option
class SutskeverMomentum(MomentumSchedule):
    """min(1 - 2 ^ (-1 - log2(floor(t / period) + 1)), momentum), t in steps.

    0.5 in the first `period` steps, then 0.75, 0.833, ..., up to the configured number.
    Sutskever, Martens, Dahl & Hinton 2013, eq. 5, with period 250.
    """

    period: int = leaf(250, minimum=1)
    of: tuple[str, ...] | None = None

    def __call__(self, momentum: Float[Array, ""], clock: Clock) -> Float[Array, ""]:
        """Return the smaller of the rising curve and the configured number."""
        return jnp.minimum(1 - 0.5 / (jnp.floor(clock.step / self.period) + 1), momentum)


@option
class OneCycleMomentum(MomentumSchedule):
    """Half a cosine down to `low` at the fraction `peak` of the run, and another back up.

    The counterpart of `schedule=one_cycle`: momentum is small while the rate is large. Smith &
    Topin 2019; the 0.95 to 0.85 of PyTorch and fastai is b1=0.95 with low=0.85.
    """

    low: float = number(0.85, minimum=0, below=1)
    peak: float = number(0.3, above=0, below=1)
    of: tuple[str, ...] | None = None

    def __call__(self, momentum: Float[Array, ""], clock: Clock) -> Float[Array, ""]:
        """Return the cycle."""
        progress = clock.progress(None, "epoch")
        down, up = progress / self.peak, (progress - self.peak) / (1 - self.peak)
        phase = jnp.where(progress < self.peak, down, 1 - up)
        return self.low + (momentum - self.low) * (1 + jnp.cos(jnp.pi * phase)) / 2
