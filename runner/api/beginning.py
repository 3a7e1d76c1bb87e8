"""The arguments `from_`, `from_layers`, `branch`, `at_epoch` and `resume`: which run is meant."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.compare.runs import Run
from runner.errors import ConfigError
from runner.hydra_app.beginning import Beginning
from runner.hydra_app.flags import check_records
from runner.hydra_app.starting import listed_layers
from runner.record.memory import Place
from runner.terminal.words import path_from_here

_CHECKPOINTS = (
    "a run in memory keeps no checkpoint; record it (record=FOLDER), or start from its weights: "
    "from_=run"
)


def beginning_of(
    *,
    from_: Any = None,
    from_layers: str | Sequence[str] = (),
    branch: Any = None,
    at_epoch: int | None = None,
    resume: Any = None,
    config_dir: Any = None,
) -> Beginning:
    """What a call starts from.

    Args:
        from_: the run whose weights are taken, or its folder, or a file with weights.
        from_layers: the layers to take.
        branch: the run that is branched off, or its folder.
        at_epoch: after which of its epochs.
        resume: the run that goes on, or its folder.
        config_dir: the folder with options of the user's own.

    Raises:
        ConfigError: they exclude each other, one needs another, or one is no recorded run.
    """
    layers = listed_layers(from_layers) if isinstance(from_layers, str) else from_layers
    found = Beginning(
        _place("from_", from_),
        tuple(map(str, filter(None, layers))),
        _folder("branch", branch),
        at_epoch,
        _folder("resume", resume),
    )
    check_records(
        Namespace(
            origin=found.origin,
            from_layers=found.layers or None,
            branch=found.branch,
            at_epoch=at_epoch,
            resume=found.resume,
            config_dir=config_dir,
            **dict.fromkeys(("rerun", "into", "multirun", "config_name", "cfg", "info")),
            hydra_help=None,
        )
    )
    if at_epoch is not None and (isinstance(at_epoch, bool) or not isinstance(at_epoch, int)):
        raise ConfigError(f"at_epoch={at_epoch!r}: must be a whole number of epochs")
    return found


def _folder(argument: str, value: Any) -> Path | None:
    """The folder of a run.

    Raises:
        ConfigError: it has none, or the value is no run.
    """
    place = _place(argument, value)
    if place is None or isinstance(place, Path):
        return place
    raise ConfigError(f"{argument}: {_CHECKPOINTS}")


def _place(argument: str, value: Any) -> Place | None:
    """The record of a run, in a folder or in memory.

    Raises:
        ConfigError: the value is no run that has one.
    """
    if value is None:
        return None
    if isinstance(value, Run):
        if value.directory is None and value.memory is None:
            raise ConfigError(f"{argument}: the run has not been trained (status {value.status})")
        return path_from_here(value.directory) if value.directory else value.memory
    if isinstance(value, str | os.PathLike):
        return Path(value)
    raise ConfigError(
        f"{argument}: expected a run or the folder of one, and not {type(value).__name__}"
    )
