"""One run of a sweep whose record stays in memory."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from runner.compare.runs import Run
from runner.hydra_app.composer import Composed
from runner.hydra_app.job_environment import JobEnvironment, OncePerMessage
from runner.record.checkpoints import RecordedCheckpoint
from runner.record.memory import Memory

if TYPE_CHECKING:
    from runner.execution.starting import Start

_TERMINAL = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"terminal": {"format": "%(levelname)s: %(message)s"}},
    "handlers": {
        "terminal": {
            "class": "logging.StreamHandler",
            "formatter": "terminal",
            "level": "WARNING",
            "stream": "ext://sys.stderr",
        }
    },
    "root": {"level": "INFO", "handlers": ["terminal"]},
}
"""The part of `conf/hydra/job_logging/runner.yaml` that concerns the terminal."""


class TerminalLog:
    """The log of runs without a folder: warnings, each once, as the terminal shows them."""

    def __init__(self) -> None:
        self._environment = JobEnvironment(_TERMINAL, verbose=False, variables={})
        self._once = OncePerMessage()

    def current(self) -> AbstractContextManager[None]:
        """Make it current, and restore the log at the end."""
        return self._environment.entered(self._once)


class MemoryJob:
    """A job of a sweep (see `runner.execution.lane.Job`).

    Args:
        composed: its config.
        title: what it is called.
        log: the log that the jobs of the sweep share.
        start: what it starts from, if from another run.

    Attributes:
        directory: its record.
        earlier: None: nothing goes on from memory.
        error: why it failed or was interrupted, if so.
    """

    def __init__(
        self, composed: Composed, title: str, log: TerminalLog, start: Start | None = None
    ) -> None:
        self.experiment = composed.experiment
        self.config = composed.plain
        self.title = title
        self.directory = Memory()
        self.earlier: RecordedCheckpoint | None = None
        self.start = start
        self.error: BaseException | None = None
        self._log = log

    @property
    def run(self) -> Run:
        """The job as a run, whatever its state."""
        return Run(self.directory, self.directory.summary, self.config)

    def at_work(self) -> AbstractContextManager[None]:
        """Make the log of the run current."""
        return self._log.current()

    def end(self, summary: dict[str, Any], error: BaseException | None) -> None:
        """Keep why the run failed, if so; how it ended is in its record."""
        self.error = error
        if not self.directory.summary:  # its record was never started
            self.directory.close({**summary, "config": self.config})
