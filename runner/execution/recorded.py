"""Runs as their records describe them, ready to be run again.

A record is data: a module that only a record names is not imported, and nothing in it is executed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from runner import files
from runner.compare.equality import Extent, recorded_extent
from runner.compare.rerun import command
from runner.compare.runs import Run, read_run, run_folders
from runner.config.build import build
from runner.config.plugins import PLUGINS
from runner.config.values import interpolates
from runner.errors import ConfigError
from runner.experiment.experiment import Experiment


class RecordedRun(NamedTuple):
    """A run to repeat.

    Attributes:
        run: as it is recorded.
        directory: where.
        config: its resolved config.
        experiment: what the config describes.
        extent: how much of the run is recorded.
    """

    run: Run
    directory: Path
    config: dict[str, Any]
    experiment: Experiment
    extent: Extent


def read_records(folder: Path, plugins: Sequence[str], line: Sequence[str]) -> list[RecordedRun]:
    """Read the run that is recorded in a folder, or all runs below it.

    Args:
        folder: the folder of a run or of sweeps.
        plugins: the modules with options that the user named.
        line: the other words of the command line, for the one that is right.

    Raises:
        ConfigError: there is no run, a record is damaged or has an option that is not known, or
            records and user name different modules.
    """
    found = [folder] if (folder / files.SUMMARY).exists() else run_folders(folder)
    if not found:
        raise ConfigError(f"{folder}: there is no run in it (a run has a {files.SUMMARY})")
    runs = [(directory, _checked(directory)) for directory in found]
    _check_plugins([run for _, run in runs], plugins, folder, line)
    return [_record(directory, run) for directory, run in runs]


def _checked(directory: Path) -> Run:
    """The run in a folder.

    Raises:
        ConfigError: its summary is damaged; a resolved config has no interpolations.
    """
    run = read_run(directory)
    if run is None or interpolates(run.config):
        raise ConfigError(f"{directory / files.SUMMARY} is not the summary of a run")
    return run


def _check_plugins(
    runs: Sequence[Run], typed: Sequence[str], folder: Path, line: Sequence[str]
) -> None:
    """Check that the user named the modules that the records name.

    Raises:
        ConfigError: one is named by one side only; with the line to type.
    """
    named: dict[str, None] = {}
    for run in runs:
        names = run.config.get(PLUGINS) or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ConfigError(f"{run.directory}: {PLUGINS}={names!r} must be a list of modules")
        named |= dict.fromkeys(names)
    missing = [name for name in named if name not in typed]
    if missing:
        right = command("runner", [*line, f"{PLUGINS}=[{','.join(named)}]"])
        raise ConfigError(
            f"{folder}: its runs need {' and '.join(missing)}, which is imported only if you name "
            f"it: {right}"
        )
    stray = [name for name in typed if name not in named]
    if stray:
        raise ConfigError(f"{PLUGINS}: {stray[0]} is named in no record of {folder}; leave it out")


def _record(directory: Path, run: Run) -> RecordedRun:
    """Check that a run can be repeated and compared.

    Raises:
        ConfigError: this version does not know its config, or its curves or data are missing.
    """
    config, file = dict(run.config), str(directory / files.SUMMARY)
    experiment = build(config, where=lambda _: file)
    if (reason := experiment.data.unavailable()) is not None:
        raise ConfigError(f"{directory}: {reason}")
    return RecordedRun(run, directory, config, experiment, recorded_extent(run))
