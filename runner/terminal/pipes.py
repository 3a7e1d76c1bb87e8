"""Output whose reader may go away: `runner --info | head`, a terminal that is closed.

A command goes on without its reader. What it prints from then on is dropped, so a run is recorded
to its end, without a traceback about a broken pipe.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO


class _LenientFile(io.FileIO):
    """A file descriptor that turns into `/dev/null` when its reader is gone."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            return len(data)


def outlive_readers() -> None:
    """Let this process go on when the reader of standard output or standard error goes away."""
    if sys.stdout is not None:  # it is None where the shell closed it: runner >&-
        sys.stdout = _lenient(sys.stdout)
    if sys.stderr is not None:
        sys.stderr = _lenient(sys.stderr)


def _lenient(stream: TextIO) -> TextIO:
    """Return the stream, except that writing goes on without a reader."""
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_LenientFile(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=getattr(stream, "line_buffering", False),
    )
