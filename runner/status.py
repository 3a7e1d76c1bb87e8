"""How a run can stand: the values of `status` in its `summary.json`, each with one meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum


class Status(StrEnum):
    """The state of a run."""

    NOT_RUN = "not run"
    """It has no record."""

    RUNNING = "running"
    """It is training, or it was killed before it could say otherwise."""

    FINISHED = "finished"
    """It took all planned steps."""

    DIVERGED = "diverged"
    """It ended at the first step whose training loss is infinite or not a number: a result."""

    INTERRUPTED = "interrupted"
    """The user ended it, or the sweep that it belongs to."""

    FAILED = "failed"
    """An error ended it."""


COMPLETE = frozenset({Status.FINISHED, Status.DIVERGED})
"""The states of a run that trained to its own end: a sweep that is resumed keeps it."""


def count_statuses(statuses: Iterable[str]) -> dict[str, int]:
    """How many runs have each status, in the order in which the statuses first occur."""
    return dict(Counter(map(str, statuses)))
