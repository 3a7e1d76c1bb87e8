"""Runs as they are on disk, in any state, and runs of a sweep that have no record.

Reading changes nothing, executes nothing and trusts nothing: a run may still be written, have been
killed, or be no run at all. What cannot be read is left out and reported.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt

from runner import files
from runner.compare.notebook import run_in_html
from runner.compare.run_curves import WithCurves
from runner.compare.run_weights import WithWeights
from runner.config.keys import SEED, typed
from runner.errors import ConfigError
from runner.measures import ErrorKind
from runner.record.fingerprint import fingerprint
from runner.record.memory import Memory, Place
from runner.record.summary import best_metric, read_summary
from runner.status import COMPLETE, Status


class Run(WithCurves, WithWeights):
    """One run: its config, its summary, and its curves, which are read when they are asked for.

    Args:
        place: the folder of its record, or its record in memory; None if it has none.
        summary: the content of its `summary.json`; empty if it has none.
        config: the resolved config; by default the one in the summary.
        overrides: the overrides that a sweep gave it, as typed; empty if not known.

    Attributes:
        directory: the folder of its record; None if it is in memory or has none.
        memory: its record in memory; None if it is in a folder or has none.
    """

    def __init__(
        self,
        place: Place | None,
        summary: Mapping[str, Any],
        config: Mapping[str, Any] | None = None,
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = place if isinstance(place, Path) else None
        self.memory = place if isinstance(place, Memory) else None
        self.summary = summary
        self.config: Mapping[str, Any] = summary.get("config", {}) if config is None else config
        self.overrides: Mapping[str, str] = overrides or {}
        self.cache: dict[Any, Any] = {}
        """Results computed from the curves (see `runner.compare.curve_summary`)."""
        self._epochs: npt.NDArray | None = None

    @functools.cached_property
    def settings(self) -> dict[str, Any]:
        """The config as a flat dictionary, with keys as they are typed: `optimizer.b1`.

        `from` is the folder of the run from whose weights this one was started.
        """
        return typed(self.config) | ({"from": self._origin} if self._origin else {})

    @property
    def _origin(self) -> str | None:
        """The folder of the run from whose weights this one was started."""
        origin = self.summary.get("started_from")
        return str(origin.get("folder")) if isinstance(origin, Mapping) else None

    def ended(self, place: Place | None, summary: Mapping[str, Any]) -> Run:
        """The same run when it has a record.

        Args:
            place: the folder of the record.
            summary: the content of its `summary.json`.
        """
        run = Run(place, summary, self.config, self.overrides)
        if run._origin == self._origin:
            run.settings = self.settings
        return run

    @property
    def identity(self) -> Hashable:
        """Equal for runs that are the same one: a copy, or a repetition to the bit."""
        origin = self.summary.get("started_from")
        return self.seed, fingerprint(self.config), json.dumps(origin, sort_keys=True)

    @property
    def status(self) -> str:
        """One of `runner.status.Status`; `not run` if there is no record."""
        return str(self.summary.get("status", Status.NOT_RUN))

    @property
    def seed(self) -> int:
        """The seed of all random numbers of the run."""
        return int(self.summary.get(SEED, self.config.get(SEED, 0)))

    @property
    def error_kind(self) -> str:
        """One of `runner.measures.ErrorKind`: what the errors of the run are."""
        return str(self.summary.get("error", ErrorKind.RATE))

    def __repr__(self) -> str:
        where = f" in {self.directory}" if self.directory else ""
        return f"<run{where}: {self.status}>"

    def _repr_html_(self) -> str:
        return run_in_html(self.summary, self.directory)

    @property
    def metric(self) -> float | None:
        """The least `METRIC` (the validation error) over the evaluations; None if there is none."""
        return best_metric(self.summary)


class Found(NamedTuple):
    """The runs below some folders.

    Attributes:
        runs: the runs.
        left_out: lines that say what was left out and why.
        left_out_folders: how many folders that is.
    """

    runs: list[Run]
    left_out: list[str]
    left_out_folders: int


def find(paths: Iterable[Path]) -> Found:
    """Find the runs in some folders and below them.

    Of runs with the same config and seed one is kept, a complete one if there is one: a copy, or
    the same run again, is no repetition, and intervals over seeds must not count it as one. Runs
    that confirm a sweep (see `runner.files.confirms`) are left out unless their own folder is
    given: they would give more seeds to the settings that were chosen.

    Args:
        paths: the folders.

    Returns:
        The runs, sorted by the names of their folders with numbers by size (`2_a` before `10_a`).

    Raises:
        ConfigError: a folder does not exist, or there is no run in any of them.
    """
    places: dict[Path, None] = {}
    confirming: dict[Path, None] = {}
    for path in paths:
        for directory in run_folders(path):
            if files.confirms(directory / files.SUMMARY, path):
                confirming.setdefault(directory.parent)
            else:
                places.setdefault(directory)
    left_out = [
        f"{folder}: runs on fresh seeds of what a sweep tuned; name the folder to compare them"
        for folder in confirming
        if not any(place.parent == folder for place in places)
    ]
    read = {directory: read_run(directory) for directory in places}
    left_out += [
        f"{directory}: {files.SUMMARY} is not the summary of a run"
        for directory, run in read.items()
        if run is None
    ]
    kept, copies = _without_copies([run for run in read.values() if run is not None])
    if not kept:
        where = ", ".join(map(str, paths))
        raise ConfigError(f"{where}: there is no run in it (a run has a {files.SUMMARY})")
    folders = len(left_out) + len(copies)
    return Found(kept, [*left_out, *_lines_about(copies)], folders)


def _without_copies(runs: Iterable[Run]) -> tuple[list[Run], list[tuple[Run, Run]]]:
    """Of runs with the same config and seed one, if possible a complete one; the others with it."""
    kept: dict[Any, Run] = {}
    copies = []
    for run in runs:
        identity = run.identity
        first = kept.setdefault(identity, run)
        if first is run:
            continue
        if run.status in COMPLETE and first.status not in COMPLETE:
            kept[identity], run, first = run, first, run
        copies.append((run, first))
    return list(kept.values()), copies


def _lines_about(copies: Iterable[tuple[Run, Run]]) -> list[str]:
    """A line for each run that is left out, or one for all in a folder that repeat another one."""
    by_place: dict[Any, list[tuple[Run, Run]]] = {}
    for run, kept in copies:
        assert run.directory is not None
        assert kept.directory is not None
        folders = run.directory.parent, kept.directory.parent
        own = run.directory if folders[0] == folders[1] else None
        is_copy = run.summary.get("started", run) == kept.summary.get("started", kept)
        by_place.setdefault((*folders, is_copy, own), []).append((run, kept))
    lines = []
    for (folder, other, is_copy, _), ((run, kept), *more) in by_place.items():
        if more:
            what = "copies of" if is_copy else "runs with the same config and seed as"
            lines.append(f"{folder}: {1 + len(more)} {what} those in {other}")
        else:
            same = "a copy of" if is_copy else "the same config and seed as"
            lines.append(f"{run.directory}: {same} {kept.directory}")
    return lines


def run_folders(path: Path) -> list[Path]:
    """The folders of runs: `path` and those below it that have a summary, numbers by size.

    Raises:
        ConfigError: there is no such folder.
    """
    if not path.is_dir():
        raise ConfigError(f"{path}: there is no such folder")
    return [file.parent for file in sorted(path.rglob(files.SUMMARY), key=_natural)]


def read_run(directory: Path) -> Run | None:
    """The run that is recorded in a folder; None if what its summary says is not that of a run."""
    summary = read_summary(directory)
    return Run(directory, summary) if summary else None


def _natural(file: Path) -> list[tuple[int, int | str]]:
    """A sort key that puts `2_a` before `10_a`."""
    pieces = re.split(r"(\d+)", str(file))
    return [(0, int(piece)) if piece.isdigit() else (1, piece) for piece in pieces]
