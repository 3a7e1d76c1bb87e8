"""Sweepers of Hydra that search: they choose the next runs by what earlier ones returned."""

from __future__ import annotations

from collections.abc import Iterable

from omegaconf import DictConfig

from runner.config.keys import VALIDATION_EXAMPLES
from runner.errors import ConfigError
from runner.experiment.experiment import Experiment
from runner.measures import METRIC

_SEARCH_NOTHING = ("RunnerSweeper", "BasicSweeper")
"""The sweepers that make all jobs from the command line."""


def refuse_blind_search(sweep: DictConfig, experiments: Iterable[Experiment]) -> None:
    """Refuse to search for the least validation error where nothing is held out for it.

    Args:
        sweep: the config of the sweep, with the sweeper.
        experiments: the experiments of its jobs, made where they are asked for.

    Raises:
        ConfigError: the sweeper searches, and an experiment has no validation examples.
    """
    sweeper = str(sweep.hydra.sweeper.get("_target_", "")).rpartition(".")[2]
    if sweeper in _SEARCH_NOTHING or all(one.data.sizes().validation for one in experiments):
        return
    raise ConfigError(
        f"{VALIDATION_EXAMPLES}=0 leaves no examples for the {METRIC.replace('_', ' ')}, whose "
        f"least value hydra/sweeper={sweep.hydra.runtime.choices['hydra/sweeper']} searches for"
    )
