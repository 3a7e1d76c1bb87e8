"""How to run something again: the command line that its folder records."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from runner import files
from runner.compare.runs import Run
from runner.config.locations import source_flags
from runner.record.foreign import read_yaml

_SHORT = re.compile(r"^hydra\.(sweeper\.(?=figure\.)|launcher\.)")
"""What Hydra's names of the settings of a sweep have before the names that are typed."""

_OF_ITS_PLACE = re.compile(r"hydra\.(mode|sweep\.dir)=")
_NUMBERED_OPTION = re.compile(r"'(\d+)'")


def command_of_run(run: Run) -> str:
    """The command that trains a run; empty if its folder does not record it.

    Of a run alone it is what was typed; that of a run in a sweep is made from its overrides.
    """
    if run.directory is None:
        return ""
    program, *words = _words(run.summary.get("command")) or [""]
    if program == "runner" and not (run.directory.parent / files.SWEEP_CONFIG).exists():
        return command("runner", words)
    overrides = overrides_of_run(run.directory)
    return "" if overrides is None else command("runner", _as_typed(overrides))


def _words(line: Any) -> list[str]:
    """The words of a recorded command, which are quoted again: a record is not trusted."""
    try:
        return shlex.split(line) if isinstance(line, str) else []
    except ValueError:
        return []


def overrides_of_run(directory: Path) -> list[str] | None:
    """The overrides of the run in a folder, as Hydra reads them; None if they are not recorded."""
    recorded = _read(directory / ".hydra" / "overrides.yaml")
    return [str(word) for word in recorded] if isinstance(recorded, list) else None


def commands_of_sweeps(runs: Iterable[Run]) -> dict[str, str]:
    """The command of each sweep that some runs belong to, by the name of its folder."""
    return {
        folder.name: command("runner -m", [*flags_of(run), *overrides])
        for folder, run in sweep_folders(runs).items()
        if (overrides := sweep_overrides(folder)) is not None
    }


def settings_of_sweep(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """How the sweep in a folder was computed, and what its figure shows, as values by key.

    Both are empty where they are not recorded.
    """
    return _part(folder, "launcher"), _part(folder, "sweeper", "figure")


def keys_of_cases(folder: Path) -> set[str]:
    """The keys that the cases of the sweep in a folder set, unless the command line set them."""
    cases = _part(folder, "sweeper").get("cases")
    words = [word for case in cases if isinstance(case, list) for word in case] if cases else []
    typed = {_key(word) for word in sweep_overrides(folder) or ()}
    return {_key(word) for word in map(str, words)} - typed


def flags_of(run: Run) -> list[str]:
    """The flags that a run was started with and that say where its config came from."""
    flags = source_flags(_words(run.summary.get("command")))
    return [word for flag in flags for word in flag.words]


def _part(folder: Path, *path: str) -> dict[str, Any]:
    """A part of Hydra's own config of the sweep in a folder; empty where it is not recorded."""
    node = _read(folder / files.SWEEP_CONFIG)
    for key in ("hydra", *path):
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}


def sweep_folders(runs: Iterable[Run]) -> dict[Path, Run]:
    """The folders of the sweeps that some runs may belong to, each with one of the runs."""
    return {run.directory.parent: run for run in runs if run.directory is not None}


def sweep_overrides(folder: Path) -> list[str] | None:
    """The overrides of the sweep in a folder as typed, without the folder; None if not recorded."""
    try:
        overrides = _read(folder / files.SWEEP_CONFIG)["hydra"]["overrides"]
        words = [*overrides["task"], *overrides.get("hydra", [])]
    except (KeyError, TypeError, AttributeError):
        return None
    return _as_typed(word for word in words if not _OF_ITS_PLACE.match(str(word)))


def command(program: str, overrides: Iterable[str]) -> str:
    """A command line, quoted for the shell."""
    return " ".join([program, *map(shlex.quote, overrides)])


def _key(override: str) -> str:
    """The key or the group that an override sets."""
    return override.lstrip("+").partition("=")[0]


def _as_typed(overrides: Iterable[Any]) -> list[str]:
    return [_NUMBERED_OPTION.sub(r"\1", _SHORT.sub("", str(word))) for word in overrides]


def _read(file: Path) -> Any:
    """The content of a YAML file; None where there is none, or none that can be read."""
    try:
        return read_yaml(file)
    except (OSError, ValueError):
        return None
