"""What a command left behind, and what is wrong with that.

Whatever a command is given and whatever happens to it, it ends, with a documented exit code and
without a traceback. What it refuses it refuses in one line, before a folder is made.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

ENDS = (0, 1, 2, 130)
"""Success, a run that failed, bad input, an interruption."""

_NOT_AN_ERROR = re.compile(r"^(Note: |left out: |no .* of |\d+ runs have no |epoch |\d+ run)")
"""Lines of standard error that may precede the line about bad input."""


class Outcome(NamedTuple):
    """How a command ended.

    Attributes:
        code: its exit code; None if it had to be killed, for it did not end.
        out: what it printed.
        err: what it printed to standard error.
        raised: the exception that it did not handle; empty if there is none.
        made: the files and folders that are new.
    """

    code: int | None
    out: str = ""
    err: str = ""
    raised: str = ""
    made: tuple[str, ...] = ()


def lost(outcome: Outcome, ends: Collection[int] = ENDS) -> str:
    """What is wrong with an outcome; empty if it held.

    Args:
        outcome: how a command ended.
        ends: the exit codes that are right.
    """
    if outcome.raised or "Traceback" in outcome.out + outcome.err:
        return f"traceback: {outcome.raised or outcome.err[-300:]}"
    if outcome.code is None:
        return "did not end"
    if outcome.code not in ends:
        return f"exit code {outcome.code}: {outcome.err[-300:]}"
    if outcome.code != 2:
        return ""
    lines = [line for line in outcome.err.splitlines() if not _NOT_AN_ERROR.match(line)]
    if len(lines) != 1:
        return f"{len(lines)} lines instead of one: {outcome.err[-300:]!r}"
    if outcome.made:
        return f"left behind: {', '.join(outcome.made[:3])}: {outcome.err[-300:]}"
    return ""


class Attack(Protocol):
    """Attacks of one kind."""

    def __call__(self, place: Path, count: int, number: int) -> Tally:
        """Make them.

        Args:
            place: an empty folder.
            count: how many at most.
            number: the seed.
        """


class Tally:
    """Counts attacks of one kind, and keeps what was lost.

    Args:
        kind: what the attacks are.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.tried = 0
        self.skipped = ""
        self.remarks: list[str] = []
        self._lost: dict[str, list[str]] = collections.defaultdict(list)

    def add(self, attack: str, problem: str) -> None:
        """Count an attack.

        Args:
            attack: what repeats it.
            problem: what was lost; empty if it held.
        """
        self.tried += 1
        if problem:
            self._lost[problem].append(attack)

    @property
    def lost(self) -> int:
        """How many attacks were lost."""
        return sum(map(len, self._lost.values()))

    def line(self) -> str:
        """The line of a table: what was tried, how often, how often it held and was lost."""
        held = self.tried - self.lost
        return f"| {self.kind} | {self.tried:,} | {held:,} | {self.skipped or f'{self.lost:,}'} |"

    def losses(self) -> Iterator[str]:
        """Yield what was lost, each with the shortest attack."""
        for problem, attacks in self._lost.items():
            yield f"{self.kind}: {problem}\n    {len(attacks)} times, as by {min(attacks, key=len)}"
