"""`runner --branch FOLDER --at-epoch 5 ...`: the run in a folder, from there on with other options.

The branch is a new run with a folder of its own. Its config is composed from what was typed for the
other run, followed by what is typed now. With `-m` each run of the sweep is such a branch.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.types import RunMode

from runner import files
from runner.compare.rerun import overrides_of_run
from runner.config.locations import CONFIG_NAME
from runner.config.plugins import PLUGINS
from runner.errors import ConfigError
from runner.execution.recorded import RecordedRun, read_records
from runner.hydra_app.alone import run_alone
from runner.hydra_app.application import Application
from runner.hydra_app.checking import pinned
from runner.hydra_app.multirun import train_sweep
from runner.hydra_app.overrides import key_of, without_prefix
from runner.hydra_app.prepare import prepare_overrides
from runner.hydra_app.starting import FromRun, StartingTask
from runner.record.fingerprint import fingerprint
from runner.terminal.pipes import files_come_first
from runner.terminal.words import quoted_path


def branch(application: Application, arguments: Namespace, task: Callable[..., Any]) -> None:
    """Train a branch of the run in a folder, or several.

    Args:
        application: Hydra's driver.
        arguments: the command line: the folder `branch`, `at_epoch`, and `overrides`.
        task: trains a run; takes its config and what it starts from.

    Raises:
        ConfigError: the folder, the record in it or a word of the command line is wrong.
        RecordError: the new folder cannot be written, or the state of the run does not fit.
    """
    mode = RunMode.MULTIRUN if arguments.multirun else RunMode.RUN
    line, starter = branched(
        application, Path(arguments.branch), arguments.at_epoch, arguments.overrides, mode
    )
    files_come_first()
    if arguments.multirun:
        line.append("hydra.mode=MULTIRUN")
        train_sweep(application, CONFIG_NAME, line, StartingTask(task, starter))
        return
    config = application.compose_config(CONFIG_NAME, line, RunMode.RUN, True)
    run_alone(application, CONFIG_NAME, config, line, task, starter)


def branched(
    application: Application, folder: Path, epoch: int, words: Sequence[str], mode: RunMode
) -> tuple[list[str], FromRun]:
    """The overrides from which a branch of the run in a folder is composed, and its start.

    Args:
        application: Hydra's driver.
        folder: the folder.
        epoch: after which epoch of the run it branches off.
        words: the overrides that are typed for the branch, as Hydra reads them.
        mode: whether it is one branch or a sweep of them.

    Raises:
        ConfigError: the folder, the record in it or an override is wrong.
    """
    if not (folder / files.SUMMARY).exists():
        raise ConfigError(f"--branch {folder}: there is no run in it (a run has a {files.SUMMARY})")
    typed = application.compose_config(CONFIG_NAME, list(words), mode, with_log_configuration=True)
    (record,) = read_records(folder, typed[PLUGINS], ["--branch", str(folder), *words])
    if "started_from" in record.run.summary:
        raise ConfigError(f"--branch {folder}: was itself started from another run")
    before = [*prepare_overrides(overrides_of_run(folder) or []), *_paths(record)]
    _check_composed(application, before, record)
    retyped = {without_prefix(key_of(word)) for word in words}
    line = [*(word for word in before if without_prefix(key_of(word)) not in retyped), *words]
    return line, FromRun(record, epoch)


def _paths(record: RecordedRun) -> list[str]:
    """The words that say where the data of a run are, also from another folder than then."""
    data = record.config["data"]
    places = ((key, data.get(key)) for key in record.experiment.data.paths)
    return [f"data.{key}={quoted_path(Path(path))}" for key, path in places if path is not None]


def _check_composed(application: Application, words: list[str], record: RecordedRun) -> None:
    """Check that what was typed for a run still means what the run recorded.

    Raises:
        ConfigError: it does not.
    """
    plain, _ = pinned(application.compose_config(CONFIG_NAME, words, RunMode.RUN, True))
    if fingerprint(plain) != fingerprint(record.config):
        raise ConfigError(
            f"{record.directory}: what was typed for it means something else today; other defaults "
            "or YAML files than then"
        )
