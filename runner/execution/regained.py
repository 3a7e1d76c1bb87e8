"""The state at the end of a finished run that has no checkpoint there: the run is trained again.

A longer run goes on from that state, so that the finished record is appended to and never replaced.
Until the state is in a checkpoint nothing of the record is touched. Training again gives the
numbers of the record to the bit; where it does not (another version, another machine), the longer
run would be the continuation of another one, and the record stays as it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from runner import files
from runner.compare.equality import different_columns
from runner.data import Dataset
from runner.errors import RecordError
from runner.execution.branch import Stem, Trunk, stem_of
from runner.experiment.experiment import Experiment
from runner.record.checkpoints import RecordedCheckpoint, find_checkpoint, write_checkpoint
from runner.record.curves import read_curve
from runner.record.totals import Totals


def regained(
    experiment: Experiment,
    dataset: Dataset,
    directory: Path,
    config: Mapping[str, Any],
    steps: int,
    earlier: RecordedCheckpoint | None,
) -> RecordedCheckpoint | None:
    """The checkpoint of a finished run after a number of its steps; made where there is none.

    Args:
        experiment: the longer run.
        dataset: what its data source loaded.
        directory: the folder of the record.
        config: the resolved config of the longer run.
        steps: how many steps both have in common.
        earlier: the newest checkpoint up to there; None: there is none.

    Returns:
        The checkpoint; None if no step is in common.

    Raises:
        RecordError: training again gives other numbers, or the checkpoint cannot be written.
        KeyboardInterrupt: there was a signal; the record is as it was.
    """
    if not steps or (earlier is not None and earlier.position.steps == steps):
        return earlier
    stem = stem_of(Trunk(experiment, steps, earlier, {}), dataset, "up to the recorded end")
    totals = Totals(clips=False, best_by=experiment.best_by)
    for chunk in stem.chunks:
        totals.add(chunk)
    _check_equal(directory, stem)
    spent = float(read_curve(directory / files.STEPS)["seconds"][steps - 1])
    position = dataclasses.replace(totals.position(), seconds=spent)
    try:
        write_checkpoint(directory, config, stem.state, position)
    except OSError as error:
        raise RecordError(f"{directory}: cannot be written: {error.strerror or error}") from error
    return find_checkpoint(directory, config, before=steps + 1).found


def _check_equal(directory: Path, stem: Stem) -> None:
    """Check that what was trained again has the numbers of the record.

    Raises:
        RecordError: it has others.
    """
    for name, parts in (
        (files.STEPS, [chunk.steps for chunk in stem.chunks]),
        (files.EPOCHS, [chunk.epochs for chunk in stem.chunks]),
    ):
        now = np.concatenate(parts)
        recorded = read_curve(directory / name)[: len(now)]
        if len(recorded) < len(now) or different_columns(recorded, now):
            raise RecordError(
                f"{directory}: has no checkpoint at its end, and trained again here it has other "
                "numbers than its record, which stays as it is; train the longer run in a new "
                "folder"
            )
