"""Runs as they lie on the disk, whatever state they are in.

Reading changes nothing, executes nothing and trusts nothing: a run may still be written, have been
killed, or be no run at all. What cannot be read is left out and said.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from runner import files
from runner.engine.chunk import EPOCH_DTYPE, PATH_DTYPE, STEP_DTYPE
from runner.errors import ConfigError
from runner.record.curves import read_curve
from runner.record.summary import read_summary


class Run:
    """One run: its summary, and its curves when they are asked for.

    Args:
        directory: where it was recorded.
        summary: what its `summary.json` says.
    """

    def __init__(self, directory: Path, summary: Mapping[str, Any]) -> None:
        self.directory = directory
        self.summary = summary
        self.readings: dict[Any, Any] = {}
        """What was read off its curves before, which is of one moment as they are."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The resolved config."""
        return self.summary["config"]

    @property
    def status(self) -> str:
        """`running`, `finished`, `diverged`, `interrupted` or `failed`."""
        return str(self.summary["status"])

    @property
    def seed(self) -> int:
        """The seed of all its random numbers."""
        return int(self.summary["seed"])

    @property
    def steps(self) -> npt.NDArray:
        """A row a step (see `runner.engine.chunk`); none if there is no curve.

        Mapped anew each time and not kept, so that long runs, however many, need no memory.
        """
        return _curve(self.directory / files.STEPS, STEP_DTYPE)

    @functools.cached_property
    def epochs(self) -> npt.NDArray:
        """A row an evaluation."""
        return _curve(self.directory / files.EPOCHS, EPOCH_DTYPE)

    @functools.cached_property
    def path(self) -> npt.NDArray:
        """The point (x, y) after each step; none where the parameters are no point of the plane."""
        return _curve(self.directory / files.PATH, PATH_DTYPE)


def _curve(file: Path, expected: np.dtype) -> npt.NDArray:
    """A curve, if it is one and has the columns that it should have."""
    try:
        # A plain array on the same memory: every slice of a `memmap` costs ten times as much.
        rows = np.asarray(read_curve(file))
    except (OSError, ValueError, EOFError):
        return np.zeros(0, expected)
    names = rows.dtype.names or ()
    return rows if set(expected.names or ()) <= set(names) else np.zeros(0, expected)


class Found(NamedTuple):
    """The runs below some folders, and what was left out: the folder, and why."""

    runs: list[Run]
    left_out: list[str]


def find(paths: Iterable[Path]) -> Found:
    """The runs in some folders and everywhere below them, in the order of their names.

    Raises:
        ConfigError: a folder is not there, or there is no run in any of them.
    """
    places: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            raise ConfigError(f"{path}: there is no such folder")
        for file in sorted(path.rglob(files.SUMMARY), key=_natural):
            places.setdefault(file.parent)
    runs, left_out = [], []
    for directory in places:
        summary = read_summary(directory)
        if _is_ours(summary):
            runs.append(Run(directory, summary))
        else:
            left_out.append(f"{directory}: {files.SUMMARY} is not that of a run")
    if not runs:
        where = ", ".join(map(str, paths))
        raise ConfigError(f"{where}: there is no run in it (a run has a {files.SUMMARY})")
    return Found(runs, left_out)


_NUMBERS = ("total_steps", "total_epochs", "train_examples", "steps", "epochs", "seconds")


def _is_ours(summary: Mapping[str, Any]) -> bool:
    return (
        isinstance(summary.get("config"), dict)
        and isinstance(summary.get("status"), str)
        and isinstance(summary.get("seed"), int)
        and all(isinstance(summary.get(key, 0), int | float | None) for key in _NUMBERS)
    )


def _natural(file: Path) -> list[tuple[int, int | str]]:
    """Sorts `2_a` before `10_a`."""
    pieces = re.split(r"(\d+)", str(file))
    return [(0, int(piece)) if piece.isdigit() else (1, piece) for piece in pieces]
