"""Schedules of the momentum: small at first, then larger, up to the optimizer's own number.

They set those of the optimizer's numbers that say how much of the past is kept (`momentum`, `b1`,
`b2`, ...): by default the first of them, others by name in `of`. Optimizers that undo the bias of
their moments do so with the product of the numbers that were really used.
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
    """The momentum of a step, as a function of time and of the optimizer's own number."""

    of: tuple[str, ...] | None
    changes: ClassVar[bool] = True
    """Whether it does anything."""

    @abstractmethod
    def __call__(self, momentum: Float[Array, ""], clock: Clock) -> Float[Array, ""]:
        """The value at this time of a number that was set to `momentum`."""

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse optimizers without momentum, and names that are no momentum of theirs."""
        if not facts.momenta:
            yield "name", "the optimizer has no momentum that could follow a schedule"
        for key in self.of or ():
            if key not in facts.momenta:
                yield "of", f"{key} is none of the optimizer's: {', '.join(facts.momenta)}"


@option
class ConstantMomentum(MomentumSchedule):
    """The optimizer's number, always."""

    of: ClassVar[None] = None  # type: ignore[misc]
    changes: ClassVar[bool] = False

    def __call__(self, momentum: Float[Array, ""], clock: Clock) -> Float[Array, ""]:
        """Return it."""
        return momentum

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Fits everything."""
        yield from ()


@option
class LinearMomentum(MomentumSchedule):
    """From `initial` to the optimizer's number in a straight line over `length`, then constant."""

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

    0.5 in the first `period` steps, then 0.75, 0.833, ..., up to the optimizer's number.
    Sutskever, Martens, Dahl & Hinton 2013, eq. 5, with period 250.
    """

    period: int = leaf(250, minimum=1)
    of: tuple[str, ...] | None = None

    def __call__(self, momentum: Float[Array, ""], clock: Clock) -> Float[Array, ""]:
        """Return the smaller of the rising curve and the optimizer's number."""
        return jnp.minimum(1 - 0.5 / (jnp.floor(clock.step / self.period) + 1), momentum)


@option
class OneCycleMomentum(MomentumSchedule):
    """Half a cosine down to `low` at the fraction `peak` of the run, and another back up.

    The counterpart of `schedule=one_cycle`: momentum is small while the rate is large. Smith &
    Topin 2019; PyTorch's and fastai's 0.95 to 0.85 is b1=0.95 with low=0.85.
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
