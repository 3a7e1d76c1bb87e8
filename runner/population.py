"""Populations: which runs of a sweep share a compiled program.

Two runs share one if their experiments have equal structure, whatever their numbers and seeds. A
batch that grows needs a program for each of its sizes, which other runs may share.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax

from runner.experiment import Experiment
from runner.options.option import register_pytrees

register_pytrees()


def programs(experiments: Sequence[Experiment]) -> int:
    """How many programs training all of them takes."""
    return len({structure for each in experiments for structure in _structures(each)})


def _structures(experiment: Experiment) -> set[jax.tree_util.PyTreeDef]:
    return {
        jax.tree.structure(dataclasses.replace(experiment, batch_size=phase.batch_size))
        for phase in experiment.phases()
    }
