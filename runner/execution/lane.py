"""One run among those that train side by side: what is known of it, and its record."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from typing import Any, Protocol

from runner.config.keeping import Keeping
from runner.engine.checkpoint import Checkpoint
from runner.engine.chunk import Chunk
from runner.engine.loop import Training
from runner.errors import log_failure
from runner.execution.branch import Stem
from runner.execution.checkpoints import asked_for
from runner.execution.run import finish_record, start_record
from runner.execution.starting import Start, first_state, record_start
from runner.execution.transfer import Origin
from runner.experiment.experiment import Experiment
from runner.record.checkpoints import RecordedCheckpoint
from runner.record.lock import check_free
from runner.record.memory import Memory, Place
from runner.record.recorder import Recorder
from runner.status import Status, status_after
from runner.terminal.live_sweep import SweepProgress

log = logging.getLogger(__name__)


class Job(Protocol):
    """A run of a sweep, as the sweep sees it."""

    experiment: Experiment
    config: dict[str, Any]
    title: str

    earlier: RecordedCheckpoint | None
    """The checkpoint from which the run goes on, in the directory; None: it starts."""

    start: Start | None
    """What the run starts from, if from another run."""

    @property
    def directory(self) -> Place | None:
        """Where the record goes; a folder is made when `at_work` is first entered."""

    def at_work(self) -> AbstractContextManager[None]:
        """Make the log and the environment of the run current, while the context is open."""

    def end(self, summary: dict[str, Any], error: BaseException | None) -> None:
        """Receive how the run ended, with the error if it failed or was interrupted."""


class Lane:
    """One run among those side by side: its job and its record."""

    def __init__(self, job: Job, source: Origin | Stem | None, progress: SweepProgress) -> None:
        self._job = job
        self._source = source
        self._first: Checkpoint | None = None
        self._progress = progress
        self._recorder: Recorder | None = None
        self.started = self.ended = self.failed = False

    def start_record(self, lanes: int) -> None:
        """Make the run's directory and start its record, unless that has been done."""
        if self.started:
            return
        self.started = True
        self._progress.start(self._job.title, self._job.experiment)
        try:
            with self._job.at_work():
                assert self._job.directory is not None
                if not isinstance(self._job.directory, Memory):
                    check_free(self._job.directory)
                self._recorder = start_record(
                    self._job.experiment,
                    self._job.directory,
                    self._job.config,
                    lanes,
                    self._job.earlier,
                    self._source.facts if self._source and not self._job.earlier else None,
                )
        except Exception as error:
            self.fail(error)

    @property
    def experiment(self) -> Experiment:
        """What is trained."""
        return self._job.experiment

    def first_state(self, training: Training, place: int) -> Checkpoint | None:
        """The state in which the run starts, if that does not follow from its seed."""
        self._first = first_state(training, place, self._job.earlier, self._source)
        return self._first

    def record_start(self) -> None:
        """Record what the run starts from, if it starts from another run."""
        if self._source is None or self._job.earlier is not None or self.ended:
            return
        assert self._recorder is not None
        assert self._first is not None
        try:
            record_start(self._recorder, self._source, self._first)
        except Exception as error:
            self.fail(error)

    def write(self, chunk: Chunk, training: Training, place: int) -> None:
        """Record a chunk; if the run has ended with it, its weights, and close the record.

        Args:
            chunk: the chunk.
            training: what trains the run.
            place: its place there.
        """
        assert self._recorder is not None
        try:
            self._recorder.write(chunk)
            self._progress.advance(self._job.title, self._job.experiment, chunk)
            if chunk.status is not None:
                with self._job.at_work():
                    self._end(finish_record(self._recorder, training, place, chunk), None)
        except Exception as error:
            self.fail(error)

    @property
    def keeping(self) -> Keeping:
        """How often checkpoints are written."""
        return asked_for(self._job.directory, self._job.config)

    def save(self, checkpoint: Checkpoint) -> None:
        """Record the state after the last chunk."""
        assert self._recorder is not None
        try:
            self._recorder.write_checkpoint(checkpoint)
        except Exception as error:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the run with an error; say why in its own log."""
        summary: dict[str, Any] = {"status": status_after(error)}
        try:
            with self._job.at_work():
                if self._recorder is not None:
                    self._recorder.fail(error, 0.0)
                if isinstance(error, Exception):
                    log_failure(log, error)
                self._end(summary, error)
        except Exception:  # not even its log can be written
            if not self.ended:
                self._end(summary, error)

    def _end(self, summary: dict[str, Any], error: BaseException | None) -> None:
        self.ended, self.failed = True, summary["status"] == Status.FAILED
        self._progress.end(self._job.title, summary["status"])
        self._job.end(summary, error)
