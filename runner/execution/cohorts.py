"""Cohorts: which runs of a sweep share a compiled program, and which train side by side.

Two runs share a program if their experiments have equal structure, whatever their numbers and
seeds. (A batch that grows needs a program for each of its sizes, which other runs may share.) Runs
that share a program, the data and the length form cohorts: they train side by side, a lane each,
as many at a time as fit.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import jax

from runner.engine.strategy import Strategy
from runner.experiment.experiment import Experiment
from runner.options.option import register_pytrees
from runner.record.environment import usable_cores

register_pytrees()

LANES_PER_DEVICE: dict[Strategy, int] = {"sequential": 1, "map": 16, "vmap": 256}
"""How many runs train side by side on a device at most. With `map` 16 are enough to make the calls
of the host rare, and few enough that the first results come early."""


class Parallelism(NamedTuple):
    """How the runs of a sweep are computed.

    Attributes:
        strategy: not `auto`.
        lanes: how many runs train side by side at most.
        devices: on how many devices.
    """

    strategy: Strategy
    lanes: int
    devices: int


@dataclasses.dataclass(frozen=True)
class Cohort:
    """Runs that train side by side.

    Attributes:
        members: their places in the sweep.
        structure: of their experiments. Cohorts of equal structure share what is compiled, and
            therefore have the same number of lanes.
        strategy: how they are computed.
        lanes: how many runs there is room for.
        devices: on how many devices.
    """

    members: tuple[int, ...]
    structure: Hashable
    strategy: Strategy
    lanes: int
    devices: int


def count_programs(experiments: Sequence[Experiment]) -> int:
    """Count the programs that training all of them takes."""
    return len({structure for each in experiments for structure in _structures(each)})


def count_compilations(experiments: Sequence[Experiment]) -> int:
    """Count the compilations: one for each program, and one for each initial state."""
    first = {
        jax.tree.structure(dataclasses.replace(each, batch_size=each.phases()[0].batch_size))
        for each in experiments
    }
    return count_programs(experiments) + len(first)


def _structures(experiment: Experiment) -> set[jax.tree_util.PyTreeDef]:
    return {
        jax.tree.structure(dataclasses.replace(experiment, batch_size=phase.batch_size))
        for phase in experiment.phases()
    }


def use_all_cores(runs: int) -> None:
    """Make JAX see a device for each core of the CPU, but no more than there are runs.

    Has no effect once JAX has been used.
    """
    try:
        jax.config.update("jax_num_cpu_devices", max(1, min(usable_cores(), runs)))
    except RuntimeError:
        return


def choose_parallelism(strategy: Strategy, lanes: int | None, devices: int | None) -> Parallelism:
    """Choose how a sweep is computed: as asked, otherwise as is fastest on this machine.

    Measured by `make bench-sweep`: on a CPU one device a core with the lanes of each in turn; on an
    accelerator all lanes at once.

    Args:
        strategy: the strategy asked for; `auto` leaves the choice open.
        lanes: how many lanes at most; None: as many as are sensible.
        devices: how many devices; None: all of them.
    """
    available = jax.local_device_count()
    used = min(devices or available, available)
    if strategy == "auto":
        strategy = "map" if jax.default_backend() == "cpu" else "vmap"
    if strategy == "sequential":
        return Parallelism(strategy, 1, 1)
    return Parallelism(strategy, lanes or LANES_PER_DEVICE[strategy] * used, used)


def form_cohorts(
    experiments: Sequence[Experiment], parallelism: Parallelism, steps: Sequence[int] = ()
) -> list[Cohort]:
    """Divide experiments into cohorts, in the order of their first members.

    Args:
        experiments: the experiments.
        parallelism: how they are computed.
        steps: after how many steps each goes on; by default all start.
    """
    starts = steps or [0] * len(experiments)
    by_structure: dict[Hashable, dict[Hashable, list[int]]] = {}
    for place, experiment in enumerate(experiments):
        by_length = by_structure.setdefault(jax.tree.structure(experiment), {})
        by_length.setdefault((starts[place], _data_and_length(experiment)), []).append(place)
    found = [
        cohort
        for structure, groups in by_structure.items()
        for cohort in _divided(structure, list(groups.values()), parallelism)
    ]
    return sorted(found, key=lambda cohort: cohort.members)


def halved(
    waiting: Sequence[Cohort], structure: Hashable, steps: Mapping[int, int | None]
) -> list[Cohort]:
    """The same cohorts, with half as many lanes in those of a structure.

    Args:
        waiting: the cohorts.
        structure: of those that are divided.
        steps: their members that are left, and after how many steps each goes on.
    """
    result: list[Cohort] = []
    for cohort in waiting:
        if cohort.structure != structure:
            result.append(cohort)
            continue
        smaller = Parallelism(cohort.strategy, max(1, cohort.lanes // 2), cohort.devices)
        groups: dict[int | None, list[int]] = {}
        for member in filter(steps.__contains__, cohort.members):
            groups.setdefault(steps[member], []).append(member)
        result.extend(_divided(structure, list(groups.values()), smaller) if groups else [])
    return result


def _data_and_length(experiment: Experiment) -> Hashable:
    """What runs must have in common to advance in lockstep."""
    data = (experiment.data, experiment.preprocessing)
    intervals = (experiment.evaluate_every, experiment.steps_between_norms)
    return (*data, experiment.phases(), *intervals)


def _divided(
    structure: Hashable, groups: list[list[int]], parallelism: Parallelism
) -> list[Cohort]:
    """Cohorts of the members of each group, all with the same number of lanes."""
    largest = max(len(group) for group in groups)
    limit = max(1, parallelism.lanes)
    lanes = math.ceil(largest / math.ceil(largest / limit))
    strategy = "sequential" if lanes == 1 else parallelism.strategy
    devices = min(parallelism.devices, lanes)
    lanes = math.ceil(lanes / devices) * devices
    return [
        Cohort(tuple(group[first : first + lanes]), structure, strategy, lanes, devices)
        for group in groups
        for first in range(0, len(group), lanes)
    ]
