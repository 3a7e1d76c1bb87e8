"""The recorder of one run: a list of writers, each of which owns one kind of file.

The curves hold every step (`runner.record.curve_writers`), the event file what TensorBoard can show
(`runner.record.event_writer`), and the summary how the run ended (`runner.record.summary`). The
curves are written first and the summary last, so that no file of a process that is killed claims
more than the curves hold.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from runner import files
from runner.engine.chunk import Chunk
from runner.errors import RecordError
from runner.record.before import chunk_before
from runner.record.checkpoints import (
    RecordedCheckpoint,
    discard_checkpoints,
    write_checkpoint,
)
from runner.record.curve_writers import CurvesWriter, DiagnosticsWriter, PathWriter
from runner.record.environment import command_line, environment
from runner.record.event_writer import EventWriter
from runner.record.facts import RunFacts
from runner.record.memory import Memory, Place
from runner.record.summary import SummaryWriter, read_summary, timestamp, versions
from runner.record.totals import Totals
from runner.record.weights import write_weights
from runner.record.writer import Writer
from runner.status import Status, status_after

if TYPE_CHECKING:
    from runner.engine.checkpoint import Checkpoint
    from runner.engine.weights import Weights, WeightsKind


class Replaced(NamedTuple):
    """A finished record that a longer run of the same config takes the place of.

    Attributes:
        steps: how many it has.
        common: how many of them the longer run has as well, with the evaluations up to there: all,
            or all but the last one where it was evaluated at an end that the longer run passes.
        since: when the longer run started to train, in seconds since 1970.
        act: what else is to be written when its place is taken.
    """

    steps: int
    common: int
    since: float
    act: Callable[[], None]


class Recorder:
    """Writes the directory of one run, or keeps its record in memory.

    Args:
        place: where the record goes; a directory is created.
        facts: what is known about the run.
        earlier: the checkpoint from which the run goes on; the record then goes on after the rows
            that belong to it. None: the run starts.
        replaced: the finished record in the directory, if this one makes it longer. Its summary and
            its weights stay until the first checkpoint is on the disk.

    Raises:
        RecordError: here and in every method, if the disk does not take what is written. What was
            written before stays readable.
    """

    def __init__(
        self,
        place: Place,
        facts: RunFacts,
        earlier: RecordedCheckpoint | None = None,
        replaced: Replaced | None = None,
    ) -> None:
        self.directory, self.config = place, facts.config
        self._replaced, self._has_place = replaced, isinstance(place, Memory)
        self._is_closed = False
        self.has_checkpoint = earlier is not None
        self._totals = Totals(clips=facts.clips, best_by=facts.best_by)
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
        """Open the files of the run, and take the place of an earlier one if it may go."""
        directory.mkdir(parents=True, exist_ok=True)
        before = None
        if earlier is not None:
            since = self._replaced.since if self._replaced else time.time()
            before = chunk_before(directory, earlier.position, since)
        self._stale = _earlier_files(directory, is_resumed=earlier is not None)
        self._summary = summary = SummaryWriter(directory, self._facts)
        # The summary is there first: what lies beside it is then known as that of a run. A finished
        # record gives way when there is more than it, unless some of its rows have to go.
        replaced = self._replaced
        if replaced is None or earlier is None or earlier.position.steps < replaced.steps:
            self._take_place()
        events = EventWriter(directory, facts)
        if before:
            self._totals.add(before)
            events.write(before)
        self._before = before
        return [*_curves(directory, before), events, summary]

    def _take_place(self) -> None:
        """Remove what an earlier record has, and say that this run is there.

        Raises:
            OSError: the disk does not allow it.
        """
        if self._has_place:
            return
        self._has_place = True
        if self._replaced is not None:
            self._replaced.act()
            self._summary.start()
        for file in self._stale:
            file.unlink(missing_ok=True)
        if self._replaced is None:
            self._summary.start()

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
            self._take_place()
        self.has_checkpoint = True

    def discard_checkpoints(self) -> None:
        """Remove the checkpoints: nothing goes on from here. The best one stays."""
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
            self._take_place()
            write_weights(self.directory, self.config, found)

    def finish(self, compile_seconds: float) -> dict[str, Any]:
        """Close the record of a run whose last chunk says how it ended; return the summary."""
        status = self._totals.status
        assert status is not None
        reason = self._stop_reason if status == Status.STOPPED else None
        return self.close(status, reason=reason, compile_seconds=compile_seconds)

    def fail(self, error: BaseException, compile_seconds: float) -> None:
        """Close the record of a run that an error or an interruption ended, if the disk allows.

        One that is closed stays as it is, and so does a finished one that was to be made longer.
        """
        if self._is_closed:
            return
        if not self._has_place:
            self._leave_finished()
            return
        status = status_after(error)
        reason = f"{type(error).__name__}: {error}" if status == Status.FAILED else None
        with contextlib.suppress(RecordError):
            self.close(status, reason=reason, compile_seconds=compile_seconds)

    def _leave_finished(self) -> None:
        """Take back what was written beside a finished record."""
        assert isinstance(self.directory, Path)
        with contextlib.suppress(OSError):
            _curves(self.directory, self._before)
            for file in self.directory.glob(f"{files.EVENTS}*"):
                if file not in self._stale:
                    file.unlink()

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

        Raises:
            RecordError: a file cannot be written; all others are closed nevertheless.
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


def _curves(directory: Path, before: Chunk | None) -> list[Writer]:
    """The writers of the curves, which have the rows of `before` and no others."""
    steps, evaluations = (len(before.steps), len(before.epochs)) if before else (0, 0)
    return [
        CurvesWriter(directory, steps, evaluations),
        PathWriter(directory, steps),
        DiagnosticsWriter(directory, {**before.tables, **before.step_tables} if before else {}),
    ]


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


def _earlier_files(directory: Path, *, is_resumed: bool) -> list[Path]:
    """The files of an earlier run in this directory that the new one would not replace.

    Those are its event files, its weights and, unless it goes on, its checkpoints, the tables of
    diagnostics and its curves, which must not be taken for those of the new one if that is killed
    now. Files that no run has written are none of them.
    """
    if not (directory / files.SUMMARY).exists():
        return []
    names = [files.FINAL_WEIGHTS, files.BEST_WEIGHTS]
    if not is_resumed:
        names += [files.STEPS, files.EPOCHS, files.PATH, *files.CHECKPOINTS]
        names += map(files.diagnostics, files.ALL_DIAGNOSTICS)
    return [*directory.glob(f"{files.EVENTS}*"), *(directory / name for name in names)]
