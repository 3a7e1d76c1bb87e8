"""What a sweep's directory already holds, so that only what is missing is run.

A run is known by its resolved config, as its `summary.json` has it: a run with the same numbers is
the same run, whatever its place in the sweep and the name of its directory. Only runs that came to
their own end (`finished` or `diverged`) count. Anything else is half-written and run anew in its
place, and a directory that holds another run is never written into.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import chain, count
from pathlib import Path
from typing import Any

from runner import files
from runner.record.summary import finite, read_summary
from runner.status import COMPLETE


def fingerprint(config: Mapping[str, Any]) -> str:
    """The config as one line of text, the same for equal configs: `1` and `1.0` are equal."""
    return json.dumps(_plain(finite(config)), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Found:
    """The runs that were found below a directory."""

    def __init__(self, directory: Path) -> None:
        self._complete: dict[str, list[tuple[Path, dict[str, Any]]]] = {}
        self._halves: dict[str, list[Path]] = {}
        self._owners: dict[Path, str] = {}
        self._taken: set[Path] = set()
        for file in sorted(directory.rglob(files.SUMMARY)):
            summary = read_summary(file.parent)
            config = summary.get("config")
            name = fingerprint(config) if isinstance(config, dict) else ""
            place = file.parent.absolute()
            self._owners[place] = name
            if name and summary.get("status") in COMPLETE:
                self._complete.setdefault(name, []).append((file.parent, summary))
                self._taken.add(place)
            elif name:
                self._halves.setdefault(name, []).append(place)

    def take(self, config: Mapping[str, Any]) -> tuple[Path, dict[str, Any]] | None:
        """The directory and summary of a complete run with this config; each is given once."""
        there = self._complete.get(fingerprint(config))
        return there.pop(0) if there else None

    def free(self, wanted: Path, config: Mapping[str, Any]) -> Path:
        """Where a run may be recorded.

        Where it was half-written before, or `wanted`, or a name beside that if it is taken.
        """
        own = fingerprint(config)
        beside = (wanted.with_name(f"{wanted.name}-{number}") for number in count(2))
        for place in chain(self._halves.get(own, []), [wanted], beside):
            absolute = place.absolute()
            if absolute not in self._taken and self._owners.get(absolute, own) == own:
                break
        self._taken.add(absolute)
        return absolute
