"""The record of a run that is made longer: the finished one stays until there is more than that.

What the longer run measures is held back until its first checkpoint, or its end. So whoever kills
it before finds the finished record, with its summary and its weights, as it was.
"""

from __future__ import annotations

from collections.abc import Callable

from runner.engine.checkpoint import Checkpoint
from runner.engine.chunk import Chunk
from runner.record.recorder import Recorder


class HeldRecord:
    """A recorder that takes the place of a finished record with its first checkpoint.

    Args:
        start: starts the record; called when it takes that place.
    """

    def __init__(self, start: Callable[[], Recorder]) -> None:
        self._start = start
        self._recorder: Recorder | None = None
        self._chunks: list[Chunk] = []

    def write(self, chunk: Chunk) -> None:
        """Record a chunk, or hold it back."""
        if self._recorder is None:
            self._chunks.append(chunk)
        else:
            self._recorder.write(chunk)

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Record the state after the last chunk."""
        self.started().write_checkpoint(checkpoint)

    @property
    def is_started(self) -> bool:
        """Whether it has taken the place of the finished one."""
        return self._recorder is not None

    def started(self) -> Recorder:
        """The record, with all that was held back."""
        if self._recorder is None:
            self._recorder = self._start()
            for chunk in self._chunks:
                self._recorder.write(chunk)
            self._chunks.clear()
        return self._recorder

    def fail(self, error: BaseException, compile_seconds: float) -> None:
        """Close the record, if it has been started; else the finished one stays."""
        if self._recorder is not None:
            self._recorder.fail(error, compile_seconds)
