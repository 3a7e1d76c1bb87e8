"""The recorder of one run: a list of writers, each of which owns one kind of file.

The curves hold every step (`runner.record.curve_writers`), the event file what TensorBoard can show
(`runner.record.event_writer`), and the summary how the run ended (`runner.record.summary`). The
curves are written first and the summary last, so that no file of a process that is killed claims
more than the curves hold.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from runner import files
from runner.engine.chunk import Chunk
from runner.errors import RecordError
from runner.record.curve_writers import CurvesWriter, DiagnosticsWriter, PathWriter
from runner.record.environment import command_line, environment
from runner.record.event_writer import EventWriter
from runner.record.facts import RunFacts
from runner.record.summary import SummaryWriter, timestamp, versions
from runner.record.totals import Totals
from runner.status import Status, status_after


class Writer(Protocol):
    """The writer of one kind of file.

    Whatever was written is readable, also if nothing follows. Every method may raise an `OSError`.
    """

    def write(self, chunk: Chunk) -> None:
        """Write what the file holds about some steps."""

    def close(self, summary: Mapping[str, Any]) -> None:
        """Write what the file holds about the end of the run, and close it."""


class Recorder:
    """Writes the directory of one run.

    Args:
        directory: where the record goes; it is created.
        facts: what is known about the run.

    Raises:
        RecordError: here and in every method, if the disk does not take what is written. What was
            written before stays readable.
    """

    def __init__(self, directory: Path, facts: RunFacts) -> None:
        self.directory = directory
        self._totals = Totals(clips=facts.clips)
        self._stop_reason = facts.stop_reason
        self._facts = {
            "seed": facts.seed,
            "device": facts.device,
            "lanes": facts.lanes,
            "train_examples": facts.train_examples,
            "total_steps": facts.total_steps,
            "total_epochs": facts.total_epochs,
            "error": facts.error,
            "started": timestamp(time.time()),
            "command": command_line(),
            "versions": versions(),
            "environment": environment(),
            "config": facts.config,
        }
        with self._record_errors():
            directory.mkdir(parents=True, exist_ok=True)
            _discard_earlier(directory)
            # The summary is there first: what lies beside it is then known as that of a run.
            summary = SummaryWriter(directory, self._facts)
            self._writers: list[Writer] = [
                CurvesWriter(directory),
                PathWriter(directory),
                DiagnosticsWriter(directory),
                EventWriter(directory, facts),
                summary,
            ]

    def write(self, chunk: Chunk) -> None:
        """Record a chunk."""
        self._totals.add(chunk)
        with self._record_errors():
            for writer in self._writers:
                writer.write(chunk)

    def finish(self, compile_seconds: float) -> dict[str, Any]:
        """Close the record of a run whose last chunk says how it ended; return the summary."""
        status = self._totals.status
        assert status is not None
        reason = self._stop_reason if status == Status.STOPPED else None
        return self.close(status, reason=reason, compile_seconds=compile_seconds)

    def fail(self, error: BaseException, compile_seconds: float) -> None:
        """Close the record of a run that an error or an interruption ended, if the disk allows."""
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


def _discard_earlier(directory: Path) -> None:
    """Remove the files of an earlier run in this directory that the new one would not replace.

    Those are its event files, its curves, which must not be taken for those of the new one if that
    is killed now, and the tables of diagnostics. Files that no run has written stay.
    """
    if (directory / files.SUMMARY).exists():
        for file in directory.glob(f"{files.EVENTS}*"):
            file.unlink()
        curves = (files.STEPS, files.EPOCHS, files.PATH)
        for name in (*curves, *map(files.diagnostics, files.DIAGNOSTICS)):
            (directory / name).unlink(missing_ok=True)
