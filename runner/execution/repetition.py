"""What is said of runs that were repeated: how many equal their records, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from runner.compare.equality import Extent, first_difference, likely_reasons
from runner.compare.runs import Run
from runner.errors import UserError
from runner.status import COMPLETE
from runner.terminal.words import path_from_here, several

SHOWN = 10
"""How many of the runs that differ are shown."""


class RepetitionError(UserError):
    """Some repeated runs differ from their records."""

    exit_code = 1


class Repetition(NamedTuple):
    """A run that was repeated.

    Attributes:
        recorded: the run as it was recorded.
        extent: how much of it was.
        now: the same run again; it came to its end.
    """

    recorded: Run
    extent: Extent
    now: Run


def report(repetitions: Sequence[Repetition]) -> RepetitionError | None:
    """Compare repeated runs with their records; print how many are equal, what differs, and why.

    Returns:
        The error that ends the command; None if all are equal.
    """
    found = [
        (one, first_difference(one.recorded, one.now)) for one in repetitions if one.extent.steps
    ]
    differing = [(one, difference) for one, difference in found if difference is not None]
    equal = [one for one, difference in found if difference is None]
    print(f"Rerun:  {_counts(repetitions, equal, len(found))}")
    for one, difference in differing[:SHOWN]:
        assert one.recorded.directory is not None
        print(f"        {path_from_here(one.recorded.directory)}: {difference.words}")
    if len(differing) > SHOWN:
        print(f"        and {several(len(differing) - SHOWN, 'other run')}")
    if not differing:
        return None
    first, _ = differing[0]
    reasons = likely_reasons(first.recorded.summary, first.now.summary)
    print(f"Likely: {'; '.join(reasons)}")
    which = f"{len(differing)} of {len(found)} runs differ" if len(found) > 1 else "the run differs"
    return RepetitionError(f"{which} from what is recorded")


def _counts(repetitions: Sequence[Repetition], equal: Sequence[Repetition], compared: int) -> str:
    """How many runs are equal, or how much of a single one; and what is not recorded."""
    in_part = sum(one.recorded.status not in COMPLETE for one in equal)
    if len(repetitions) > 1:
        words = [f"{len(equal)} of {several(compared, 'run')} equal to the bit"]
        if in_part:
            words.append(f"{in_part} of them as far as they are recorded")
        if compared < len(repetitions):
            words.append(f"no step of {several(len(repetitions) - compared, 'other')} is recorded")
        return ", ".join(words)
    if not compared:
        return "no step is recorded, so nothing can be compared"
    if not equal:
        return "differs from what is recorded"
    steps, evaluations = equal[0].extent
    extent = f"{steps:,} steps, {several(evaluations, 'evaluation')}"
    return f"equal to the bit{' as far as recorded' * bool(in_part)}: {extent}"
