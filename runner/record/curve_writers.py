"""The writers of a run's own files: steps, evaluations, diagnostics, and the path of a point."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from runner import files
from runner.engine.chunk import EPOCH_DTYPE, PATH_DTYPE, STEP_DTYPE, Chunk
from runner.record.curves import CurveFile


class CurvesWriter:
    """Writes `steps.npy` and `epochs.npy` (see `runner.record.writer.Writer`).

    Args:
        directory: the run's.
        steps: how many rows of `steps.npy` stay.
        evaluations: how many rows of `epochs.npy` stay.
    """

    def __init__(self, directory: Path, steps: int = 0, evaluations: int = 0) -> None:
        self._steps = CurveFile(directory / files.STEPS, STEP_DTYPE, steps)
        self._epochs = CurveFile(directory / files.EPOCHS, EPOCH_DTYPE, evaluations)

    def write(self, chunk: Chunk) -> None:
        """Append the rows of a chunk."""
        self._steps.append(chunk.steps)
        self._epochs.append(chunk.epochs)

    def close(self, summary: Mapping[str, Any]) -> None:
        """Do nothing: neither file is open."""


class DiagnosticsWriter:
    """Writes a file for each table of diagnostics (see `Writer`); without any there is none.

    Args:
        directory: the run's.
        kept: the rows of each table that stay.
    """

    def __init__(self, directory: Path, kept: Mapping[str, npt.NDArray] = {}) -> None:
        self._directory = directory
        self._tables = {
            table: CurveFile(directory / files.diagnostics(table), rows.dtype, len(rows))
            for table, rows in (kept or {}).items()
        }

    def write(self, chunk: Chunk) -> None:
        """Append the rows of a chunk."""
        for table, rows in {**chunk.tables, **chunk.step_tables}.items():
            if table not in self._tables:
                file = self._directory / files.diagnostics(table)
                self._tables[table] = CurveFile(file, rows.dtype)
            self._tables[table].append(rows)

    def close(self, summary: Mapping[str, Any]) -> None:
        """Do nothing: no file is open."""


class PathWriter:
    """Writes `path.npy` of a run whose parameters are a point (see `Writer`); others have no file.

    Args:
        directory: the run's.
        steps: how many rows of the file stay, if there is one.
    """

    def __init__(self, directory: Path, steps: int = 0) -> None:
        self._directory = directory
        self._path: CurveFile | None = None
        if steps and (directory / files.PATH).exists():
            self._path = CurveFile(directory / files.PATH, PATH_DTYPE, steps)

    def write(self, chunk: Chunk) -> None:
        """Append the points of a chunk, if it has any."""
        if chunk.path is None:
            return
        if self._path is None:
            self._path = CurveFile(self._directory / files.PATH, PATH_DTYPE)
        self._path.append(chunk.path)

    def close(self, summary: Mapping[str, Any]) -> None:
        """Do nothing: the file is not open."""
