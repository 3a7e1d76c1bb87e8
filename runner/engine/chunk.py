"""What training hands over to be recorded: the rows of some steps, and when they were computed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from runner.measures import EPOCH_MEASURES, STEP_MEASURES

STEP_DTYPE = np.dtype(
    [("step", "<i4"), ("seconds", "<f4"), *((name, "<f4") for name in STEP_MEASURES)]
)
"""One row a step: what was measured after `step` updates, on that step's own batch."""

EPOCH_DTYPE = np.dtype(
    [
        ("epoch", "<i4"),
        ("step", "<i4"),
        ("seconds", "<f4"),
        *((name, "<f4") for name in EPOCH_MEASURES),
    ]
)
"""One row an evaluation: after `epoch` epochs; epoch 0 is the start and has no train_* (NaN)."""

PATH_DTYPE = np.dtype([("step", "<i4"), ("x", "<f4"), ("y", "<f4")])
"""One row a step and one at the end: the point of the plane reached after `step` updates."""


class Chunk(NamedTuple):
    """Some consecutive steps of a run.

    `begun` and `ended` are the wall-clock times (seconds since 1970) between which the device
    worked on it; the recorder fills in the rows' `seconds` from them. `epochs_taken` counts the
    epochs of the run after its last step, with their fractions. `share` is the run's part of that
    time where others were computed beside it: 1 / 8 if eight runs took turns on one device. `path`
    is there where the parameters are a point of the plane.
    """

    steps: npt.NDArray
    epochs: npt.NDArray
    begun: float
    ended: float
    epochs_taken: float
    share: float = 1.0
    path: npt.NDArray | None = None
