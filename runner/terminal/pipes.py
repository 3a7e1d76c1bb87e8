"""Output that can no longer be written: `runner --info | head`, a closed terminal, a full disk.

A command goes on without its reader. What it prints from then on is dropped, so a run is recorded
to its end, without a traceback. A reader that went away wants no more; any other reason is said
once on standard error. The exit code is then 1, unless the command was to write files and has.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any, TextIO


class _LenientFile(io.FileIO):
    """A file descriptor that turns into `/dev/null` when it can no longer be written.

    Attributes:
        lost: whether output was lost to anything but a reader that went away.
        is_all: whether what is printed is all that the command makes.
    """

    lost = False
    is_all = True

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except BlockingIOError:
            raise
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                _LenientFile.lost = True
                said = f"the output cannot be written: {error.strerror}\n".encode()
                with contextlib.suppress(OSError):
                    os.write(2, said)
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            return len(data)


def outlive_readers() -> None:
    """Let this process go on when the reader of standard output or standard error goes away.

    What the shell closed (`runner >&-`) is opened as `/dev/null`: else the first files that are
    opened would get those numbers, and whatever a library prints would be written to them.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    sys.stdout = _lenient(sys.stdout or open(1, "w", closefd=False))  # noqa: SIM115
    sys.stderr = _lenient(sys.stderr or open(2, "w", closefd=False))  # noqa: SIM115


def files_come_first() -> None:
    """Let the exit code say whether files were written, whatever becomes of what is printed."""
    _LenientFile.is_all = False


def output_was_lost() -> bool:
    """Whether something could not be printed although somebody may have wanted it."""
    if sys.stdout is not None:
        sys.stdout.flush()
    return _LenientFile.lost and _LenientFile.is_all


def _lenient(stream: TextIO) -> TextIO:
    """Return the stream, except that writing goes on without a reader."""
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_LenientFile(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=getattr(stream, "line_buffering", False),
    )
