"""The recorder of one run: a list of writers, each of which owns one kind of file.

The curves hold every step (`runner.record.curve_writers`), the event file what TensorBoard can show
(`runner.record.event_writer`), and the summary how the run ended (`runner.record.summary`). The
curves are written first and the summary last, so that no file of a process that is killed claims
more than the curves hold.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt

from runner import files
from runner.engine.chunk import Chunk
from runner.errors import RecordError
from runner.record.checkpoints import (
    Position,
    RecordedCheckpoint,
    discard_checkpoints,
    write_checkpoint,
)
from runner.record.curve_writers import CurvesWriter, DiagnosticsWriter, PathWriter
from runner.record.curves import read_curve
from runner.record.environment import command_line, environment
from runner.record.event_writer import EventWriter
from runner.record.facts import RunFacts
from runner.record.memory import Memory, Place
from runner.record.summary import SummaryWriter, read_summary, timestamp, versions
from runner.record.totals import Totals
from runner.record.weights import write_weights
from runner.status import Status, status_after

if TYPE_CHECKING:
    from runner.engine.checkpoint import Checkpoint
    from runner.engine.weights import Weights, WeightsKind


class Writer(Protocol):
    """The writer of one kind of file.

    Whatever was written is readable, also if nothing follows. Every method may raise an `OSError`.
    """

    def write(self, chunk: Chunk) -> None:
        """Write what the file holds about some steps."""

    def close(self, summary: Mapping[str, Any]) -> None:
        """Write what the file holds about the end of the run, and close it."""


class Recorder:
    """Writes the directory of one run, or keeps its record in memory.

    Args:
        place: where the record goes; a directory is created.
        facts: what is known about the run.
        earlier: the checkpoint from which the run goes on; the record then goes on after the rows
            that belong to it. None: the run starts.

    Raises:
        RecordError: here and in every method, if the disk does not take what is written. What was
            written before stays readable.
    """

    def __init__(
        self, place: Place, facts: RunFacts, earlier: RecordedCheckpoint | None = None
    ) -> None:
        self.directory, self.config = place, facts.config
        self._is_closed = False
        self.has_checkpoint = earlier is not None
        self._totals = Totals(clips=facts.clips)
        self._stop_reason = facts.stop_reason
        self._facts: dict[str, Any] = {
            "seed": facts.seed,
            "device": facts.device,
            "lanes": facts.lanes,
            "train_examples": facts.train_examples,
            "total_steps": facts.total_steps,
            "total_epochs": facts.total_epochs,
            "error": facts.error,
            **_history(place, None if facts.started_from else earlier),
            "command": command_line(),
            "versions": versions(),
            "environment": environment(),
            "config": facts.config,
        }
        if facts.started_from is not None:
            self._facts["started_from"] = dict(facts.started_from)
        self._writers: list[Writer]
        if isinstance(place, Memory):
            place.start(self._facts)
            self._writers = [place]
            return
        with self._record_errors():
            self._writers = self._open_files(place, facts, earlier)

    def _open_files(
        self, directory: Path, facts: RunFacts, earlier: RecordedCheckpoint | None
    ) -> list[Writer]:
        directory.mkdir(parents=True, exist_ok=True)
        before = _chunk_before(directory, earlier.position) if earlier else None
        _discard_earlier(directory, is_resumed=earlier is not None)
        # The summary is there first: what lies beside it is then known as that of a run.
        summary = SummaryWriter(directory, self._facts)
        steps, evaluations = (len(before.steps), len(before.epochs)) if before else (0, 0)
        events = EventWriter(directory, facts)
        if before:
            self._totals.add(before)
            events.write(before)
        return [
            CurvesWriter(directory, steps, evaluations),
            PathWriter(directory, steps),
            DiagnosticsWriter(directory, {**before.tables, **before.step_tables} if before else {}),
            events,
            summary,
        ]

    def write(self, chunk: Chunk) -> None:
        """Record a chunk."""
        self._totals.add(chunk)
        with self._record_errors():
            for writer in self._writers:
                writer.write(chunk)

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Record the state after the last chunk; nothing to do in memory, where nothing goes on."""
        if isinstance(self.directory, Memory):
            return
        position = self._totals.position()
        assert position.steps == checkpoint.steps
        with self._record_errors():
            write_checkpoint(self.directory, self.config, checkpoint, position)
        self.has_checkpoint = True

    def discard_checkpoints(self) -> None:
        """Remove the checkpoints: nothing goes on from here."""
        if isinstance(self.directory, Memory):
            return
        with self._record_errors():
            discard_checkpoints(self.directory)

    def write_weights(self, found: Mapping[WeightsKind, Weights]) -> None:
        """Record the parameters that the run leaves."""
        if isinstance(self.directory, Memory):
            self.directory.write_weights(found)
            return
        with self._record_errors():
            write_weights(self.directory, self.config, found)

    def finish(self, compile_seconds: float) -> dict[str, Any]:
        """Close the record of a run whose last chunk says how it ended; return the summary."""
        status = self._totals.status
        assert status is not None
        reason = self._stop_reason if status == Status.STOPPED else None
        return self.close(status, reason=reason, compile_seconds=compile_seconds)

    def fail(self, error: BaseException, compile_seconds: float) -> None:
        """Close the record of a run that an error or an interruption ended, if the disk allows.

        One that is closed stays as it is.
        """
        if self._is_closed:
            return
        status = status_after(error)
        reason = f"{type(error).__name__}: {error}" if status == Status.FAILED else None
        with contextlib.suppress(RecordError):
            self.close(status, reason=reason, compile_seconds=compile_seconds)

    def close(
        self,
        status: Status,
        *,
        reason: str | None = None,
        compile_seconds: float = 0.0,
    ) -> dict[str, Any]:
        """Close the record and return the summary.

        Args:
            status: how the run ended.
            reason: why it failed or stopped early.
            compile_seconds: how long compiling took, outside the run's own time.
        """
        summary = {
            "status": status,
            "reason": reason,
            **self._totals.summary(compile_seconds),
            "ended": timestamp(time.time()),
            **self._facts,
        }
        errors = []
        for writer in self._writers:  # each of them, whatever becomes of the others
            try:
                writer.close(summary)
            except OSError as error:
                errors.append(error)
        if errors:
            with self._record_errors():
                raise errors[0]
        self._is_closed = True
        return summary

    @contextlib.contextmanager
    def _record_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RecordError(
                f"{self.directory}: cannot be written: {error.strerror or error}; "
                "what was recorded before stays readable"
            ) from error


def _history(place: Place, earlier: RecordedCheckpoint | None) -> dict[str, Any]:
    """When the run started and, if it goes on, after which step and when, each time that it did.

    Of a run that goes on also what it was started from.
    """
    now = timestamp(time.time())
    if earlier is None or isinstance(place, Memory):
        return {"started": now}
    before = read_summary(place)
    resumed = before.get("resumed")
    here = {"step": earlier.position.steps, "time": now}
    return {
        **{key: before[key] for key in ("started_from",) if key in before},
        "started": before.get("started", now),
        "resumed": [*(resumed if isinstance(resumed, list) else []), here],
    }


def _chunk_before(directory: Path, position: Position) -> Chunk | None:
    """What is recorded up to a position, as if it had just been computed; None at the start."""
    if not position.steps:
        return None
    now = time.time()
    return Chunk(
        steps=read_curve(directory / files.STEPS)[: position.steps],
        epochs=read_curve(directory / files.EPOCHS)[: position.evaluations],
        started=now - position.seconds,
        done=now,
        epochs_taken=position.epochs,
        seconds=position.seconds,
        kept_at=position.kept_at,
        tables={
            table: rows[rows["step"] <= position.steps]
            for table, rows in _tables(directory, files.DIAGNOSTICS)
        },
        step_tables={
            table: rows[rows["step"] < position.steps]
            for table, rows in _tables(directory, files.STEP_DIAGNOSTICS)
        },
    )


def _tables(directory: Path, names: Sequence[str]) -> Iterator[tuple[str, npt.NDArray]]:
    """The tables of diagnostics that are recorded, with their names."""
    for table in names:
        if (directory / files.diagnostics(table)).exists():
            yield table, read_curve(directory / files.diagnostics(table))


def _discard_earlier(directory: Path, *, is_resumed: bool) -> None:
    """Remove the files of an earlier run in this directory that the new one would not replace.

    Those are its event files, its weights and, unless it goes on, its checkpoints, the tables of
    diagnostics and its curves, which must not be taken for those of the new one if that is killed
    now. Files that no run has written stay.
    """
    if (directory / files.SUMMARY).exists():
        for file in directory.glob(f"{files.EVENTS}*"):
            file.unlink()
        for name in (files.FINAL_WEIGHTS, files.BEST_WEIGHTS):
            (directory / name).unlink(missing_ok=True)
        if not is_resumed:
            curves = (files.STEPS, files.EPOCHS, files.PATH)
            for name in (*curves, *map(files.diagnostics, files.ALL_DIAGNOSTICS)):
                (directory / name).unlink(missing_ok=True)
            discard_checkpoints(directory)
