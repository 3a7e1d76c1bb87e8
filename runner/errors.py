"""The errors that a user can cause, as opposed to defects of the program.

Each carries one line that says what was wrong, where, and what would be right. The command line
prints that line alone and exits with the class's `exit_code`; nothing else is shown without a
traceback.
"""

from __future__ import annotations

import logging

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
