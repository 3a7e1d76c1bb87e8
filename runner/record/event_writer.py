"""The writer of a run's event file: what TensorBoard shows of it.

The event file holds at most `POINTS_PER_TAG` points of a curve, evenly spaced and as they were
measured (the noise of small batches is worth seeing, so nothing is averaged): TensorBoard shows a
thousand points of a curve however many it is given, and needs seconds to load a million.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runner.config.keys import hyperparameters
from runner.engine.chunk import Chunk
from runner.measures import EPOCH_MEASURES, METRIC, STEP_MEASURES
from runner.record.dashboards import layout, session_end, session_start
from runner.record.events import EventFile
from runner.record.facts import RunFacts
from runner.status import Status

POINTS_PER_TAG = 2000

BEST_MEASURES = (METRIC, "validation_loss")
"""Their least values so far are curves too, for HPARAMS: it knows the last value of a curve only,
and shows the first five by name."""

_Columns = Mapping[str, npt.NDArray]


class EventWriter:
    """Writes the event file (see `runner.record.recorder.Writer`).

    Args:
        directory: the run's.
        facts: what is known about the run.
    """

    def __init__(self, directory: Path, facts: RunFacts) -> None:
        self._total_steps, self._total_epochs = facts.total_steps, facts.total_epochs
        self._step_measures = [name for name in STEP_MEASURES if facts.clips or name != "clipped"]
        self._best = dict.fromkeys(BEST_MEASURES, math.inf)
        self._events = EventFile(directory)
        settings = hyperparameters(facts.config, facts.batch_size)
        self._events.summaries(session_start(directory.name, settings, time.time()), layout())

    def write(self, chunk: Chunk) -> None:
        """Write some of the steps and evaluations of a chunk."""
        self._write_steps(chunk)
        self._write_epochs(chunk)

    def close(self, summary: Mapping[str, Any]) -> None:
        """Tell HPARAMS how the run ended, and close the file."""
        self._events.summaries(session_end(summary["status"] == Status.FINISHED, time.time()))
        self._events.close()

    def _write_steps(self, chunk: Chunk) -> None:
        steps = chunk.steps["step"]
        kept = steps % math.ceil(self._total_steps / POINTS_PER_TAG) == 0
        kept[-1] |= chunk.status is not None
        times = chunk.wall_times(steps[kept] + 1)
        columns = {name: chunk.steps[name][kept] for name in self._step_measures}
        self._write_columns("iteration", columns, steps[kept], times)

    def _write_epochs(self, chunk: Chunk) -> None:
        best = self._best_so_far(chunk.epochs)
        stride = math.ceil(self._total_epochs / POINTS_PER_TAG)
        last = chunk.epochs["step"] == self._total_steps
        kept = (chunk.epochs["epoch"] % stride == 0) | last
        epochs = chunk.epochs[kept]
        columns = {name: epochs[name] for name in EPOCH_MEASURES}
        columns |= {f"best_{name}": values[kept] for name, values in best.items()}
        times = chunk.wall_times(epochs["step"])
        # Rows that have the same tags are written together.
        known = np.stack([self._is_known(name, columns, epochs) for name in columns], axis=1)
        for pattern in np.unique(known, axis=0):
            rows = (known == pattern).all(axis=1)
            shown = {
                name: values[rows]
                for (name, values), is_known in zip(columns.items(), pattern, strict=True)
                if is_known
            }
            self._write_columns("epoch", shown, epochs["epoch"][rows], times[rows])

    @staticmethod
    def _is_known(name: str, columns: _Columns, epochs: npt.NDArray) -> npt.NDArray:
        """Which rows have a value of a tag.

        Before the first step there is no mean over an epoch's steps, and before the first finite
        value there is no best one.
        """
        if name.startswith("train"):
            return epochs["step"] > 0
        if name.startswith("best"):
            return np.isfinite(columns[name])
        return np.ones(len(epochs), bool)

    def _write_columns(
        self, axis: str, columns: _Columns, positions: npt.NDArray, times: npt.NDArray
    ) -> None:
        """Write an event a row; `positions` are what TensorBoard calls steps."""
        tags = [f"{axis}/{name}" for name in columns]
        values = np.stack(list(columns.values()), axis=1)
        self._events.scalars(tags, positions, times, values)

    def _best_so_far(self, epochs: npt.NDArray) -> dict[str, npt.NDArray]:
        """The least value of each measure up to each row; infinite where there is none."""
        best = {}
        for name in BEST_MEASURES:
            values = np.where(np.isfinite(epochs[name]), epochs[name], math.inf)
            best[name] = np.minimum.accumulate(np.append(self._best[name], values))[1:]
            self._best[name] = best[name][-1] if len(values) else self._best[name]
        return best
