"""A run alone: trained in a folder of its own, once, or described where it is only asked about."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from runner.execution.resume import finished_before
from runner.experiment.experiment import Experiment
from runner.hydra_app.application import Application
from runner.hydra_app.checking import pinned
from runner.hydra_app.claiming import claimed
from runner.interruption import deferred
from runner.terminal.words import shell_path

if TYPE_CHECKING:
    from runner.execution.starting import Start
    from runner.hydra_app.starting import Starter

THE_SAME_COMMAND = "the same command with --cfg job"
"""Where every value of a run is shown that was composed from what was typed."""


def run_alone(
    application: Application,
    name: str,
    config: DictConfig,
    overrides: list[str],
    task: Callable[..., Any],
    starter: Starter | None = None,
) -> None:
    """Train a run and print its table, or print what it would be (`dry_run`).

    Args:
        application: Hydra's driver.
        name: the primary config.
        config: the composed config.
        overrides: the overrides from which it was composed, as Hydra reads them.
        task: trains a run and prints its table; takes its config and its `start`.
        starter: says what it starts from, if from another run.

    Raises:
        ConfigError: its folder holds another run.
        RecordError: the record cannot be written.
    """
    if not config.hydra.launcher.get("dry_run", False):
        directory, summary = train_alone(application, name, config, overrides, task, starter)
        if summary is not None:
            _print_done(summary, directory)
        return
    plain, experiment = pinned(config)
    start = starter(experiment) if starter else None
    directory = Path(str(config.hydra.run.dir))
    if (summary := _done(config, directory, plain, start)) is not None:
        _print_done(summary, directory)
        print("0 of 1 runs to run; nothing was run")
        return
    print_forecast(experiment, plain, directory, THE_SAME_COMMAND)


def train_alone(
    application: Application,
    name: str,
    config: DictConfig,
    overrides: list[str],
    task: Callable[..., Any],
    starter: Starter | None = None,
) -> tuple[Path, dict[str, Any] | None]:
    """Train a run, unless its folder holds it.

    Args:
        application: Hydra's driver.
        name: the primary config.
        config: the composed config; the name of the folder is updated in it.
        overrides: the overrides from which it was composed, as Hydra reads them.
        task: trains a run; takes its config and its `start`.
        starter: says what it starts from, if from another run.

    Returns:
        Its folder, and its summary if the folder held it; None if it was trained.

    Raises:
        ConfigError: its folder holds another run.
        RecordError: the record cannot be written.
    """
    plain, experiment = pinned(config)
    start = starter(experiment) if starter else None
    with deferred(), claimed(config, "run", overrides) as directory:
        summary = _done(config, directory, plain, start)
        if summary is None:
            application.run(name, functools.partial(task, start=start), overrides)
    return directory, summary


def print_forecast(
    experiment: Experiment, config: Mapping[str, Any], directory: Path, values: str
) -> None:
    """Print what a run would be.

    Args:
        experiment: the experiment.
        config: its resolved config.
        directory: the folder that it would be written to.
        values: where every value of the config is shown.
    """
    from runner.execution.forecast import forecast  # imports JAX

    print(forecast(experiment, config, directory, values) + "1 run to run; nothing was run")


def print_results(summary: dict[str, Any], directory: Path) -> None:
    """Print the table of a run, and what it suggests if it is a range test."""
    from runner.compare import range_test
    from runner.compare.runs import Run
    from runner.terminal.live import print_closing_table

    print_closing_table(summary, directory)
    run = Run(directory, summary)
    if range_test.is_range_test(run):
        print(f"Range:  {range_test.sentence(range_test.suggested(run))}")
        print(f"        runner-compare {shell_path(directory)} --axis=learning_rate")


def _print_done(summary: dict[str, Any], directory: Path) -> None:
    print(f"{shell_path(directory)}: this run is done; overwrite=true runs it again")
    print_results(summary, directory)


def _done(
    config: DictConfig, directory: Path, plain: Mapping[str, Any], start: Start | None
) -> dict[str, Any] | None:
    """The summary of the finished run of a config in a folder, unless it is run again.

    Raises:
        ConfigError: the folder holds another run.
    """
    if config.hydra.launcher.get("overwrite", False):
        return None
    return finished_before(directory, plain, start.facts if start else None)
