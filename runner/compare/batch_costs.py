"""What a batch costs: the speed of training and the memory of a step, by the size of the batch.

The speed is measured: the examples a second of a run, the median over `SEGMENTS` parts of its steps
of equal length, so that compiling, an evaluation or another program that takes the machine for a
moment do not count. The memory is what the compiler plans for one step of the recorded config
(`runner.engine.step_memory`); it is planned again here, for the device of this process.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from runner.compare.grouping import Group, is_number
from runner.compare.recorded_options import recorded_experiment, recorded_option
from runner.compare.runs import Run
from runner.errors import ConfigError
from runner.options.batch_size import BatchSize

if TYPE_CHECKING:
    from runner.engine.step_memory import StepMemory

KEY = "batch_size"

SEGMENTS = 20
"""Into how many parts a run is divided to find its speed; a shorter one has none."""


def batch_size_of(group: Group, kind: str) -> float:
    """The number of examples in the batches of a group.

    Args:
        group: the group.
        kind: the figure that needs it, for the error.

    Raises:
        ConfigError: the groups do not differ in it, or the group has batches of several sizes.
    """
    if KEY not in group.settings:
        raise ConfigError(f"the figure {kind} needs runs that differ in batch_size")
    size = group.settings[KEY]
    if size == "full":
        size = group.runs[0].summary.get("train_examples")
    size = 1 if size == "stochastic" else size
    if not is_number(size):
        raise ConfigError(
            f"the figure {kind} needs batches of one size; batch_size={size} has more"
        )
    return float(size or 0)


def examples_per_second(run: Run) -> float:
    """The examples that a run trains on in a second; NaN if it is too short.

    Of runs that trained side by side it is what the device did for all of them together.
    """
    rows = run.steps
    if len(rows) <= SEGMENTS:
        return math.nan
    ends = rows[np.linspace(0, len(rows) - 1, SEGMENTS + 1).astype(int)]
    seconds, steps = (np.diff(ends[name].astype(float)) for name in ("seconds", "step"))
    each = np.median(seconds / steps)
    return _examples_per_step(run) / float(each) if each > 0 else math.nan


def _examples_per_step(run: Run) -> float:
    """The mean size of the batches of a run, of which the last of an epoch may be smaller."""
    option, examples = recorded_option(run, KEY), int(run.summary.get("train_examples") or 0)
    if not isinstance(option, BatchSize) or not examples:
        return math.nan
    whole, remainder = option.batches(examples)
    return (whole * option.examples(examples) + remainder) / (whole + (remainder > 0))


def planned_memory(groups: Sequence[Group]) -> list[StepMemory]:
    """Plan the memory of a step of each of some groups; the data are loaded, not downloaded.

    Raises:
        ConfigError: an option is not known, or the data are not on this machine.
        DataError: the data cannot be read.
    """
    from runner.engine.placement import place
    from runner.engine.step_memory import step_memory

    placed: dict[str, Any] = {}
    found = []
    for group in groups:
        run = group.runs[0]
        experiment = recorded_experiment(run, "the figure batch_cost")
        key = json.dumps([run.config.get(name) for name in ("data", "preprocessing")])
        if key not in placed:
            placed[key] = place(experiment, experiment.data.load())
        found.append(step_memory(experiment, placed[key]))
    return found
