"""A sweep from the command line to the sweeper: composed, checked, in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hydra.types import RunMode
from omegaconf import DictConfig

from runner.config.build import build
from runner.hydra_app.application import Application
from runner.hydra_app.checking import as_plain
from runner.hydra_app.claiming import claimed
from runner.hydra_app.searching import refuse_blind_search
from runner.interruption import deferred


def train_sweep(
    application: Application, name: str, overrides: list[str], task: Callable[..., Any]
) -> None:
    """Train a sweep, or say what would be trained (`dry_run`).

    Args:
        application: Hydra's driver.
        name: the primary config.
        overrides: the overrides, as Hydra reads them.
        task: trains a run of it, for another launcher than `runner`.

    Raises:
        ConfigError: something is wrong with it; then nothing has been trained.
        RecordError: its folder cannot be made.
    """
    config = composed_sweep(application, name, overrides)
    if config.hydra.launcher.get("dry_run", False):
        application.multirun(name, task, overrides)
        return
    with deferred(), claimed(config, "sweep", overrides):
        application.multirun(name, task, overrides)


def composed_sweep(
    application: Application, name: str, overrides: list[str], *, with_log: bool = True
) -> DictConfig:
    """Compose the config of a sweep.

    Args:
        application: Hydra's driver.
        name: the primary config.
        overrides: the overrides, as Hydra reads them.
        with_log: whether Hydra configures its log.

    Raises:
        ConfigError: something is wrong with it, or it searches without validation examples.
    """
    config = application.compose_config(name, overrides, RunMode.MULTIRUN, with_log)
    refuse_blind_search(config, (build(as_plain(each)) for each in [config]))
    return config
