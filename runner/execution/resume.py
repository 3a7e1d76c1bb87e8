"""The runs that a sweep's directory already holds, so that only what is missing is trained.

A run is identified by its resolved config and by what it was started from, as its `summary.json`
has them: a run with the same numbers is the same run, whatever its place in the sweep and the name
of its directory. Only runs that trained to their own end (`finished`, `stopped` or `diverged`)
count. Any other record is incomplete: its run goes on from its checkpoint in the same directory, or
is repeated there. The directory of one run is never used for another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import chain, count
from pathlib import Path
from typing import Any

from runner import files
from runner.errors import ConfigError
from runner.record.fingerprint import fingerprint
from runner.record.summary import read_summary
from runner.status import COMPLETE, Status


def finished_before(
    directory: Path, config: Mapping[str, Any], started_from: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """The summary of a run that has nothing left to do.

    Args:
        directory: the folder that the user chose for a run.
        config: its resolved config.
        started_from: what it starts from, if from another run.

    Returns:
        The summary; None if there is a run to do: the folder has none, one that failed, or the same
        one, incomplete.

    Raises:
        ConfigError: the folder has another run, which would be lost.
    """
    summary = read_summary(directory)
    if not summary or summary.get("status") == Status.FAILED:
        return None
    own = summary.get("config")
    here = identity(config, started_from)
    if not isinstance(own, dict) or identity(own, summary.get("started_from")) != here:
        raise ConfigError(
            f"{directory}: has the record of another run ({summary.get('status')}); "
            "name another folder, or replace it with overwrite=true"
        )
    return summary if summary.get("status") in COMPLETE else None


def identity(config: Mapping[str, Any], started_from: Any = None) -> str:
    """A text that is the same for runs that are the same one: of equal config and start.

    Args:
        config: the resolved config of a run.
        started_from: what its summary says that it was started from, if from another run.
    """
    start = json.dumps(started_from, sort_keys=True) if started_from else ""
    return fingerprint(config) + start


class EarlierRuns:
    """The runs that are recorded below a directory, and the places for new ones.

    Args:
        directory: the folder; it need not exist.
        overwrite: whether complete runs are to be repeated, too.
    """

    def __init__(self, directory: Path, *, overwrite: bool = False) -> None:
        self._complete: dict[str, list[tuple[Path, dict[str, Any]]]] = {}
        self._incomplete: dict[str, list[Path]] = {}
        self._owners: dict[Path, str] = {}
        self._taken: set[Path] = set()
        for file in sorted(directory.rglob(files.SUMMARY)):
            if files.confirms(file, directory):
                continue
            summary = read_summary(file.parent)
            config = summary.get("config")
            origin = summary.get("started_from")
            name = identity(config, origin) if isinstance(config, dict) else ""
            place = file.parent.absolute()
            self._owners[place] = name
            if name and summary.get("status") in COMPLETE and not overwrite:
                self._complete.setdefault(name, []).append((file.parent, summary))
                self._taken.add(place)
            elif name:
                self._incomplete.setdefault(name, []).append(place)

    def take_complete(
        self, config: Mapping[str, Any], started_from: Mapping[str, Any] | None = None
    ) -> tuple[Path, dict[str, Any]] | None:
        """The directory and summary of a complete run with this config; each is given once."""
        found = self._complete and self._complete.get(identity(config, started_from))
        return found.pop(0) if found else None

    def take_incomplete(
        self, config: Mapping[str, Any], started_from: Mapping[str, Any] | None = None
    ) -> Path | None:
        """The directory of an incomplete record of a run with this config; each is given once."""
        if not self._incomplete:
            return None
        for place in self._incomplete.get(identity(config, started_from), []):
            if place not in self._taken:
                self._taken.add(place)
                return place
        return None

    def take_place(
        self,
        wanted: Path,
        config: Mapping[str, Any],
        started_from: Mapping[str, Any] | None = None,
    ) -> Path:
        """Choose the directory for the record of a run; each is given once.

        Args:
            wanted: the directory that its sweep would give it.
            config: its resolved config.
            started_from: what it starts from, if from another run.

        Returns:
            The directory of an incomplete record of the run, else `wanted` or, if that belongs to
            another run, the same name with a number. The path is absolute.
        """
        own = identity(config, started_from) if self._owners else ""
        numbered = (wanted.with_name(f"{wanted.name}-{number}") for number in count(2))
        for place in chain(self._incomplete.get(own, []), [wanted], numbered):
            absolute = place.absolute()
            if absolute not in self._taken and self._owners.get(absolute, own) == own:
                break
        self._taken.add(absolute)
        return absolute
