"""The states of a run: the values of `status` in its `summary.json`, each with one meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum


class Status(StrEnum):
    """The state of a run."""

    NOT_RUN = "not run"
    """It has no record."""

    RUNNING = "running"
    """It is training."""

    KILLED = "killed"
    """Its process ended without a word (kill -9, a power cut); only what reads it says so."""

    FINISHED = "finished"
    """It took all planned steps."""

    DIVERGED = "diverged"
    """Its training loss became infinite or not a number, which ended it: a result, not an error."""

    STOPPED = "stopped"
    """Its rule of early stopping ended it before its last planned step: a result."""

    INTERRUPTED = "interrupted"
    """The user ended it, or the sweep that it belongs to."""

    FAILED = "failed"
    """An error ended it."""


COMPLETE = frozenset({Status.FINISHED, Status.STOPPED, Status.DIVERGED})
"""The states of a run that need not be run again when a sweep is resumed."""


def status_after(error: BaseException) -> Status:
    """The status of a run that an error or an interruption ended."""
    return Status.INTERRUPTED if isinstance(error, KeyboardInterrupt) else Status.FAILED


def count_statuses(statuses: Iterable[str]) -> dict[str, int]:
    """The number of runs with each status, in the order in which the statuses first occur."""
    return dict(Counter(map(str, statuses)))
