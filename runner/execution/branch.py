"""Branches: runs that are another run up to some epoch, and from there on have other options.

Up to there the other run is trained again, from its newest checkpoint before that epoch, which
gives its numbers to the bit. What it remembers then goes over to the branches: parameters,
optimizer, schedule. The branches of a sweep share that stem, which is trained once.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from runner.data import Dataset
from runner.engine.checkpoint import Checkpoint
from runner.engine.chunk import Chunk
from runner.engine.loop import Training
from runner.errors import ConfigError, RecordError
from runner.execution.checkpoints import continued
from runner.experiment.experiment import Experiment
from runner.interruption import check
from runner.record.before import chunk_before
from runner.record.checkpoints import RecordedCheckpoint
from runner.record.tensors import TensorsError, named, restored
from runner.status import Status
from runner.terminal.live import Progress


class Trunk(NamedTuple):
    """What branches start from.

    Attributes:
        experiment: the other run.
        steps: after how many of its steps the branches start.
        earlier: its newest checkpoint before that; None: it has none.
        facts: where it is, for the summaries of the branches.
    """

    experiment: Experiment
    steps: int
    earlier: RecordedCheckpoint | None
    facts: dict[str, Any]


class Stem(NamedTuple):
    """A trunk up to where its branches start.

    Attributes:
        chunks: what it measured.
        state: its state after the last of them.
        trained_from: the step from which it was trained again.
        facts: see `Trunk`.
    """

    chunks: list[Chunk]
    state: Checkpoint
    trained_from: int
    facts: dict[str, Any]


def steps_of_trunk(trunk: Experiment, branch: Experiment, epoch: int) -> int:
    """After how many steps a branch of a run starts.

    Args:
        trunk: the run.
        branch: what the branch trains.
        epoch: after how many epochs of the run.

    Raises:
        ConfigError: the run has no such epoch, or the branch has other steps up to there, other
            data, or another seed.
    """
    steps = [_steps_before(each, epoch) for each in (trunk, branch)]
    if steps[0] is None:
        last = trunk.phases()[-1]
        epochs = last.epoch(last.end_step)
        raise ConfigError(f"--at-epoch {epoch}: the run has {epochs:g} epochs")
    if steps[0] != steps[1] or branch.total_steps <= steps[0]:
        raise ConfigError(
            f"--at-epoch {epoch}: the run has taken {steps[0]:,} steps by then, the branch "
            f"{steps[1] or branch.total_steps:,} of {branch.total_steps:,}"
        )
    for key in ("data", "seed", "model"):
        if getattr(trunk, key) != getattr(branch, key):
            raise ConfigError(f"{key}: a branch has that of the run that it starts from")
    return steps[0]


def _steps_before(experiment: Experiment, epoch: int) -> int | None:
    """The number of steps before an epoch, from 1; None if a run has fewer epochs."""
    for phase in experiment.phases():
        step = phase.first_step + (epoch - phase.first_epoch) * phase.steps_per_epoch
        if epoch >= 1 and phase.first_step < step <= phase.end_step:
            return step
    return None


def stem_of(trunk: Trunk, dataset: Dataset, title: str = "before the branch") -> Stem:
    """Train a run up to where its branches start.

    Args:
        trunk: the run.
        dataset: what its data source loaded.
        title: what the progress line calls it.

    Raises:
        RecordError: the run ended before, or its checkpoint does not fit.
        KeyboardInterrupt: there was a signal; it is obeyed between chunks.
    """
    training, chunks = Training([trunk.experiment], dataset), list[Chunk]()
    training.end_at(trunk.steps)
    if (earlier := trunk.earlier) is not None:
        training.resume([continued(training, 0, earlier)])
        before = chunk_before(earlier.file.parent, earlier.position, time.time())
        chunks += [before] if before else []
    progress = Progress(training.error_kind)
    try:
        progress.start(training.total_steps, training.total_epochs, title)
        with progress.compiling():
            training.compile()
        for (chunk,) in training.chunks():
            check()
            assert chunk is not None
            if chunk.status in (Status.DIVERGED, Status.STOPPED):
                place = f"at step {chunk.steps_taken:,}"
                raise RecordError(f"trained again, the run {chunk.status} {place}")
            chunks.append(_unfinished(chunk))
            progress.update(chunk)
    finally:
        progress.stop()
    state = training.checkpoint(0, chunks[-1])
    return Stem(chunks, state, training.steps_before, trunk.facts)


def _unfinished(chunk: Chunk) -> Chunk:
    """A chunk without what only the end of a run has, since the branch goes on from there."""
    path = None if chunk.path is None else chunk.path[: len(chunk.steps)]
    return chunk._replace(status=None, path=path)


def taken_over(branch: Training, place: int, stem: Stem) -> Checkpoint:
    """The state in which a branch starts: that of the run that it branches off.

    Args:
        branch: the branch, perhaps beside others.
        place: its place there.
        stem: the run.

    Raises:
        RecordError: the branch remembers other things.
    """
    try:
        state = restored(branch.state_shapes(place), named(stem.state.state))
    except TensorsError as error:
        raise RecordError(
            f"the branch cannot go on from the state of the run: {error}; start from its weights "
            "instead: runner --from FOLDER"
        ) from error
    return stem.state._replace(state=state)
