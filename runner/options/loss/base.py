"""The base class of losses, and the error that is recorded beside every loss.

Targets that are integers count classes from 0, shape `[batch]`. Targets that are floats are
numbers, shape `[batch, columns]`. The outputs of the network have one column for each class, or for
each number. All losses are means over the outputs of an example where they are sums of terms of
outputs, so that the number of columns does not change the scale of the gradient.

Where sequences have a target at each step, targets and outputs have an axis of steps after that of
the examples, and loss and error of an example are means over its steps.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from runner.lazy import jax, jnp, optax
from runner.options.option import Facts, Option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int, Num


class Loss(Option):
    """A loss for each example.

    A loss defines `__call__`, for any number of axes before that of the outputs. One whose outputs
    are not the predicted numbers themselves overrides `mean_prediction`, one for classes only sets
    `needs_classes`.
    """

    needs_classes: ClassVar[bool] = False
    """Whether the targets must be classes."""

    smooths_labels: ClassVar[bool] = False
    """Whether `regularization=label_smoothing` is defined for it."""

    @abstractmethod
    def __call__(
        self, outputs: Float[Array, "*batch outputs"], targets: Num[Array, "*batch_and_columns"]
    ) -> Float[Array, "*batch"]:
        """Return the loss of each example, or of each step of each example.

        Args:
            outputs: what the network computes.
            targets: classes (integers, `[*batch]`) or numbers (floats, `[*batch, columns]`).
        """

    def losses_and_errors(
        self,
        outputs: Float[Array, "batch *steps outputs"],
        targets: Num[Array, "batch *steps_and_columns"],
        unit: Float[Array, " columns"] | None = None,
    ) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
        """Return the loss and the error of each example.

        The error of a class is 0 where the output of the target is the largest, and 1 elsewhere and
        where the loss is not finite. The error of numbers is the mean over columns of
        unit * |output - target|.

        Args:
            outputs: see `__call__`.
            targets: see `__call__`.
            unit: what 1 in the targets stands for, by column; None: 1.
        """
        losses = self(outputs, targets)
        if are_classes(targets):
            right = (jnp.argmax(outputs, axis=-1) == targets) & jnp.isfinite(losses)
            return of_examples(losses), of_examples(1.0 - right)
        distances = jnp.abs(outputs - targets)
        errors = jnp.mean(distances if unit is None else unit * distances, axis=-1)
        return of_examples(losses), of_examples(errors)

    def mean_prediction(
        self, outputs: Float[Array, "samples *batch outputs"]
    ) -> Float[Array, "*batch outputs"]:
        """Return the outputs that predict what several networks predict on average.

        By default the mean of the outputs.
        """
        return outputs.mean(axis=0)

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse targets that are numbers where classes are needed."""
        if self.needs_classes and not facts.classes:
            yield (
                "name",
                "it needs classes, and the targets are numbers; use loss=squared_error, "
                "loss=absolute_error or loss=huber",
            )


def of_examples(values: Float[Array, "batch *steps"]) -> Float[Array, " batch"]:
    """Return the mean over the steps of each example, if there are any."""
    return values if values.ndim == 1 else values.mean(axis=tuple(range(1, values.ndim)))


def bits(
    outputs: Float[Array, "batch steps classes"], targets: Int[Array, "batch steps"]
) -> Float[Array, " batch"]:
    """Return the mean over the steps of -log2 softmax(outputs)[target]: bits per character.

    It is the cross-entropy divided by log(2). Text of that many bits a character is what an ideal
    code of these probabilities would need (Shannon 1951).
    """
    nats = optax.softmax_cross_entropy_with_integer_labels(outputs, targets)
    return of_examples(nats) / math.log(2)


def are_classes(targets: Num[Array, "..."]) -> bool:
    """Return whether targets count classes; known when a program is compiled."""
    return bool(jnp.issubdtype(targets.dtype, jnp.integer))


def as_numbers(
    targets: Num[Array, "*batch_and_columns"], outputs: Float[Array, "*batch outputs"]
) -> Float[Array, "*batch outputs"]:
    """Return targets as the numbers that outputs should be: 1 for the class and 0 for others."""
    if are_classes(targets):
        return jax.nn.one_hot(targets, outputs.shape[-1], dtype=outputs.dtype)
    return targets


def is_target(
    targets: Int[Array, "*batch"], outputs: Float[Array, "*batch classes"]
) -> Float[Array, "*batch classes"]:
    """Return whether each output is that of the target."""
    return targets[..., None] == jnp.arange(outputs.shape[-1])
