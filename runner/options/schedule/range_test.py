"""The learning-rate range test: a schedule whose one run tries all learning rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runner.lazy import jnp
from runner.options.clock import Clock
from runner.options.option import number, option
from runner.options.schedule.base import Schedule

if TYPE_CHECKING:
    from jaxtyping import Array, Float


@option
class RangeTest(Schedule):
    """m(t) = initial * (final / initial)^(t / T): grows by the same factor in every step of T.

    By default from a thousandth to a thousand times the learning rate of the optimizer. The loss
    against the rate (`figure.axes=[learning_rate]`) shows from which rate on it falls and at which
    it diverges; both are printed, with a suggestion (`runner.compare.range_test`). The run is a
    measurement: its final numbers say nothing of what the options can do. Smith 2017, section 3.3,
    whose rate grows linearly; it grows exponentially in fastai and in most tools since.
    """

    initial: float = number(1e-3, above=0)
    final: float = number(1e3, above=0)

    def __call__(self, clock: Clock, state: Any) -> Float[Array, ""]:
        """Return the growing multiplier."""
        first, last = jnp.log(self.initial), jnp.log(self.final)
        return jnp.exp(first + (last - first) * clock.progress(None, "epoch"))

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse a multiplier that does not grow."""
        if self.final <= self.initial:
            yield "final", f"{self.final:g} must be greater than initial={self.initial:g}"
