"""`runner --branch FOLDER --at-epoch 5 ...`: the run in a folder, from there on with other options.

The branch is a new run with a folder of its own. Its config is composed from what was typed for the
other run, followed by what is typed now. With `-m` each run of the sweep is such a branch.
"""

from __future__ import annotations

import functools
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.types import RunMode

from runner import files
from runner.compare.rerun import overrides_of_run
from runner.config.build import build, pin_data
from runner.config.locations import CONFIG_NAME
from runner.config.plugins import PLUGINS
from runner.errors import ConfigError
from runner.execution.recorded import RecordedRun, read_records
from runner.hydra_app.application import Application
from runner.hydra_app.checking import as_plain
from runner.hydra_app.claiming import claimed
from runner.hydra_app.multirun import train_sweep
from runner.hydra_app.overrides import key_of, without_prefix
from runner.hydra_app.prepare import prepare_overrides
from runner.hydra_app.starting import FromRun, StartingTask
from runner.interruption import deferred
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
    folder, words = Path(arguments.branch), arguments.overrides
    if not (folder / files.SUMMARY).exists():
        raise ConfigError(f"--branch {folder}: there is no run in it (a run has a {files.SUMMARY})")
    mode = RunMode.MULTIRUN if arguments.multirun else RunMode.RUN
    typed = application.compose_config(CONFIG_NAME, words, mode, with_log_configuration=True)
    (record,) = read_records(folder, typed[PLUGINS], ["--branch", arguments.branch, *words])
    if "started_from" in record.run.summary:
        raise ConfigError(f"--branch {folder}: was itself started from another run")
    before = [*prepare_overrides(overrides_of_run(folder) or []), *_paths(record)]
    _check_composed(application, before, record)
    starter = FromRun(record, arguments.at_epoch)
    retyped = {without_prefix(key_of(word)) for word in words}
    line = [*(word for word in before if without_prefix(key_of(word)) not in retyped), *words]
    files_come_first()
    if arguments.multirun:
        line.append("hydra.mode=MULTIRUN")
        train_sweep(application, CONFIG_NAME, line, StartingTask(task, starter))
        return
    config = application.compose_config(CONFIG_NAME, line, RunMode.RUN, True)
    start = starter(build(as_plain(config)))
    with deferred(), claimed(config, "run", words) as place:
        _refuse_used(place)
        application.run(CONFIG_NAME, functools.partial(task, start=start), line)


def _paths(record: RecordedRun) -> list[str]:
    """The words that say where the data of a run are, also from another folder than then."""
    data = record.config["data"]
    places = ((key, data.get(key)) for key in record.experiment.data.paths)
    return [f"data.{key}={quoted_path(Path(path))}" for key, path in places if path is not None]


def _refuse_used(place: Path) -> None:
    """Refuse a folder that has a run.

    Raises:
        ConfigError: it has one.
    """
    if (place / files.SUMMARY).exists():
        raise ConfigError(f"hydra.run.dir={place}: has a run, and a branch needs a new folder")


def _check_composed(application: Application, words: list[str], record: RecordedRun) -> None:
    """Check that what was typed for a run still means what the run recorded.

    Raises:
        ConfigError: it does not.
    """
    plain = as_plain(application.compose_config(CONFIG_NAME, words, RunMode.RUN, True))
    pin_data(plain, build(plain))
    if fingerprint(plain) != fingerprint(record.config):
        raise ConfigError(
            f"{record.directory}: what was typed for it means something else today; other defaults "
            "or YAML files than then"
        )
