"""What jobs with the same options have in common in Hydra's own config, resolved once.

OmegaConf takes 5 ms to set and resolve what differs between two jobs: their number, their overrides
and their directory. With the settings that everybody has, that is a few texts.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from runner.hydra_app import dot_hydra
from runner.hydra_app.job_environment import Handlers, JobEnvironment
from runner.hydra_app.overrides import readable_name

_SUBDIR = "${run_name:${hydra.job.num},${hydra.job.override_dirname}}"
"""The name of the directory of a job in `conf/config.yaml`."""

_DIRECTORY = "${hydra.runtime.output_dir}"
_SAME_FOR_ALL = {_DIRECTORY, "${hydra.job.name}"}
_TIME = re.compile(r"\$\{now:[^{}]*\}")  # of the start: Hydra resolves it once
_INTERPOLATION = re.compile(r"\$\{.*?\}")


class JobTemplate:
    """The part of Hydra's own config that concerns the process of a job.

    Args:
        config: of any of the jobs; its settings must be such that `can_be_used` is true.
    """

    def __init__(self, config: DictConfig) -> None:
        hydra = config.hydra
        self.sweep_directory = Path(str(hydra.sweep.dir))
        self.output_subdir: str | None = hydra.output_subdir
        self._own = dot_hydra.keys_of_a_job(config)
        self._name = str(hydra.job.name)
        self._logging: Any = OmegaConf.to_container(hydra.job_logging)
        self._verbose = hydra.verbose
        self._variables = dict(hydra.job.env_set)
        self._handlers = Handlers() if _only_files_differ(self._logging) else None

    @staticmethod
    def can_be_used(config: DictConfig) -> bool:
        """Whether nothing else in the settings differs between jobs."""
        unresolved: Any = OmegaConf.to_container(config.hydra)
        sweep, job = unresolved["sweep"], unresolved["job"]
        fixed = [unresolved["output_subdir"], unresolved["verbose"], job["env_set"]]
        return (
            sweep["subdir"] == _SUBDIR
            and all(map(_TIME.fullmatch, _interpolations(sweep["dir"])))
            and isinstance(unresolved["job_logging"], dict)
            and not any(map(_interpolations, [*fixed, job["name"]]))
            and set(_interpolations(unresolved["job_logging"])) <= _SAME_FOR_ALL
        )

    def subdir(self, number: int, override_dirname: str) -> str:
        """The name of the directory of a job."""
        return readable_name(number, override_dirname)

    def keys_of_a_job(
        self, number: int, task: list[str], override_dirname: str, directory: Path
    ) -> dict[str, Any]:
        """The keys that differ between jobs.

        Args:
            number: the number of the job in its sweep.
            task: its overrides.
            override_dirname: its overrides, as they are part of the name of its directory.
            directory: its directory.
        """
        job = {"id": str(number), "num": number, "override_dirname": override_dirname}
        return {
            "job": {**self._own["job"], **job},
            "overrides": {**self._own["overrides"], "task": task},
            "runtime": {**self._own["runtime"], "output_dir": str(directory)},
        }

    def environment(self, directory: Path) -> JobEnvironment:
        """The log and the environment variables of the job in a directory."""
        settings = self._filled_in(self._logging, str(directory))
        return JobEnvironment(settings, self._verbose, self._variables, self._handlers)

    def _filled_in(self, value: Any, directory: str) -> Any:
        if isinstance(value, dict):
            return {key: self._filled_in(item, directory) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled_in(item, directory) for item in value]
        if isinstance(value, str) and "${" in value:
            return value.replace(_DIRECTORY, directory).replace("${hydra.job.name}", self._name)
        return value


def _only_files_differ(settings: Any) -> bool:
    """Whether the logs of two jobs differ in nothing but the names of their files."""
    others: Any = copy.deepcopy(settings)
    for handler in others.get("handlers", {}).values():
        handler.pop("filename", None)
    return _DIRECTORY not in _interpolations(others)


def _interpolations(value: Any) -> list[str]:
    """All interpolations in a value."""
    if isinstance(value, dict):
        return [found for item in value.values() for found in _interpolations(item)]
    if isinstance(value, list):
        return [found for item in value for found in _interpolations(item)]
    return _INTERPOLATION.findall(value) if isinstance(value, str) else []
