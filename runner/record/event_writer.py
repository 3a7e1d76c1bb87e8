"""The writer of a run's event file: what TensorBoard shows of it.

The event file holds at most `POINTS_PER_CURVE` points of a curve, evenly spaced and as they were
measured (the noise of small batches is worth seeing, so nothing is averaged). What was not measured
in a step has no point.
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
from runner.measures import (
    CLIPPED,
    EVALUATED_MEASURES,
    METRIC,
    NORMS,
    OPTIONAL_MEASURES,
    POINTS_PER_CURVE,
    STEP_MEASURES,
    VALIDATION_LOSS,
)
from runner.record.dashboards import layout, session_end, session_start
from runner.record.diagnostic_events import write_table
from runner.record.events import EventFile
from runner.record.facts import RunFacts
from runner.status import Status

BEST_MEASURES = (METRIC, VALIDATION_LOSS)
"""Their least values so far are curves too, for HPARAMS: it knows the last value of a curve only,
and shows the first five by name."""

_Columns = Mapping[str, npt.NDArray]


class EventWriter:
    """Writes the event file (see `runner.record.writer.Writer`).

    Args:
        directory: the run's.
        facts: what is known about the run.
    """

    def __init__(self, directory: Path, facts: RunFacts) -> None:
        self._total_steps, self._total_epochs = facts.total_steps, facts.total_epochs
        self._measure_every = facts.measure_every
        self._step_measures = [name for name in STEP_MEASURES if facts.clips or name != CLIPPED]
        self._best = dict.fromkeys(BEST_MEASURES, math.inf)
        self._events = EventFile(directory)
        settings = hyperparameters(facts.config, facts.batch_size)
        self._events.summaries(
            session_start(directory.name, settings, time.time()), layout(facts.error)
        )
        self._events.flush()

    def write(self, chunk: Chunk) -> None:
        """Write some of the steps and evaluations of a chunk."""
        self._write_steps(chunk)
        self._write_epochs(chunk)
        self._events.flush()

    def close(self, summary: Mapping[str, Any]) -> None:
        """Tell HPARAMS how the run ended."""
        succeeded = summary["status"] in (Status.FINISHED, Status.STOPPED)
        self._events.summaries(session_end(succeeded, time.time()))
        self._events.flush()

    def _write_steps(self, chunk: Chunk) -> None:
        steps = chunk.steps["step"]
        kept = {
            name: self._is_kept(steps, self._measure_every if name in NORMS else 1)
            for name in self._step_measures
        }
        if chunk.status is not None:
            for name in kept.keys() - NORMS:
                kept[name][-1] = True
        every = self._measure_every
        for table, rows in chunk.step_tables.items():
            shown = rows[self._is_kept(rows["step"], every)]
            write_table(self._events, table, shown, chunk.wall_times, axis="step")
        columns = {name: chunk.steps[name] for name in kept}
        self._write_columns("iteration", columns, kept, steps, chunk.wall_times(steps + 1))

    def _is_kept(self, steps: npt.NDArray, every: int) -> npt.NDArray:
        """Which steps have a point of a measure that is measured every so often."""
        return steps % (every * math.ceil(self._total_steps / every / POINTS_PER_CURVE)) == 0

    def _write_epochs(self, chunk: Chunk) -> None:
        best = self._best_so_far(chunk.epochs)
        stride = math.ceil(self._total_epochs / POINTS_PER_CURVE)
        is_last = (chunk.epochs["step"] == chunk.steps_taken) & (chunk.status is not None)
        kept = (chunk.epochs["epoch"] % stride == 0) | is_last
        for table, rows in chunk.tables.items():
            shown = rows[np.isin(rows["step"], chunk.epochs["step"][kept])]
            write_table(self._events, table, shown, chunk.wall_times)
        columns = {name: chunk.epochs[name] for name in EVALUATED_MEASURES}
        columns |= {f"best_{name}": values for name, values in best.items()}
        known = {name: kept & self._is_known(name, columns, chunk.epochs) for name in columns}
        times = chunk.wall_times(chunk.epochs["step"])
        self._write_columns("epoch", columns, known, chunk.epochs["epoch"], times)

    @staticmethod
    def _is_known(name: str, columns: _Columns, epochs: npt.NDArray) -> npt.NDArray:
        """Which rows have a value of a tag.

        Before the first step there is no mean over an epoch's steps, before the first finite value
        there is no best one, and not all runs have the optional measures.
        """
        if name in OPTIONAL_MEASURES:
            return np.isfinite(columns[name])
        if name.startswith("train"):
            return epochs["step"] > 0
        if name.startswith("best"):
            return np.isfinite(columns[name])
        return np.ones(len(epochs), bool)

    def _write_columns(
        self,
        axis: str,
        columns: _Columns,
        kept: _Columns,
        positions: npt.NDArray,
        times: npt.NDArray,
    ) -> None:
        """Write the columns; those that keep the same rows share an event for each row.

        The points of a column stay in order, on which TensorBoard relies.

        Args:
            axis: the first part of the tags.
            columns: the values by name, each of shape `(rows,)`.
            kept: for each column which rows have a point.
            positions: what TensorBoard calls the steps of the rows.
            times: the wall times of the rows.
        """
        together: dict[bytes, list[str]] = {}
        for name in columns:
            together.setdefault(kept[name].tobytes(), []).append(name)
        for names in together.values():
            rows = kept[names[0]]
            values = np.stack([columns[name][rows] for name in names], axis=1)
            tags = [f"{axis}/{name}" for name in names]
            self._events.scalars(tags, positions[rows], times[rows], values)

    def _best_so_far(self, epochs: npt.NDArray) -> dict[str, npt.NDArray]:
        """The least value of each measure up to each row; infinite where there is none."""
        best = {}
        for name in BEST_MEASURES:
            values = np.where(np.isfinite(epochs[name]), epochs[name], math.inf)
            best[name] = np.minimum.accumulate(np.append(self._best[name], values))[1:]
            self._best[name] = best[name][-1] if len(values) else self._best[name]
        return best
