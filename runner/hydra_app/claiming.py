"""The folder of a run or a sweep: made, locked, and removed again if nothing was recorded in it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Literal

from omegaconf import DictConfig, flag_override, read_write

from runner import files
from runner.errors import ConfigError, RecordError
from runner.folders import missing, remove_empty
from runner.hydra_app.overrides import key_of
from runner.record.lock import writing_in
from runner.terminal.words import quoted_path

_SWEEP_DIR = "hydra.sweep.dir"


@contextlib.contextmanager
def claimed(
    config: DictConfig, kind: Literal["run", "sweep"], overrides: Sequence[str]
) -> Iterator[Path]:
    """Make the folder of a run or a sweep, under another name if it is taken, and lock it.

    Two runs that start within the same second would otherwise write into one folder. A folder that
    the user named is used unchanged.

    Args:
        config: the composed config; the name of the folder is updated in it.
        kind: which of the two it is.
        overrides: the overrides, as Hydra reads them.

    Yields:
        The folder.

    Raises:
        ConfigError: a name in it cannot be that of a file.
        RecordError: it cannot be made or written, or another process writes there.
    """
    name = str(config.hydra.job.name)
    if "/" in name:
        raise ConfigError(f"hydra.job.name={name}: must be the name of a log, without a folder")
    wanted = Path(str(config.hydra[kind].dir))
    new = missing(wanted)
    if any(word.startswith(f"hydra.{kind}.dir=") for word in overrides):
        _make(directory := wanted)
    else:
        directory = claim_new(wanted)
        new[:1] = [directory]
    if directory != wanted and kind == "sweep":
        move_sweep(config, directory)
    elif directory != wanted:
        with read_write(config.hydra):
            config.hydra.run.dir = str(directory)
    was_empty = _is_empty(directory)
    try:
        with writing_in(directory):
            _refuse_links(directory, config.hydra.output_subdir, f"{name}.log")
            yield directory
    finally:
        if was_empty:
            _remove_unused(directory, _of_hydra(config))
        remove_empty(new)


@contextlib.contextmanager
def claimed_new(wanted: Path, config: DictConfig) -> Iterator[Path]:
    """Make and lock a folder that was not there before; gone again if nothing was recorded in it.

    Args:
        wanted: the folder; under another name if it is taken.
        config: the composed config.

    Yields:
        The folder.

    Raises:
        RecordError: it cannot be made or written.
    """
    new = missing(wanted)
    directory = claim_new(wanted)
    new[:1] = [directory]
    try:
        with writing_in(directory):
            yield directory
    finally:
        _remove_unused(directory, _of_hydra(config))
        remove_empty(new)


def _of_hydra(config: DictConfig) -> tuple[str | None, ...]:
    """What Hydra and the start of a sweep write into a folder."""
    return (config.hydra.output_subdir, f"{config.hydra.job.name}.log", files.SWEEP_CONFIG)


def move_sweep(config: DictConfig, folder: Path) -> None:
    """Change the folder in the config of a sweep, also for its jobs, which are composed later."""
    with flag_override(config.hydra, ["struct", "readonly"], [False, False]):
        others = [word for word in config.hydra.overrides.hydra if key_of(word) != _SWEEP_DIR]
        config.hydra.overrides.hydra = [*others, f"{_SWEEP_DIR}={quoted_path(folder)}"]
        config.hydra.sweep.dir = str(folder)


def claim_new(wanted: Path) -> Path:
    """Create a folder that was not there before, under another name if the wanted one is taken.

    Raises:
        RecordError: it cannot be created.
    """
    candidates = (wanted.with_name(f"{wanted.name}-{number}") for number in count(2))
    for directory in chain([wanted], candidates):
        try:
            _make(directory, is_new=True)
        except FileExistsError:
            continue
        return directory
    raise AssertionError("there is always another name")


def _make(directory: Path, *, is_new: bool = False) -> None:
    """Make a folder.

    Raises:
        FileExistsError: it `is_new` and is there.
        RecordError: it cannot be made.
    """
    new = missing(directory)
    try:
        directory.mkdir(parents=True, exist_ok=not is_new)
    except OSError as error:
        if is_new and isinstance(error, FileExistsError):
            raise
        remove_empty(new)
        raise RecordError(f"{directory}: cannot be made: {error.strerror}") from error


def _is_empty(directory: Path) -> bool:
    """Whether there is nothing in a folder.

    Raises:
        RecordError: it cannot be read.
    """
    try:
        return not any(directory.iterdir())
    except OSError as error:
        raise RecordError(f"{directory}: cannot be read: {error.strerror}") from error


def _refuse_links(directory: Path, *names: str | None) -> None:
    """Refuse symbolic links where Hydra would write through them.

    Raises:
        RecordError: there is one.
    """
    for name in filter(None, names):
        for place in (directory / name, *(directory / name).glob("*.yaml")):
            if place.is_symlink():
                raise RecordError(f"{place}: is a symbolic link, which is not written through")


def _remove_unused(directory: Path, names: Collection[str | None]) -> None:
    """Remove from a folder what Hydra wrote, unless there is something else."""
    with contextlib.suppress(OSError):
        entries = list(directory.iterdir())
        if {each.name for each in entries} <= set(names):
            for each in entries:
                shutil.rmtree(each) if each.is_dir() else each.unlink()
