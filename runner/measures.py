"""The names of what is measured, the same in the engine, the curves, the tags and the docs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

STEP_MEASURES = (
    "train_loss",
    "train_error",
    "learning_rate",
    "gradient_norm",
    "update_norm",
    "clipped",
)
"""Of every step, on its own batch, before the step is taken.

The gradient norm is that before any clipping or noise; `clipped` is 1 where clipping changed the
gradient and 0 elsewhere.
"""

EPOCH_MEASURES = (
    "train_loss",
    "train_error",
    "validation_loss",
    "validation_error",
    "test_loss",
    "test_error",
)
"""Of every evaluation: means over the epoch's steps, and over the held-out splits."""

SEED = "seed"
METRIC = "validation_error"
"""What runs are sorted by: its least value over the epochs."""


def ends(statuses: Iterable[str]) -> dict[str, int]:
    """How many runs ended in which way, in the order in which the ways come first."""
    return dict(Counter(statuses))
