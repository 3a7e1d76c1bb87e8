"""`runner --branch FOLDER --at-epoch 5 ...`: the run in a folder, from there on with other options.

The branch is a new run with a folder of its own. Its config is composed from what was typed for the
other run, followed by what is typed now.
"""

from __future__ import annotations

import functools
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.types import RunMode

from runner import files
from runner.compare.rerun import overrides_of_run
from runner.config.build import build
from runner.config.locations import CONFIG_NAME
from runner.config.plugins import PLUGINS
from runner.errors import ConfigError
from runner.execution.branch import trunk_of
from runner.execution.recorded import RecordedRun, read_records
from runner.hydra_app.application import Application, prepare_overrides
from runner.hydra_app.checking import as_plain
from runner.hydra_app.claiming import claimed
from runner.interruption import deferred
from runner.record.checkpoints import find_checkpoint
from runner.record.summary import fingerprint
from runner.terminal.pipes import files_come_first


def branch(application: Application, arguments: Namespace, task: Callable[..., Any]) -> None:
    """Train a branch of the run in a folder.

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
    typed = application.compose_config(CONFIG_NAME, words, RunMode.RUN, with_log_configuration=True)
    (record,) = read_records(folder, typed[PLUGINS], ["--branch", arguments.branch, *words])
    if "started_from" in record.run.summary:
        raise ConfigError(f"--branch {folder}: was itself started from another run")
    before = prepare_overrides(overrides_of_run(folder) or [])
    _check_composed(application, before, record)
    config = application.compose_config(CONFIG_NAME, [*before, *words], RunMode.RUN, True)
    trunk = trunk_of(record.experiment, build(as_plain(config)), folder, arguments.at_epoch)
    earlier, refused = find_checkpoint(folder, record.config)
    for line in refused:
        print(f"Note:   {line}", file=sys.stderr)
    if earlier is not None and earlier.position.steps >= trunk.steps:
        earlier = None
    files_come_first()
    with deferred(), claimed(config, "run", words) as place:
        _refuse_used(place)
        if earlier is not None:
            _copy_curves(folder, place)
        own = functools.partial(task, trunk=trunk, earlier=earlier)
        application.run(CONFIG_NAME, own, [*before, *words])


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
    config = application.compose_config(CONFIG_NAME, words, RunMode.RUN, True)
    if fingerprint(as_plain(config)) != fingerprint(record.config):
        raise ConfigError(
            f"{record.directory}: what was typed for it means something else today; other defaults "
            "or YAML files than then"
        )


def _copy_curves(folder: Path, place: Path) -> None:
    """Copy the curves of a run, of which the branch keeps the rows up to a checkpoint."""
    tables = map(files.diagnostics, files.ALL_DIAGNOSTICS)
    for name in (files.STEPS, files.EPOCHS, files.PATH, *tables):
        if (folder / name).exists():
            shutil.copyfile(folder / name, place / name)
