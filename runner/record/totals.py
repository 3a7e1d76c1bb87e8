"""What a run's chunks add up to: the numbers of its summary."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from runner.engine.chunk import EPOCH_DTYPE, Chunk
from runner.measures import CLIPPED
from runner.record.checkpoints import Position
from runner.record.summary import final_and_best, place_of, values_at
from runner.status import Status


class Totals:
    """Adds up the chunks of a run.

    Args:
        clips: whether the fraction of clipped steps is of interest.
        best_by: the measure by which an evaluation is the best one.
    """

    def __init__(self, *, clips: bool, best_by: str) -> None:
        self.status: Status | None = None
        """How the run ended; None while it goes on."""
        self._clips, self._best_by = clips, best_by
        self._clipped_steps = 0
        self._steps = 0
        self._epochs = 0.0
        self._seconds = 0.0
        self._diverged_at: int | None = None
        self._stopped_at: int | None = None
        self._kept_at: int | None = None
        self._evaluations: list[npt.NDArray] = [np.zeros(0, EPOCH_DTYPE)]

    def add(self, chunk: Chunk) -> None:
        """Add the next chunk."""
        self.status, self._diverged_at = chunk.status, chunk.diverged_at
        self._stopped_at, self._kept_at = chunk.stopped_at, chunk.kept_at
        self._steps += len(chunk.steps)
        self._epochs = chunk.epochs_taken
        self._seconds = chunk.seconds
        self._clipped_steps += int(chunk.steps[CLIPPED].sum())
        self._evaluations.append(chunk.epochs)

    def position(self) -> Position:
        """Where the run is."""
        evaluations = np.concatenate(self._evaluations)
        here = evaluations[self._best_by][evaluations["step"] == self._steps]
        return Position(
            self._steps,
            len(evaluations),
            self._epochs,
            self._seconds,
            self._kept_at,
            here[-1].item() if len(here) and np.isfinite(here[-1]) else None,
        )

    def summary(self, compile_seconds: float) -> dict[str, Any]:
        """The measured part of the summary.

        Args:
            compile_seconds: how long compiling took, outside the run's own time.
        """
        evaluations = np.concatenate(self._evaluations)
        return {
            "diverged_at": self._diverged_at,
            "stopped_at": place_of(evaluations, self._stopped_at),
            "kept_at": place_of(evaluations, self._kept_at),
            "kept": values_at(evaluations, self._kept_at),
            **final_and_best(evaluations),
            "steps": self._steps,
            "epochs": self._epochs,
            "seconds": self._seconds,
            "compile_seconds": compile_seconds,
            "steps_per_second": self._steps / self._seconds if self._seconds else None,
            CLIPPED: self._clipped_steps / max(self._steps, 1) if self._clips else None,
        }
