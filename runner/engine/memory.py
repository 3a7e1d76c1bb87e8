"""How much memory runs need side by side, and how much is free.

An accelerator says when its memory is full; on a CPU the operating system kills the process
instead, so the needed and the free memory are compared before training.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import jax

from runner.engine.state import Arrays
from runner.engine.train import STEPS_PER_CALL, evaluations_per_call, first_tables, initial_state
from runner.experiment.experiment import Experiment
from runner.measures import STEP_MEASURES

COPIES = 3
"""How many copies of a state there are: the argument of a call, its result, and one in between."""

USABLE = 0.8
"""The fraction of the free memory that may be used."""


def check_room(experiment: Experiment, arrays: Arrays, lanes: int, device: jax.Device) -> None:
    """Check that the states of a number of runs fit into the free memory.

    Args:
        experiment: one of them.
        arrays: the data, already on the device.
        lanes: how many runs there are.
        device: where they are computed.

    Raises:
        MemoryError: they do not fit.
    """
    needed, usable = lanes * bytes_of_a_lane(experiment, arrays), USABLE * available(device)
    if needed > usable:
        raise MemoryError(
            f"{lanes} runs side by side need {needed / 1e9:.2g} GB; {usable / 1e9:.2g} GB are free"
        )


def bytes_of_a_lane(experiment: Experiment, arrays: Arrays) -> int:
    """The memory that each run needs beside the data, which all runs share.

    Activations are not counted: on a CPU one lane of each device is computed at a time.
    """
    state = _bytes(jax.eval_shape(initial_state, experiment, arrays))
    tables = _bytes(jax.eval_shape(first_tables, experiment, arrays))
    steps = STEPS_PER_CALL * len(STEP_MEASURES) * 4
    whole, remainder = experiment.batch_size.batches(arrays.targets.shape[0])
    evaluations = evaluations_per_call(whole + (remainder > 0))
    return COPIES * (state + steps + evaluations * tables)


def _bytes(shapes: Any) -> int:
    """The memory of arrays of some shapes."""
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes))


def available(device: jax.Device) -> float:
    """The free bytes, in the memory of an accelerator or of the machine."""
    stats: dict[str, Any] = device.memory_stats() or {} if device.platform != "cpu" else {}
    if "bytes_limit" in stats:
        return float(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    return 0.5 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
