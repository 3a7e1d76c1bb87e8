"""The errors that a user can cause, as opposed to defects of the program.

Each carries one line that says what was wrong, where, and what would be right. The command line
prints that line without a traceback and exits with the `exit_code` of the class.
"""

from __future__ import annotations

import difflib
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runner.interruption import INTERRUPTED

NEAR = 0.76
"""How similar a misspelt word is to what was meant: one letter in five may be another."""


class UserError(Exception):
    """Bad input: the message is one line for the user, never a traceback.

    Attributes:
        runs: the runs of a sweep from Python, if it was raised there (`runner.compare.api.Runs`).
    """

    exit_code = 2
    runs: Sequence[Any] = ()


class ConfigError(UserError):
    """A key, a value or a combination in the config that cannot be right."""


class DataError(UserError):
    """A data set that is missing, damaged or of the wrong form."""


class RecordError(UserError):
    """A record cannot be written or read: a full disk, a directory without permission."""

    exit_code = 1


class SweepError(UserError):
    """Some runs of a sweep failed, after all were tried."""

    exit_code = 1


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while runs were trained from Python.

    Attributes:
        runs: the runs up to here (`runner.compare.api.Runs`).
    """

    def __init__(self, runs: Sequence[Any]) -> None:
        super().__init__(
            "interrupted; what was trained is in the attribute `runs` of this exception"
        )
        self.runs = runs


def exit_code(program: str, command: Callable[[], None], interrupted: str = "interrupted") -> int:
    """Run a command and return the exit code of its process.

    A `UserError` and Ctrl-C are answered with one line on standard error.

    Args:
        program: the name that starts the line.
        command: what to run; anything else that it raises is raised here.
        interrupted: what to say after Ctrl-C.
    """
    try:
        command()
        if sys.stdout is not None:
            sys.stdout.flush()
    except UserError as error:
        print(f"{program}: error: {one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{program}: {interrupted}", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as request:
        return request.code if isinstance(request.code, int) else int(request.code is not None)
    return 0


def one_line(text: str) -> str:
    r"""Return a text with each sign that cannot be printed as its escape: `\n`, `\x1b`, `\udcff`.

    So a message stays one line, and a table a table, whatever is in the values that it names; no
    name changes the colours or the title of a terminal.
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def log_failure(log: logging.Logger, error: Exception) -> None:
    """Say in the log of a run why it failed: a user's error in one line, others with traceback."""
    if isinstance(error, UserError):
        log.error("%s", one_line(str(error)))
    else:
        log.error("the run failed", exc_info=error)


def nearest(
    word: str, known: Iterable[str], synonyms: Mapping[str, str | None] | None = None
) -> str | None:
    """The known name that was meant; None if no name is near.

    Args:
        word: what the user typed.
        known: the names that would be right.
        synonyms: other words for the known names, as `folded`; None for a word that means
            something that is not among them, however similar it looks.
    """
    names, synonyms = list(known), synonyms or {}
    same = next((name for name in names if folded(name) == folded(word)), None)
    if same is not None:
        return same
    if folded(word) in synonyms:
        meant = synonyms[folded(word)]
        return meant if meant in names else None
    return next(iter(difflib.get_close_matches(word, names, n=1, cutoff=NEAR)), None)


def did_you_mean(
    word: str, known: Iterable[str], synonyms: Mapping[str, str | None] | None = None
) -> str:
    """A hint at the known name that was meant, or the list of all where none is near.

    Args:
        word: what the user typed.
        known: the names that would be right.
        synonyms: see `nearest`.
    """
    names = list(known)
    meant = nearest(word, names, synonyms)
    if meant is not None:
        return f"; did you mean {meant}?"
    return f"; choose from {', '.join(names)}" if names else ""


def folded(word: str) -> str:
    """A word without what people write differently: `BatchNorm`, `batch-norm` and `batch_norm`."""
    return word.lower().replace("_", "").replace("-", "")
