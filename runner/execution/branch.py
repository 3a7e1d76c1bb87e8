"""Branches: runs that are another run up to some epoch, and from there on have other options.

Up to there the other run is trained again, from its newest checkpoint before that epoch, which
gives its numbers to the bit. What it remembers then goes over to the branch: parameters, optimizer,
schedule.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from runner.engine.checkpoint import Checkpoint
from runner.engine.loop import Training
from runner.errors import ConfigError, RecordError
from runner.experiment.experiment import Experiment
from runner.record.tensors import TensorsError, named, restored


class Trunk(NamedTuple):
    """What a branch starts from.

    Attributes:
        experiment: the other run.
        steps: after how many of its steps the branch starts.
        facts: where it is, for the summary of the branch.
    """

    experiment: Experiment
    steps: int
    facts: dict[str, Any]


def trunk_of(trunk: Experiment, branch: Experiment, folder: Path, epoch: int) -> Trunk:
    """What a branch of the run in a folder starts from.

    Args:
        trunk: the run.
        branch: what the branch trains.
        folder: the folder of the run.
        epoch: after how many of its epochs.

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
    facts = {"folder": str(folder), "epoch": epoch, "step": steps[0]}
    return Trunk(trunk, steps[0], facts)


def _steps_before(experiment: Experiment, epoch: int) -> int | None:
    """The number of steps before an epoch, from 1; None if a run has fewer epochs."""
    for phase in experiment.phases():
        step = phase.first_step + (epoch - phase.first_epoch) * phase.steps_per_epoch
        if epoch >= 1 and phase.first_step < step <= phase.end_step:
            return step
    return None


def take_over(branch: Training, found: Checkpoint) -> None:
    """Start a branch from the state of the run that it branches off.

    Raises:
        RecordError: it remembers other things.
    """
    try:
        state = restored(branch.state_shapes(0), named(found.state))
    except TensorsError as error:
        raise RecordError(
            f"the branch cannot go on from the state of the run: {error}; start from its weights "
            "instead: runner --from FOLDER"
        ) from error
    branch.resume([found._replace(state=state)])
