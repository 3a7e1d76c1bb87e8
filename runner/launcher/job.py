"""One job of a sweep as Hydra's callbacks, logs and folders see it.

It is what Hydra's `run_job` does, in two halves with the training in between, since many jobs train
at once: `begin` makes the directory and writes `.hydra/`, `end` reports the result.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, _flush_loggers, configure_log, env_override
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from runner.errors import RecordError
from runner.launcher.composer import Composed
from runner.overrides import typed_words
from runner.resume import Found


class HydraJob:
    """A job of a sweep (see `runner.sweep.Job`).

    Args:
        composed: its config.
        context: Hydra's, with the callbacks.
        task: what Hydra's callbacks are told is run.
        sweep: the config of the sweep.
        found: what the directory of the sweep held before.
        once: keeps the terminal from saying the same thing for many jobs.
    """

    def __init__(
        self,
        composed: Composed,
        context: HydraContext,
        task: TaskFunction,
        sweep: DictConfig,
        found: Found,
        once: Once,
    ) -> None:
        self.experiment = composed.experiment
        self.config = composed.plain
        self.title = typed_words(composed.overrides)
        typed = (typed_words([word]).partition("=") for word in composed.overrides)
        self.settings = {key: value for key, _, value in typed if key}
        self.directory: Path | None = None
        self.summary: dict[str, Any] = {}
        self.error: BaseException | None = None
        self.returned = JobReturn(overrides=composed.overrides)
        self._composed = composed
        self._context, self._task, self._sweep = context, task, sweep
        self._found, self._once = found, once
        self._hydra: DictConfig | None = None

    def take_earlier(self) -> bool:
        """Take over the result of an earlier run of the same config, if there is one."""
        earlier = self._found.take(self.config)
        if earlier is None:
            return False
        self.directory, self.summary = earlier
        self._return(self.summary, None)
        return True

    def begin(self) -> Path:
        """Make the directory with `.hydra/`, and tell Hydra's callbacks."""
        if self.directory is not None:  # a second attempt, with fewer lanes
            return self.directory
        config = self._composed.config()
        HydraConfig.instance().set_config(config)
        wanted = Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)
        directory = self._found.free(wanted, self.config)
        with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
            config.hydra.runtime.output_dir = str(directory)
        self._hydra, self.directory = config, directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if config.hydra.output_subdir is not None:
                _write_configs(directory / config.hydra.output_subdir, config, self.config)
        except OSError as error:
            raise RecordError(f"{directory}: cannot be written: {error.strerror}") from error
        with self.at_work():
            self._context.callbacks.on_job_start(config=config, task_function=self._task)
        return directory

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Make the job's log, environment and `HydraConfig` the current ones."""
        if self._hydra is None:  # it failed before it had any
            yield
            return
        before = HydraConfig.instance().cfg
        HydraConfig.instance().set_config(self._hydra)
        configure_log(self._hydra.hydra.job_logging, self._hydra.hydra.verbose)
        for handler in logging.getLogger().handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(self._once)
        try:
            with env_override(self._hydra.hydra.job.env_set):
                yield
            _flush_loggers()
        finally:
            HydraConfig.instance().cfg = before
            configure_log(self._sweep.hydra.hydra_logging, self._sweep.hydra.verbose)

    def end(self, summary: dict[str, Any], error: BaseException | None) -> None:
        """Keep the result and tell Hydra's callbacks."""
        self.summary, self.error = summary, error
        self._return(summary, error)
        if self._hydra is None or isinstance(error, KeyboardInterrupt):
            return
        self.returned.cfg = OmegaConf.create(self.config)
        self.returned.hydra_cfg = OmegaConf.masked_copy(self._hydra, "hydra")
        with self.at_work():
            self._context.callbacks.on_job_end(config=self._hydra, job_return=self.returned)
        self._hydra = self.returned.hydra_cfg = None  # a thousand of them take half a gigabyte

    def _return(self, summary: dict[str, Any], error: BaseException | None) -> None:
        self.returned.working_dir = os.getcwd()  # noqa: PTH109 - a string, as Hydra has it
        self.returned.task_name = str(self._sweep.hydra.job.name)
        if error is not None:
            self.returned.status, self.returned.return_value = JobStatus.FAILED, error
            return
        best = summary.get("best", {}).get("validation_error")
        self.returned.status = JobStatus.COMPLETED
        self.returned.return_value = float("inf") if best is None else float(best)


class Once(logging.Filter):
    """Lets the same words through only once."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the words are new."""
        words = record.getMessage()
        is_new = words not in self._said
        self._said.add(words)
        return is_new


def _write_configs(directory: Path, config: DictConfig, plain: dict[str, Any]) -> None:
    """Write the three files of `.hydra/`, with the C library: they would take 20 ms otherwise."""
    directory.mkdir(exist_ok=True)
    hydra = OmegaConf.to_container(config.hydra, enum_to_str=True)
    overrides = OmegaConf.to_container(config.hydra.overrides.task)
    files = {"config": plain, "hydra": {"hydra": hydra}, "overrides": overrides}
    for name, content in files.items():
        text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
        (directory / f"{name}.yaml").write_text(text, encoding="utf-8")


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes YAML that OmegaConf reads back as it was: text like `1e3` is quoted."""


def _text(dumper: Any, text: str) -> Any:
    try:
        float(text)
        style = "'"
    except ValueError:
        style = None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
