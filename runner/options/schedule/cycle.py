"""Schedules that rise as well as fall."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runner.lazy import jax, jnp
from runner.options.clock import Clock, Unit
from runner.options.option import Facts, leaf, number, option
from runner.options.schedule.base import Schedule, longer_than_the_run
from runner.options.schedule.power import as_base, power

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Num

_MOST_RESTARTS = 40


def _remainder(t: Num[Array, ""], period: Any) -> Num[Array, ""]:
    """The time since the last whole period, without rounding."""
    return jax.lax.rem(t, jnp.asarray(period, t.dtype))


@option
class CosineRestarts(Schedule):
    """Half cosines from 1 to `final`, repeated: m = final + (1 - final) * (1 + cos(pi T/P)) / 2.

    T is the time since the last restart and P the length of the current period: `period` at first,
    and `growth` times longer after each restart. Loshchilov & Hutter 2017 (SGDR), eq. 5, with T_0 =
    `period` and T_mult = `growth`.
    """

    period: int = leaf(1, minimum=1)
    growth: int = number(2, minimum=1, maximum=10)
    final: float = number(0.0, minimum=0, maximum=1)
    unit: Unit = "epoch"

    def __call__(self, clock: Clock, state: Any) -> Float[Array, ""]:
        """Return the cosine of the current period."""
        t = jnp.maximum(clock.time(self.unit), 0)
        if self.growth == 1:
            progress = _remainder(t, self.period) / self.period
        else:
            t = t / self.period
            # The k-th restart is after 1 + growth + ... + growth^(k-1) first periods.
            sizes = [float(self.growth) ** k for k in range(_MOST_RESTARTS)]
            starts = jnp.asarray([(size - 1) / (self.growth - 1) for size in sizes])
            current = jnp.sum(t >= starts) - 1
            progress = (t - starts[current]) / jnp.asarray(sizes)[current]
        return self.final + (1 - self.final) * (1 + jnp.cos(jnp.pi * progress)) / 2

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse a first period that the run does not complete."""
        yield from longer_than_the_run("period", self.period, self.unit, facts)


@option
class OneCycle(Schedule):
    """Half a cosine up from `initial` to 1 at the fraction `peak` of the run, another to `final`.

    Smith & Topin 2019, in the form of fastai and PyTorch, whose `div_factor` 25 and
    `final_div_factor` 10^4 are the defaults here. Here `final` is reached at the end of the run,
    after all T steps. PyTorch reaches it at the last step, T - 1, and the maximum at the step
    peak * T - 1: its cycle is this one over T - 1 steps with the peak at
    (peak * T - 1) / (T - 1), and the two differ by less than 1 / (peak * T). The counterpart is
    `momentum_schedule=one_cycle`.
    """

    initial: float = number(0.04, minimum=0, maximum=1)
    peak: float = number(0.3, above=0, below=1)
    final: float = number(4e-6, minimum=0, maximum=1)

    def __call__(self, clock: Clock, state: Any) -> Float[Array, ""]:
        """Return the cycle."""
        progress = clock.progress(None, "epoch")
        up, down = progress / self.peak, (progress - self.peak) / (1 - self.peak)
        rising = 1 + (self.initial - 1) * (1 + jnp.cos(jnp.pi * up)) / 2
        falling = self.final + (1 - self.final) * (1 + jnp.cos(jnp.pi * down)) / 2
        return jnp.where(progress < self.peak, rising, falling)


@option
class Cyclic(Schedule):
    """Triangles between `low` and 1: m(t) = low + (1 - low) * (1 - |x|) * decay_rate ^ t.

    x grows from -1 to 1 in every cycle, whose length is twice `half_cycle`. Smith 2017;
    `decay_rate` below 1 is the paper's `exp_range`.
    """

    low: float = number(0.1, minimum=0, maximum=1)
    half_cycle: int = leaf(2, minimum=1)
    decay_rate: float = number(1.0, above=0, maximum=1)
    unit: Unit = "epoch"

    def __post_init__(self) -> None:
        """Keep the precision of the base in a program."""
        object.__setattr__(self, "decay_rate", as_base(self.decay_rate))

    def __call__(self, clock: Clock, state: Any) -> Float[Array, ""]:
        """Return the triangle."""
        t = jnp.maximum(clock.time(self.unit), 0)
        x = _remainder(t, 2 * self.half_cycle) / self.half_cycle - 1
        return self.low + (1 - self.low) * (1 - jnp.abs(x)) * power(self.decay_rate, t)

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse half a cycle that the run does not complete."""
        yield from longer_than_the_run("half_cycle", self.half_cycle, self.unit, facts)


@option
class Trapezoid(Schedule):
    """Linear from 0 to 1 over the fraction `rise` of the run, then 1, then to `final` over `fall`.

    Warmup-stable-decay (Hu et al. 2024); with `rise: 0`, Hagele et al. 2024.
    """

    rise: float = number(0.1, minimum=0, maximum=1)
    fall: float = number(0.2, above=0, maximum=1)
    final: float = number(0.0, minimum=0, maximum=1)

    def __call__(self, clock: Clock, state: Any) -> Float[Array, ""]:
        """Return the trapezoid."""
        progress = clock.progress(None, "epoch")
        rising = progress / jnp.maximum(self.rise, 1e-12)
        falling = 1 - (1 - self.final) * (progress - (1 - self.fall)) / self.fall
        return jnp.where(progress < self.rise, rising, jnp.minimum(falling, 1))

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse a rise and a fall that overlap."""
        if self.rise + self.fall > 1:
            yield "fall", f"{self.fall} and rise {self.rise} add up to more than the run"
