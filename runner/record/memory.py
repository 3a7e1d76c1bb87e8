"""What a run leaves, in memory: the rows, the summary and the weights that its files would hold.

A `Memory` is given wherever the folder of a record is expected, for runs from Python that write no
file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from runner import files
from runner.engine.chunk import Chunk
from runner.record.strict_json import finite
from runner.record.tensors import named
from runner.record.weights import RecordedWeights, by_use
from runner.status import Status

if TYPE_CHECKING:
    from runner.engine.weights import Weights, WeightsKind


class Memory:
    """The record of one run (see `runner.record.writer.Writer`).

    Attributes:
        summary: what `summary.json` would hold.
    """

    def __init__(self) -> None:
        self.summary: dict[str, Any] = {}
        self._rows: dict[str, list[npt.NDArray]] = {}
        self._weights: dict[WeightsKind, RecordedWeights] = {}

    def start(self, facts: Mapping[str, Any]) -> None:
        """Keep what is known before the run trains."""
        self.summary = as_read({"status": Status.RUNNING, **facts})

    def write(self, chunk: Chunk) -> None:
        """Keep the rows of a chunk."""
        parts = {files.STEPS: chunk.steps, files.EPOCHS: chunk.epochs, files.PATH: chunk.path}
        tables = {**chunk.tables, **chunk.step_tables}
        parts |= {files.diagnostics(table): rows for table, rows in tables.items()}
        for name, rows in parts.items():
            if rows is not None:
                self._rows.setdefault(name, []).append(rows)

    def close(self, summary: Mapping[str, Any]) -> None:
        """Keep how the run ended."""
        self.summary = as_read(summary)

    def write_weights(self, found: Mapping[WeightsKind, Weights]) -> None:
        """Keep the weights that the run leaves."""
        for kind, weights in found.items():
            self._weights[kind] = RecordedWeights(
                named(weights.params),
                named(weights.layers),
                named(weights.preprocessing),
                weights.steps,
            )

    def rows(self, name: str) -> npt.NDArray:
        """The rows of a curve.

        Args:
            name: the file that would hold them (`runner.files`).

        Raises:
            FileNotFoundError: there are none.
        """
        parts = self._rows.get(name)
        if parts is None:
            raise FileNotFoundError(name)
        if len(parts) > 1:
            parts[:] = [np.concatenate(parts)]
        rows = parts[0].view()
        rows.flags.writeable = False  # as those of a file
        return rows

    def weights(self, kinds: Sequence[WeightsKind] | None = None) -> RecordedWeights | None:
        """The weights that the run is used with; None if there are none.

        Args:
            kinds: those to look for, as in `runner.record.weights.kept_weights`.
        """
        asked = by_use(self.summary) if kinds is None else kinds
        return next((self._weights[kind] for kind in asked if kind in self._weights), None)


Place = Path | Memory
"""Where the record of a run goes: a folder, or memory."""


def as_read(summary: Mapping[str, Any]) -> dict[str, Any]:
    """A summary as it is read from its file: numbers that are not finite are None."""
    found: dict[str, Any] = json.loads(json.dumps(finite(summary)))
    return found
