"""What is recorded of a run up to some position: what it goes on after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy.typing as npt

from runner import files
from runner.engine.chunk import Chunk
from runner.record.checkpoints import Position
from runner.record.curves import read_curve


def chunk_before(directory: Path, position: Position, done: float) -> Chunk | None:
    """What is recorded up to a position; None at the start.

    Args:
        directory: the run's.
        position: where it was.
        done: when it is taken to have been there, in seconds since 1970.
    """
    if not position.steps:
        return None
    return Chunk(
        steps=read_curve(directory / files.STEPS)[: position.steps],
        epochs=read_curve(directory / files.EPOCHS)[: position.evaluations],
        started=done - position.seconds,
        done=done,
        epochs_taken=position.epochs,
        seconds=position.seconds,
        kept_at=position.kept_at,
        path=_path_before(directory, position),
        tables={
            table: rows[rows["step"] <= position.steps]
            for table, rows in _tables(directory, files.DIAGNOSTICS)
        },
        step_tables={
            table: rows[rows["step"] < position.steps]
            for table, rows in _tables(directory, files.STEP_DIAGNOSTICS)
        },
    )


def _path_before(directory: Path, position: Position) -> npt.NDArray | None:
    """The points up to a position, of a run whose parameters are a point."""
    if not (directory / files.PATH).exists():
        return None
    return read_curve(directory / files.PATH)[: position.steps]


def _tables(directory: Path, names: Sequence[str]) -> Iterator[tuple[str, npt.NDArray]]:
    """The tables of diagnostics that are recorded, with their names."""
    for table in names:
        if (directory / files.diagnostics(table)).exists():
            yield table, read_curve(directory / files.diagnostics(table))
