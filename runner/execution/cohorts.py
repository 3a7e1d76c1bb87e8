"""Populations: which runs of a sweep share a compiled program, and which train side by side.

Two runs share a program if their experiments have equal structure, whatever their numbers and
seeds. (A batch that grows needs a program for each of its sizes, which other runs may share.) Of
those, the ones on the same data and of the same length form cohorts: they train side by side, a
lane each, as many at a time as fit.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple

import jax

from runner.engine.lanes import Strategy
from runner.experiment.experiment import Experiment
from runner.options.option import register_pytrees

register_pytrees()

Wish = Literal["auto", "sequential", "map", "vmap"]

LANES_PER_DEVICE: dict[Strategy, int] = {"alone": 1, "map": 16, "vmap": 256}
"""How many runs train side by side at most. With `map` more gain nothing: 16 are enough to make the
calls of the host rare, and few enough that the first results come early."""


class Setting(NamedTuple):
    """How a sweep's runs are to be computed.

    `strategy` is `sequential`, `map` or `vmap`; `lanes` is how many runs train side by side at
    most, on how many devices.
    """

    strategy: Literal["sequential", "map", "vmap"]
    lanes: int
    devices: int


@dataclasses.dataclass(frozen=True)
class Cohort:
    """Runs that train side by side.

    `members` are their places in the sweep; cohorts of equal `structure` share what is compiled,
    and therefore have equally many lanes.
    """

    members: tuple[int, ...]
    structure: Hashable
    strategy: Strategy
    lanes: int
    devices: int


def programs(experiments: Sequence[Experiment]) -> int:
    """How many programs training all of them takes."""
    return len({structure for each in experiments for structure in _structures(each)})


def compilations(experiments: Sequence[Experiment]) -> int:
    """How many compilations that takes: one a program, and one for each kind of initial state."""
    first = {
        jax.tree.structure(dataclasses.replace(each, batch_size=each.phases()[0].batch_size))
        for each in experiments
    }
    return programs(experiments) + len(first)


def _structures(experiment: Experiment) -> set[jax.tree_util.PyTreeDef]:
    return {
        jax.tree.structure(dataclasses.replace(experiment, batch_size=phase.batch_size))
        for phase in experiment.phases()
    }


def use_all_cores(runs: int) -> None:
    """Have a device for each core of the CPU, as many as there are runs to spread over them.

    Has no effect once JAX has been used.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    try:
        jax.config.update("jax_num_cpu_devices", max(1, min(cores, runs)))
    except RuntimeError:
        return


def choose(wish: Wish, lanes: int | None, devices: int | None) -> Setting:
    """What is fastest on this machine, where the user does not say otherwise.

    Measured by `make bench-sweep`: on a CPU one device a core with the lanes of each in turn; on an
    accelerator all lanes at once.

    Args:
        wish: the strategy asked for.
        lanes: how many lanes at most; None: as many as are sensible.
        devices: how many devices; None: all of them.
    """
    there = jax.local_device_count()
    used = min(devices or there, there)
    if wish == "auto":
        wish = "map" if jax.default_backend() == "cpu" else "vmap"
    if wish == "sequential":
        return Setting(wish, 1, 1)
    return Setting(wish, lanes or LANES_PER_DEVICE[wish] * used, used)


def cohorts(experiments: Sequence[Experiment], setting: Setting) -> list[Cohort]:
    """Which of the experiments train side by side, in the order in which they come first."""
    alike: dict[Hashable, dict[Hashable, list[int]]] = {}
    for place, experiment in enumerate(experiments):
        structure = jax.tree.structure(experiment)
        alike.setdefault(structure, {}).setdefault(_in_step(experiment), []).append(place)
    found = [
        cohort
        for structure, groups in alike.items()
        for cohort in _divided(structure, list(groups.values()), setting)
    ]
    return sorted(found, key=lambda cohort: cohort.members)


def halved(waiting: Sequence[Cohort], structure: Hashable) -> list[Cohort]:
    """The same cohorts, those of a structure with half as many lanes."""
    result: list[Cohort] = []
    for cohort in waiting:
        if cohort.structure != structure:
            result.append(cohort)
            continue
        setting = Setting("map" if cohort.strategy == "alone" else cohort.strategy, 1, 1)
        smaller = setting._replace(lanes=max(1, cohort.lanes // 2), devices=cohort.devices)
        result.extend(_divided(structure, [list(cohort.members)], smaller))
    return result


def _in_step(experiment: Experiment) -> Hashable:
    """What runs must have in common to train side by side: the data, and when what happens."""
    data = (experiment.data, experiment.preprocessing)
    return (*data, experiment.phases(), experiment.evaluate_every)


def _divided(structure: Hashable, groups: list[list[int]], setting: Setting) -> list[Cohort]:
    """Cohorts of the members of each group, all with the same number of lanes."""
    largest = max(len(group) for group in groups)
    limit = max(1, setting.lanes)
    lanes = math.ceil(largest / math.ceil(largest / limit))
    strategy: Strategy = "alone" if setting.strategy == "sequential" else setting.strategy
    if lanes == 1:
        strategy = "alone"
    devices = 1 if strategy == "alone" else min(setting.devices, lanes)
    lanes = math.ceil(lanes / devices) * devices
    return [
        Cohort(tuple(group[begin : begin + lanes]), structure, strategy, lanes, devices)
        for group in groups
        for begin in range(0, len(group), lanes)
    ]
