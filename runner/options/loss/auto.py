"""The loss that follows from the targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.options.loss.base import Loss, are_classes
from runner.options.loss.classes import CrossEntropy
from runner.options.loss.numbers import SquaredError
from runner.options.option import option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Num


@option
class AutoLoss(Loss):
    """What follows from the targets: `cross_entropy` of classes, `squared_error` of numbers.

    A run with `auto` and one that names the same loss share a program.
    """

    def __call__(
        self, outputs: Float[Array, "*batch outputs"], targets: Num[Array, "*batch_and_columns"]
    ) -> Float[Array, "*batch"]:
        """Return the losses of what follows from the targets."""
        return self.chosen(classes=are_classes(targets))(outputs, targets)

    @staticmethod
    def chosen(*, classes: bool) -> Loss:
        """Return the loss.

        Args:
            classes: whether the targets are classes.
        """
        return CrossEntropy() if classes else SquaredError()
