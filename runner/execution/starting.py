"""What a run starts from: its seed, a checkpoint, the weights of another run, or that run."""

from __future__ import annotations

import logging

from runner.engine.checkpoint import Checkpoint
from runner.engine.loop import Training
from runner.execution.branch import Stem, Trunk, taken_over
from runner.execution.checkpoints import continued
from runner.execution.held import HeldRecord
from runner.execution.transfer import Origin
from runner.record.checkpoints import RecordedCheckpoint
from runner.record.recorder import Recorder

log = logging.getLogger(__name__)

Start = Origin | Trunk
"""What was asked for: weights, or a run up to some epoch."""


def first_state(
    training: Training,
    place: int,
    earlier: RecordedCheckpoint | None,
    start: Origin | Stem | None,
) -> Checkpoint | None:
    """The state in which a run starts, or goes on; None: as its seed has it.

    Args:
        training: the run, perhaps beside others.
        place: its place there.
        earlier: a checkpoint of its own, which says all about it.
        start: what it starts from where it has none.

    Raises:
        RecordError: it does not fit to what is trained.
    """
    if earlier is not None:
        return continued(training, place, earlier)
    if isinstance(start, Origin):
        return training.started_with(place, start.params, start.layers)
    return None if start is None else taken_over(training, place, start)


def record_start(recorder: Recorder | HeldRecord, start: Origin | Stem, state: Checkpoint) -> None:
    """Record what a run starts from, in a checkpoint: its record needs nothing else from now on.

    Args:
        recorder: that of the run, in which nothing is recorded yet.
        start: what the run starts from.
        state: the state in which it starts.

    Raises:
        RecordError: it cannot be written.
    """
    if isinstance(start, Stem):
        words = "branches off %s after step %d, trained again from step %d"
        log.info(words, start.facts["folder"], state.steps, start.trained_from)
        for chunk in start.chunks:
            recorder.write(chunk)
    recorder.write_checkpoint(state)
