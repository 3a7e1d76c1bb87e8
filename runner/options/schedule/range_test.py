"""The learning-rate range test: a schedule whose one run tries all learning rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from runner.lazy import jnp
from runner.options.clock import Clock
from runner.options.option import number, option
from runner.options.schedule.base import Schedule

if TYPE_CHECKING:
    from jaxtyping import Array, Float

Growth = Literal["exponential", "linear"]


@option
class RangeTest(Schedule):
    """m(t) = initial * (final / initial)^(t / T): grows by the same factor in every step of T.

    `growth=linear` is m(t) = initial + (final - initial) * t / T: by the same amount, as in Smith
    2017, section 3.3; it grows exponentially in fastai and in most tools since. By default from a
    thousandth to a thousand times the learning rate of the optimizer, which a linear test hardly
    sees the small half of: choose `final` for it. The loss against the rate
    (`figure.axes=[learning_rate]`) shows from which rate on it falls and at which it diverges; both
    are printed, with a suggestion (`runner.compare.range_test`). The run is a measurement: its
    final numbers say nothing of what the options can do.
    """

    initial: float = number(1e-3, above=0)
    final: float = number(1e3, above=0)
    growth: Growth = "exponential"

    def __call__(self, clock: Clock, state: Any) -> Float[Array, ""]:
        """Return the growing multiplier."""
        passed = clock.progress(None, "epoch")
        if self.growth == "linear":
            return self.initial + (self.final - self.initial) * passed
        first, last = jnp.log(self.initial), jnp.log(self.final)
        return jnp.exp(first + (last - first) * passed)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse a multiplier that does not grow."""
        if self.final <= self.initial:
            yield "final", f"{self.final:g} must be greater than initial={self.initial:g}"
