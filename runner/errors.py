"""The errors that a user can cause, as opposed to defects of the program.

Each carries one line that says what was wrong, where, and what would be right. The command line
prints that line alone and exits with the class's `exit_code`; nothing else is shown without a
traceback.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended, as shells have it."""


class UserError(Exception):
    """Bad input: the message is one line for the user, never a traceback."""

    exit_code = 2


class ConfigError(UserError):
    """A key, a value or a combination in the config that cannot be right."""


class DataError(UserError):
    """A data set that is missing, damaged or of the wrong form."""


class RecordError(UserError):
    """The record of a run cannot be written: a full disk, a directory without permission."""

    exit_code = 1


def log_failure(log: logging.Logger, error: Exception) -> None:
    """Say in a run's log why it failed: a user's error in one line, others with a traceback."""
    if isinstance(error, UserError):
        log.error("%s", error)
    else:
        log.error("the run failed", exc_info=error)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint at the nearest known name, or the list of all of them where none is near."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; choose from {', '.join(names)}" if names else ""
