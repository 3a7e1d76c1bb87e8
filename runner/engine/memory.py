"""How much memory runs side by side take, and how much there is.

An accelerator says when its memory is full; on a CPU the operating system kills the process
instead, so what can be known beforehand is compared beforehand.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import jax

from runner.engine.state import Arrays
from runner.engine.train import STEPS_PER_CALL, initial_state
from runner.experiment.experiment import Experiment
from runner.measures import STEP_MEASURES

COPIES = 3
"""What goes into a call, what comes out of it, and what is being computed."""

USABLE = 0.8
"""The part of the free memory that may be taken."""


def check_room(experiment: Experiment, arrays: Arrays, lanes: int, device: jax.Device) -> None:
    """See whether the states of so many runs fit beside each other.

    Raises:
        MemoryError: they do not.
    """
    shapes = jax.eval_shape(initial_state, experiment, arrays)
    state = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes))
    measured = STEPS_PER_CALL * len(STEP_MEASURES) * 4
    needed, there = lanes * COPIES * (state + measured), USABLE * available(device)
    if needed > there:
        raise MemoryError(
            f"{lanes} runs side by side need {needed / 1e9:.2g} GB; {there / 1e9:.2g} GB are free"
        )


def available(device: jax.Device) -> float:
    """The bytes that are free, in the memory of an accelerator or of the machine."""
    stats: dict[str, Any] = device.memory_stats() or {} if device.platform != "cpu" else {}
    if "bytes_limit" in stats:
        return float(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    return 0.5 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
