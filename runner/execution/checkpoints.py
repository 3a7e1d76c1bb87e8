"""When checkpoints are written while runs train, and how training starts from them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runner.config.keeping import Keeping, keeping
from runner.engine.checkpoint import Checkpoint
from runner.engine.chunk import Chunk
from runner.engine.loop import Training
from runner.errors import RecordError
from runner.interruption import check, was_received
from runner.record.checkpoints import RecordedCheckpoint
from runner.record.memory import Memory, Place
from runner.record.tensors import TensorsError, restored

WORTH = 50
"""Writing checkpoints takes at most one part in this number of the time: 2 %."""


def asked_for(place: Place | None, config: Mapping[str, Any]) -> Keeping:
    """How often the checkpoints of a run are written: never in memory, where nothing goes on.

    Args:
        place: where its record goes; None where that could not be made.
        config: its config.
    """
    if isinstance(place, Memory):
        return Keeping(checkpoint_every=None, checkpoint_epochs=None)
    return keeping(config)


class Checkpoints:
    """Writes the checkpoints of runs that train side by side.

    They are written while the device rests, all after the same number of steps.

    Args:
        training: the runs.
        asked: after how many seconds and after how many epochs. Seconds are more where writing
            takes long; epochs are kept to.
        at_once: write the first one as soon as there is something to go on from.
    """

    def __init__(self, training: Training, asked: Keeping, *, at_once: bool = False) -> None:
        self._every, self._epochs = asked.checkpoint_every, asked.checkpoint_epochs
        self._wait = self._every or math.inf
        self._since = time.monotonic()
        self._at_once = at_once
        training.rest_every(self._epochs)

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
        if self._every is None and self._epochs is None and not self._at_once:
            check()
            return
        if not (self._is_due(chunks) or was_received()):
            return
        if not training.at_rest:
            training.rest()
            return
        started = time.monotonic()
        for place, chunk in enumerate(chunks):
            if chunk is not None and not training.ended[place]:
                write(place, training.checkpoint(place, chunk))
        self._since = time.monotonic()
        self._wait = max(self._every or math.inf, WORTH * (self._since - started))
        self._at_once = False
        check()

    def _is_due(self, chunks: Sequence[Chunk | None]) -> bool:
        """Whether it is time, or the chunks end with an epoch after which a checkpoint is asked."""
        if self._at_once or time.monotonic() >= self._since + self._wait:
            return True
        epochs = next(chunk.epochs_taken for chunk in chunks if chunk is not None)
        return self._epochs is not None and epochs % self._epochs == 0


def continued(training: Training, place: int, found: RecordedCheckpoint) -> Checkpoint:
    """The state in which a run goes on from its checkpoint.

    Args:
        training: the run, perhaps beside others.
        place: its place there.
        found: the checkpoint.

    Raises:
        RecordError: it does not fit to what is trained.
    """
    try:
        state = restored(training.state_shapes(place), found.tensors)
    except TensorsError as error:
        raise RecordError(
            f"{found.file}: {error}: another version wrote it; remove it to train from the start"
        ) from error
    return Checkpoint(state, found.position.steps, found.position.seconds)
