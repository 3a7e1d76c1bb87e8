"""The names of what is measured, the same in the engine, the curves, the tags and the docs."""

from __future__ import annotations

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

METRIC = "validation_error"
"""What a run is judged by: its least value over the evaluations. Sweeps sort by it, and search for
its minimum."""
