"""How to run something again: the command line that its folder records."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from runner import files
from runner.compare.runs import Run


def command_of_run(run: Run) -> str:
    """The command that trains a run again; empty if its folder does not record it."""
    if run.directory is None:
        return ""
    recorded = _read(run.directory / ".hydra" / "overrides.yaml")
    return _command("runner", recorded) if isinstance(recorded, list) else ""


def commands_of_sweeps(runs: Iterable[Run]) -> dict[str, str]:
    """The command of each sweep that some runs belong to, by the name of its folder."""
    folders = dict.fromkeys(run.directory.parent for run in runs if run.directory is not None)
    found = {}
    for folder in folders:
        recorded = _read(folder / files.SWEEP_CONFIG)
        hydra = recorded.get("hydra") if isinstance(recorded, Mapping) else None
        overrides = hydra.get("overrides") if isinstance(hydra, Mapping) else None
        task = overrides.get("task") if isinstance(overrides, Mapping) else None
        if isinstance(task, list):
            found[folder.name] = _command("runner -m", task)
    return found


def _command(program: str, overrides: Iterable[Any]) -> str:
    return " ".join([program, *(shlex.quote(str(override)) for override in overrides)])


def _read(file: Path) -> Any:
    """The content of a YAML file; None where there is none, or none that can be read."""
    try:
        return yaml.load(file.read_text(encoding="utf-8"), _LOADER)
    except (OSError, ValueError, yaml.YAMLError):
        return None


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader in C, where PyYAML has it, which is ten times as fast."""
