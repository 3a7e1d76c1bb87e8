"""What every optimizer is: numbers, and the optax transformation they build."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from runner.options.option import Option

if TYPE_CHECKING:
    import optax
    from jaxtyping import Array, Float


class Optimizer(Option):
    """A rule that turns gradients into updates.

    `build` is called anew inside every (traced) step with that step's learning rate, so any optax
    rule that accepts a float accepts a schedule. The transformation's state is what carries over;
    building it costs nothing at run time.
    """

    learning_rate: float

    @abstractmethod
    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return the rule for one step.

        Args:
            learning_rate: this step's rate, `self.learning_rate` times the schedule's multiplier.
        """
