"""How much memory runs need side by side, and how much is free.

An accelerator says when its memory is full; on a CPU the operating system kills the process
instead, so the needed and the free memory are compared before training.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from runner.engine.diagnostics import chosen
from runner.engine.state import Arrays
from runner.engine.step_diagnostics import chosen as chosen_of_steps
from runner.engine.train import STEPS_PER_CALL, evaluations_per_call, first_tables, initial_state
from runner.errors import UserError
from runner.experiment.experiment import Experiment
from runner.measures import STEP_MEASURES
from runner.options.batch_size import BatchSize

COPIES = 3
"""How many copies of a state there are: the argument of a call, its result, and one in between."""

USABLE = 0.8
"""The fraction of the free memory that may be used."""

_MEASURED = COPIES * STEPS_PER_CALL * len(STEP_MEASURES) * 4
"""The bytes that a call measures of a run."""


class MemoryShortageError(UserError, MemoryError):
    """Runs need more memory than there is."""

    exit_code = 1


def check_room(experiment: Experiment, arrays: Arrays, lanes: int, device: jax.Device) -> None:
    """Check that a number of runs fit into the free memory side by side.

    Args:
        experiment: one of them.
        arrays: the data, already on the device.
        lanes: how many runs there are.
        device: where they are computed.

    Raises:
        MemoryShortageError: they do not fit.
    """
    _check(lanes * bytes_of_a_lane(experiment, arrays), lanes, device)


def check_state(
    state_bytes: int, experiment: Experiment, arrays: Arrays, device: jax.Device
) -> None:
    """Check that a run alone fits into the free memory; takes no trace without diagnostics.

    Args:
        state_bytes: the size of its state.
        experiment: the run.
        arrays: the data.
        device: where it is computed.

    Raises:
        MemoryShortageError: it does not fit.
    """
    needed = COPIES * state_bytes + _MEASURED + diagnostics_bytes(experiment, arrays)
    _check(needed, 1, device)


def _check(needed: float, lanes: int, device: jax.Device) -> None:
    usable = USABLE * available(device)
    if needed > usable:
        raise MemoryShortageError(_words(lanes, needed, usable))


def explained(error: Exception, lanes: int, device: jax.Device | None = None) -> Exception:
    """The error in one line, if it says that memory ran out; otherwise the error itself.

    On an accelerator XLA says RESOURCE_EXHAUSTED; on a CPU an allocation that fails is INTERNAL.

    Args:
        error: what was raised while runs were prepared or computed.
        lanes: how many runs there were.
        device: where they were computed; by default the first one.
    """
    if isinstance(error, UserError) or not _is_shortage(error):
        return error
    asked = re.search(r"allocat\w* (?:request for )?(\d+)(?: bytes)?", str(error))
    free = available(device or jax.devices()[0])
    found = MemoryShortageError(_words(lanes, int(asked[1]) if asked else None, free))
    found.__cause__ = error
    return found


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Turn the error of one run that memory ran out into one line.

    Raises:
        MemoryShortageError: it ran out.
    """
    try:
        yield
    except Exception as error:
        found = explained(error, 1)
        if found is error:
            raise
        raise found from error


def _is_shortage(error: Exception) -> bool:
    if isinstance(error, jax.errors.JaxRuntimeError):
        words = str(error)
        return "RESOURCE_EXHAUSTED" in words or "ut of memory" in words
    return isinstance(error, MemoryError)


def _words(lanes: int, needed: float | None, free: float) -> str:
    runs = "the run needs" if lanes == 1 else f"{lanes} runs side by side need"
    size = f"{needed / 1e9:,.3g} GB of memory" if needed else "more memory than there is"
    return f"{runs} {size}, and {free / 1e9:,.3g} GB can be used"


def bytes_of_a_lane(experiment: Experiment, arrays: Arrays) -> int:
    """The memory that each run needs beside the data, which all runs share.

    Activations are not counted: on a CPU one lane of each device is computed at a time.
    """
    state = bytes_of(jax.eval_shape(initial_state, experiment, arrays))
    return COPIES * state + _MEASURED + diagnostics_bytes(experiment, arrays)


def diagnostics_bytes(experiment: Experiment, arrays: Arrays) -> int:
    """What the diagnostics of a run need beside its state: their tables, and what they work with.

    Tables have room for as many evaluations and steps as a call can make, in the phase with the
    largest batches; of what they work with the largest counts, since one measures after the other.

    Args:
        experiment: the run.
        arrays: the data.
    """
    if not chosen(experiment) and not chosen_of_steps(experiment):
        return 0
    tables, step_tables = map(bytes_of, jax.eval_shape(first_tables, experiment, arrays))
    examples = arrays.targets.shape[0]
    per_epoch = min(_steps(size, examples) for size, _ in experiment.batch_size.phases(examples))
    measured = evaluations_per_call(per_epoch) * tables + STEPS_PER_CALL * step_tables
    params = jax.eval_shape(initial_state, experiment, arrays).params
    numbers = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
    working = max(each.working_numbers(numbers) for each in experiment.diagnostics)
    return COPIES * measured + 4 * working


def _steps(batch_size: BatchSize, examples: int) -> int:
    """How many steps an epoch has."""
    whole, remainder = batch_size.batches(examples)
    return whole + (remainder > 0)


def bytes_of(shapes: Any) -> int:
    """The memory of arrays of some shapes."""
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes))


def available(device: jax.Device) -> float:
    """The free bytes, in the memory of an accelerator or of the machine."""
    stats: dict[str, Any] = device.memory_stats() or {} if device.platform != "cpu" else {}
    if "bytes_limit" in stats:
        return float(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
    return min(_free_of_machine(), free_of_group())


def _free_of_machine() -> float:
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * int(line.split()[1])
    return 0.5 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def free_of_group(root: Path = Path("/sys/fs/cgroup")) -> float:
    """What a container or a job of a cluster has left; infinite where it has no limit.

    Args:
        root: where control groups are, of version 2 or 1.
    """
    for limit, used, kind in (
        ("memory.max", "memory.current", ""),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/"),
    ):
        with contextlib.suppress(OSError, ValueError):  # "max"
            statistics = (root / f"{kind}memory.stat").read_text()
            cached = re.search(r"^(?:total_)?inactive_file (\d+)$", statistics, re.MULTILINE)
            taken = int((root / used).read_text()) - (int(cached[1]) if cached else 0)
            return max(0.0, float(int((root / limit).read_text()) - taken))
    return math.inf
