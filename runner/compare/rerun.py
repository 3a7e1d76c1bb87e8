"""How to run something again: the command line that its folder records."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from runner import files
from runner.compare.runs import Run

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
        folder.name: command("runner -m", overrides)
        for folder in sweep_folders(runs)
        if (overrides := sweep_overrides(folder)) is not None
    }


def settings_of_sweep(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """How the sweep in a folder was computed, and what its figure shows, as values by key.

    Both are empty where they are not recorded.
    """
    record = _read(folder / files.SWEEP_CONFIG)
    own = record.get("hydra") if isinstance(record, dict) else None
    hydra = own if isinstance(own, dict) else {}
    launcher, sweeper = hydra.get("launcher"), hydra.get("sweeper")
    figure = sweeper.get("figure") if isinstance(sweeper, dict) else None
    return (
        launcher if isinstance(launcher, dict) else {},
        figure if isinstance(figure, dict) else {},
    )


def sweep_folders(runs: Iterable[Run]) -> list[Path]:
    """The folders of the sweeps that some runs may belong to."""
    return list(dict.fromkeys(run.directory.parent for run in runs if run.directory is not None))


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


def quoted_path(path: Path) -> str:
    """A path as the value of an override; Hydra's grammar refuses `=` and `,` without quotes."""
    return str(path) if re.fullmatch(r"[\w./:+-]+", str(path)) else f'"{path}"'


def _as_typed(overrides: Iterable[Any]) -> list[str]:
    return [_NUMBERED_OPTION.sub(r"\1", _SHORT.sub("", str(word))) for word in overrides]


def _read(file: Path) -> Any:
    """The content of a YAML file; None where there is none, or none that can be read."""
    try:
        return yaml.load(file.read_text(encoding="utf-8"), _LOADER)
    except (OSError, ValueError, yaml.YAMLError):
        return None


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader in C, where PyYAML has it, which is ten times as fast."""
