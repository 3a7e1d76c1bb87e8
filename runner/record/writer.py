"""What the writer of each kind of file of a run does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from runner.engine.chunk import Chunk


class Writer(Protocol):
    """The writer of one kind of file.

    Whatever was written is readable, also if nothing follows. Every method may raise an `OSError`.
    """

    def write(self, chunk: Chunk) -> None:
        """Write what the file holds about some steps."""

    def close(self, summary: Mapping[str, Any]) -> None:
        """Write what the file holds about the end of the run, and close it."""
