"""Confirmation: the settings that tuning chose, run on seeds that had no part in the choice.

The best of many settings is best by luck as well: on the seeds that chose it, its results are too
good, and the more settings were tried the more so. On fresh seeds they are not. The fresh runs are
a sweep of their own in the folder `confirmed` of the sweep, so it is recorded, resumed and compared
as any other.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig, open_dict

from runner import files
from runner.compare.conclusions import tabulated
from runner.compare.edges import edge_words
from runner.compare.grouping import first_names
from runner.compare.runs import Run
from runner.compare.view import View
from runner.config.keys import SEED
from runner.errors import ConfigError
from runner.hydra_app.claiming import move_sweep
from runner.hydra_app.job import HydraJob
from runner.hydra_app.overrides import key_of
from runner.terminal.words import several


class Confirmation(NamedTuple):
    """The sweep over fresh seeds.

    Attributes:
        sweep: its config.
        view: what is shown of it: nothing is tuned any more.
        job_overrides: the overrides of its jobs.
        title: what it confirms, on how many seeds.
        caution: what limits the choice that it confirms; may be empty.
    """

    sweep: DictConfig
    view: View
    job_overrides: list[list[str]]
    title: str
    caution: str

    def report(self, runs: Sequence[Run]) -> str:
        """The table of the fresh runs with the verdict, as `runner-compare` prints them."""
        text = f"\nConfirmed: {self.title}\n"
        text += tabulated(self.view, self.view.groups(runs), "text")
        return f"{text}\nThis is preliminary: {self.caution}." if self.caution else text


def check_confirm(count: int, view: View, sweep: DictConfig) -> None:
    """Check that there will be something to confirm.

    Args:
        count: the number of fresh seeds; 0 for no confirmation.
        view: what the sweep shows and tunes.
        sweep: its config.

    Raises:
        ConfigError: nothing is tuned, or the sweep runs in parts.
    """
    if count and not view.tune:
        raise ConfigError(
            f"confirm={count} runs again what was tuned; figure.tune must name the tuned keys, as "
            "in figure.tune=[optimizer.learning_rate]"
        )
    if count and sweep.hydra.sweeper.get("max_batch_size"):
        raise ConfigError(
            f"confirm={count} needs the whole sweep at once; leave out hydra.sweeper.max_batch_size"
        )


def confirmation(
    sweep: DictConfig, view: View, jobs: Sequence[HydraJob], count: int
) -> Confirmation:
    """Plan the sweep over fresh seeds.

    Args:
        sweep: the config of the sweep that tuned.
        view: what it shows.
        jobs: its jobs, all of which have been run.
        count: the number of fresh seeds: the least that no job had.

    Raises:
        ConfigError: the runs cannot be tuned.
    """
    owners = [(job.run, job) for job in jobs]
    kept = view.chosen(view.groups([run for run, _ in owners]))
    best = {id(run) for group in kept for run in group.runs}
    settings = dict.fromkeys(
        tuple(word for word in job.returned.overrides or () if key_of(word) != SEED)
        for run, job in owners
        if id(run) in best
    )
    used = {run.seed for run, _ in owners}
    fresh = list(itertools.islice((seed for seed in itertools.count() if seed not in used), count))
    names = first_names([group.name for group in kept])
    return Confirmation(
        _below(sweep),
        dataclasses.replace(view, tune=(), tune_by=None),
        [[*own, f"{SEED}={seed}"] for own in settings for seed in fresh],
        f"{names} on {several(count, 'fresh seed')}",
        edge_words(kept),
    )


def _below(sweep: DictConfig) -> DictConfig:
    """The config of a sweep in the folder `confirmed` of another, which tunes nothing."""
    again = copy.deepcopy(sweep)
    move_sweep(again, Path(str(sweep.hydra.sweep.dir)) / files.CONFIRMED)
    with open_dict(again):
        again.hydra.sweeper.figure.tune = []
    return again
