"""One job of a sweep as Hydra's callbacks, logs and folders see it.

It is what Hydra's `run_job` does, in two halves with the training in between, since many jobs train
at once: the directory is made when the job first is `at_work`, its result is reported at its `end`.
"""

from __future__ import annotations

import contextlib
import logging
import logging.config
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, configure_log, env_override
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from runner.config.overrides import filled_up, typed_words
from runner.errors import RecordError
from runner.execution.resume import Found
from runner.hydra_app import dot_hydra
from runner.hydra_app.composer import Composed
from runner.record.summary import minimized


class HydraJob:
    """A job of a sweep (see `runner.execution.sweep.Job`).

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
        self.swept: dict[str, str] = {}
        self.digits = 1
        self.directory: Path | None = None
        self.summary: dict[str, Any] = {}
        self.error: BaseException | None = None
        self.returned = JobReturn(overrides=composed.overrides)
        self._composed = composed
        self._context, self._task, self._sweep = context, task, sweep
        self._found, self._once = found, once
        self._config: DictConfig | None = None
        self._surroundings: Surroundings | None = None
        self._is_at_work = False

    def name_by(self, keys: Collection[str], digits: int) -> None:
        """Leave out of title and directory what is the same for all jobs; fill up the number."""
        self.digits = digits
        self.swept = {key: value for key, value in self.settings.items() if key in keys}
        self.title = " ".join(map("=".join, self.swept.items())) or self.title

    def take_earlier(self) -> bool:
        """Take over the result of an earlier run of the same config, if there is one."""
        earlier = self._found.take(self.config)
        if earlier is None:
            return False
        self.directory, self.summary = earlier
        self._return(self.summary, None)
        return True

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Make the job's directory, and its log and environment the current ones."""
        if self._is_at_work:
            yield
            return
        if self._surroundings is None:
            self._surroundings = self._set_up()
        self._is_at_work = True
        try:
            with self._surroundings.entered(self._once):
                yield
        finally:
            self._is_at_work = False

    def _set_up(self) -> Surroundings:
        """Make the directory, write `.hydra/` and tell Hydra's callbacks."""
        callbacks = self._context.callbacks
        config = self._composed.config(shared=not callbacks.callbacks)
        if self.swept:
            with open_dict(config):
                config.hydra.job.override_dirname = ",".join(map("=".join, self.swept.items()))
        with _hydra_config(config):
            name = filled_up(str(config.hydra.sweep.subdir), self._composed.number, self.digits)
            wanted = Path(str(config.hydra.sweep.dir)) / name
            directory = self.directory = self._found.free(wanted, self.config)
            with open_dict(config.hydra.runtime):
                config.hydra.runtime.output_dir = str(directory)
            try:
                directory.mkdir(parents=True, exist_ok=True)
                if config.hydra.output_subdir is not None:
                    dot_hydra.write(
                        directory / config.hydra.output_subdir,
                        config,
                        self.config,
                        self._composed.base.hydra_text,
                    )
            except OSError as error:
                raise RecordError(f"{directory}: cannot be written: {error.strerror}") from error
            surroundings = Surroundings.of(config)
            if callbacks.callbacks:
                self._config = config
                with surroundings.entered(self._once):
                    callbacks.on_job_start(config=config, task_function=self._task)
        return surroundings

    def end(self, summary: dict[str, Any], error: BaseException | None) -> None:
        """Keep the result and tell Hydra's callbacks."""
        self.summary, self.error = summary, error
        self._return(summary, error)
        if self._config is not None and not isinstance(error, KeyboardInterrupt):
            self.returned.cfg = OmegaConf.create(self.config)
            self.returned.hydra_cfg = OmegaConf.masked_copy(self._config, "hydra")
            with self.at_work(), _hydra_config(self._config):
                self._context.callbacks.on_job_end(config=self._config, job_return=self.returned)
            self.returned.hydra_cfg = None  # a thousand of them take half a gigabyte
        self._config = None

    def _return(self, summary: dict[str, Any], error: BaseException | None) -> None:
        self.returned.working_dir = os.getcwd()  # noqa: PTH109 - a string, as Hydra has it
        self.returned.task_name = str(self._sweep.hydra.job.name)
        if error is not None:
            self.returned.status, self.returned.return_value = JobStatus.FAILED, error
            return
        self.returned.status = JobStatus.COMPLETED
        self.returned.return_value = minimized(summary)


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


class Surroundings(NamedTuple):
    """What is global while something is done for one job: its log, and variables of its own."""

    logging: dict[str, Any] | None
    verbose: Any
    environment: dict[str, str]

    @classmethod
    def of(cls, config: DictConfig) -> Surroundings:
        """Those of a job's config."""
        settings = config.hydra.job_logging
        plain: Any = settings and OmegaConf.to_container(settings, resolve=True)
        return cls(
            plain if plain and plain.get("root") else None,
            config.hydra.verbose,
            dict(config.hydra.job.env_set),
        )

    @contextlib.contextmanager
    def entered(self, once: Once) -> Iterator[None]:
        """Make them the current ones, and put the log back as it was in the end."""
        root = logging.getLogger()
        handlers, level = root.handlers, root.level
        root.handlers = []
        try:
            if self.logging is not None:
                logging.config.dictConfig(self.logging)
                configure_log(OmegaConf.create({"root": None}), self.verbose)
            for handler in root.handlers:
                if not isinstance(handler, logging.FileHandler):
                    handler.addFilter(once)
            with env_override(self.environment):
                yield
        finally:
            for handler in root.handlers:
                handler.close()
            root.handlers = handlers
            root.setLevel(level)


@contextlib.contextmanager
def _hydra_config(config: DictConfig) -> Iterator[None]:
    """Make a config the one that `${hydra:...}` and `HydraConfig.get()` see."""
    singleton = HydraConfig.instance()
    before = singleton.cfg
    singleton.cfg = config  # type: ignore[assignment]  # as Hydra itself has it
    try:
        yield
    finally:
        singleton.cfg = before
