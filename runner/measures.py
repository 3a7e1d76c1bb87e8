"""The names of what is measured, the same in the engine, the curves, the tags and the docs."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

TRAIN_LOSS = "train_loss"
"""The loss of a step on its own batch. A run diverges where it is infinite or not a number."""

VALIDATION_LOSS = "validation_loss"

LEARNING_RATE = "learning_rate"
"""The only measure of a step that does not depend on its batch."""

CLIPPED = "clipped"
"""1 where clipping changed the gradient and 0 elsewhere; a mean is a share."""

STEP_MEASURES = (
    TRAIN_LOSS,
    "train_error",
    LEARNING_RATE,
    "gradient_norm",
    "update_norm",
    CLIPPED,
)
"""Measured on a step's own batch, before the parameters are updated.

`gradient_norm` is the norm before any clipping or noise.
"""

NORMS = ("gradient_norm", "update_norm")
"""The step measures that take a pass over the parameters.

They are measured in steps whose number is a multiple of `measure_every`; in others they are NaN.
"""

POINTS_PER_CURVE = 2000
"""How many points of a curve an event file holds; by default norms are measured at as many steps.

TensorBoard shows a thousand points of a curve, and needs seconds to load a million.
"""

SPLITS = ("train", "validation", "test")

EPOCH_MEASURES = tuple(f"{split}_{kind}" for split in SPLITS for kind in ("loss", "error"))
"""Measured at every evaluation: means over the epoch's steps, and over the held-out splits."""

TRAINING_SET_MEASURES = ("training_set_loss", "training_set_error")
"""Measured at every evaluation with `evaluate_train`: means over all training examples, with the
parameters that validation and test are evaluated with. (`train_loss` is a mean over an epoch's
steps, each with its own parameters.) In other runs they are NaN."""

R_SQUARED = ("validation_r2", "test_r2")
"""Measured at every evaluation where the targets are numbers: the coefficient of determination, 1
for perfect predictions and 0 for those of the mean. In other runs they are NaN."""

BITS = ("validation_bits", "test_bits")
"""Measured at every evaluation where the targets are the next characters of a text: bits per
character, the mean of -log2 of the probability that softmax(outputs) gives to the character,
whatever the loss is. In other runs they are NaN."""

OPTIONAL_MEASURES = (*TRAINING_SET_MEASURES, *R_SQUARED, *BITS)
"""What only some runs measure; NaN in the curves of others."""

EVALUATED_MEASURES = (*EPOCH_MEASURES, *OPTIONAL_MEASURES)
"""All that an evaluation may measure: the columns of `epochs.npy`."""

METRIC = "validation_error"
"""What a run is judged by: the least value over the evaluations. Sweeps sort by it, and search for
its minimum."""


def is_minimized(measure: str) -> bool:
    """Whether less of a measure is better: of a loss, an error or bits, not of a norm or R^2."""
    return any(kind in measure for kind in ("_loss", "_error", "_bits"))


def validated(measure: str) -> str:
    """The measure of the validation split that makes the choices where `measure` is reported."""
    return METRIC if "_error" in measure else VALIDATION_LOSS


class ErrorKind(StrEnum):
    """What the error of an example is. The value is what `summary.json` calls it."""

    RATE = "0-1 error"
    """1 where the prediction is wrong and 0 elsewhere; a mean is a rate, shown in percent."""

    CHARACTER_RATE = "0-1 error by character"
    """The share of the characters of an example that are predicted wrongly, shown in percent."""

    ABSOLUTE = "mean absolute error"
    """The mean over the columns of |prediction - target|, in the unit of the target; no rate."""

    DISTANCE = "distance from the nearest minimum"
    """How far the parameters are from the solution of a problem; no rate."""

    @property
    def noun(self) -> str:
        """What the columns of a table call it."""
        nouns = {ErrorKind.ABSOLUTE: "absolute error", ErrorKind.DISTANCE: "distance"}
        return nouns.get(self, "error")

    @classmethod
    def of_all(cls, kinds: Iterable[str]) -> ErrorKind | None:
        """Return the kind of the errors of several runs; None if they differ."""
        found = set(kinds)
        return cls(found.pop()) if len(found) == 1 else None

    @property
    def is_percentage(self) -> bool:
        """Whether it is shown in percent."""
        return self in (ErrorKind.RATE, ErrorKind.CHARACTER_RATE)
