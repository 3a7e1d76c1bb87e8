"""When checkpoints are written while runs train, and how training starts from them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from runner.engine.checkpoint import Checkpoint
from runner.engine.chunk import Chunk
from runner.engine.loop import Training
from runner.errors import RecordError
from runner.interruption import check, was_received
from runner.record.checkpoints import RecordedCheckpoint
from runner.record.tensors import TensorsError, restored

WORTH = 50
"""Writing checkpoints takes at most one part in this number of the time: 2 %."""


class Checkpoints:
    """Writes the checkpoints of runs that train side by side.

    They are written while the device rests, all after the same number of steps.

    Args:
        every: the seconds from one to the next, longer where writing takes long; None: never.
    """

    def __init__(self, every: float | None) -> None:
        self._every = every
        self._wait = every or 0.0
        self._since = time.monotonic()

    def after(
        self,
        training: Training,
        chunks: Sequence[Chunk | None],
        write: Callable[[int, Checkpoint], None],
    ) -> None:
        """Write checkpoints if they are due and the device rests; else let it rest soon.

        A signal makes them due, and is obeyed when they are written.

        Args:
            training: the runs.
            chunks: what each of them did last; None for one that has ended.
            write: writes the checkpoint of the run in a place.

        Raises:
            KeyboardInterrupt: there was a signal; not before all runs have ended.
        """
        if all(training.ended):
            return
        if self._every is None:
            check()
            return
        if not was_received() and time.monotonic() < self._since + self._wait:
            return
        if not training.at_rest:
            training.rest()
            return
        started = time.monotonic()
        for place, chunk in enumerate(chunks):
            if chunk is not None and not training.ended[place]:
                write(place, training.checkpoint(place, chunk))
        self._since = time.monotonic()
        self._wait = max(self._every, WORTH * (self._since - started))
        check()


def start_from(training: Training, found: list[RecordedCheckpoint]) -> None:
    """Start training from checkpoints.

    Args:
        training: the runs.
        found: the checkpoint of each; all after the same number of steps.

    Raises:
        RecordError: one does not fit to what is trained.
    """
    checkpoints = []
    for place, one in enumerate(found):
        try:
            state = restored(training.state_shapes(place), one.tensors)
        except TensorsError as error:
            raise RecordError(
                f"{one.file}: {error}: another version wrote it; remove it to train from the start"
            ) from error
        checkpoints.append(Checkpoint(state, one.position.steps, one.position.seconds))
    training.resume(checkpoints)
