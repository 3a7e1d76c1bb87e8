"""One job of a sweep, with Hydra's callbacks, logs and folders.

It does what Hydra's `run_job` does, in two halves with the training in between, since many jobs
train at once: the directory is created when the job is first `at_work`, its result is reported at
its `end`.
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

from runner.compare.runs import Run
from runner.errors import RecordError
from runner.execution.resume import EarlierRuns
from runner.hydra_app import dot_hydra
from runner.hydra_app.composer import Composed
from runner.hydra_app.overrides import typed_words, zero_padded
from runner.record.summary import minimized


class HydraJob:
    """A job of a sweep (see `runner.execution.sweep.Job`).

    Args:
        composed: its config.
        context: Hydra's context, with the callbacks.
        task: the task function, for Hydra's callbacks.
        sweep: the config of the sweep.
        earlier: what the directory of the sweep held before.
        once: lets the terminal show a message of many jobs only once.

    Attributes:
        overrides: its overrides by key, as typed.
        directory: where its record is; None before there is one.
        summary: how it ended; empty before.
        error: why it failed or was interrupted, if so.
        returned: its result for Hydra.
    """

    def __init__(
        self,
        composed: Composed,
        context: HydraContext,
        task: TaskFunction,
        sweep: DictConfig,
        earlier: EarlierRuns,
        once: OncePerMessage,
    ) -> None:
        self.experiment = composed.experiment
        self.config = composed.plain
        self.title = typed_words(composed.overrides)
        typed = (typed_words([word]).partition("=") for word in composed.overrides)
        self.overrides = {key: value for key, _, value in typed if key}
        self.directory: Path | None = None
        self.summary: dict[str, Any] = {}
        self.error: BaseException | None = None
        self.returned = JobReturn(overrides=composed.overrides)
        self._composed = composed
        self._context, self._task, self._sweep = context, task, sweep
        self._earlier, self._once = earlier, once
        self._swept: dict[str, str] = {}
        self._digits = 1
        self._config: DictConfig | None = None
        self._environment: JobEnvironment | None = None
        self._is_at_work = False

    @property
    def run(self) -> Run:
        """The job as a run, whatever its state."""
        return Run(self.directory, self.summary, self.config, self.overrides)

    def name_by(self, keys: Collection[str], digits: int) -> None:
        """Choose what the title and the name of the directory say.

        Args:
            keys: the overrides that they name: those in which the jobs of the sweep differ.
            digits: the number in the name of the directory has as many.
        """
        self._digits = digits
        self._swept = {key: value for key, value in self.overrides.items() if key in keys}
        self.title = " ".join(map("=".join, self._swept.items())) or self.title

    def take_earlier(self) -> bool:
        """Take over the result of an earlier run of the same config; False if there is none."""
        earlier = self._earlier.take_complete(self.config)
        if earlier is None:
            return False
        self.directory, self.summary = earlier
        self._return(self.summary, None)
        return True

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Create the directory of the job, and make its log and environment variables current."""
        if self._is_at_work:
            yield
            return
        if self._environment is None:
            self._environment = self._set_up()
        self._is_at_work = True
        try:
            with self._environment.entered(self._once):
                yield
        finally:
            self._is_at_work = False

    def _set_up(self) -> JobEnvironment:
        """Create the directory, write `.hydra/` and tell Hydra's callbacks.

        Raises:
            RecordError: the directory cannot be written.
        """
        callbacks = self._context.callbacks
        config = self._composed.config(shared=not callbacks.callbacks)
        if self._swept:
            with open_dict(config):
                config.hydra.job.override_dirname = ",".join(map("=".join, self._swept.items()))
        with _hydra_config(config):
            name = zero_padded(str(config.hydra.sweep.subdir), self._composed.number, self._digits)
            wanted = Path(str(config.hydra.sweep.dir)) / name
            directory = self.directory = self._earlier.take_place(wanted, self.config)
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
            environment = JobEnvironment.of(config)
            if callbacks.callbacks:
                self._config = config
                with environment.entered(self._once):
                    callbacks.on_job_start(config=config, task_function=self._task)
        return environment

    def end(self, summary: dict[str, Any], error: BaseException | None) -> None:
        """Keep the result and tell Hydra's callbacks.

        Args:
            summary: how the run ended.
            error: why it failed or was interrupted, if so.
        """
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


class OncePerMessage(logging.Filter):
    """Lets each message through only once."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the message is new."""
        message = record.getMessage()
        is_new = message not in self._seen
        self._seen.add(message)
        return is_new


class JobEnvironment(NamedTuple):
    """What is global to the process while it works for one job.

    Attributes:
        logging: the configuration of the log; None if Hydra configures none.
        verbose: which loggers log everything, as Hydra has it.
        environment: environment variables.
    """

    logging: dict[str, Any] | None
    verbose: Any
    environment: dict[str, str]

    @classmethod
    def of(cls, config: DictConfig) -> JobEnvironment:
        """Read it from the config of a job."""
        settings = config.hydra.job_logging
        plain: Any = settings and OmegaConf.to_container(settings, resolve=True)
        return cls(
            plain if plain and plain.get("root") else None,
            config.hydra.verbose,
            dict(config.hydra.job.env_set),
        )

    @contextlib.contextmanager
    def entered(self, once: OncePerMessage) -> Iterator[None]:
        """Make it current, and restore the log at the end."""
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
                with contextlib.suppress(OSError):  # a full disk
                    handler.close()
            root.handlers = handlers
            root.setLevel(level)


@contextlib.contextmanager
def _hydra_config(config: DictConfig) -> Iterator[None]:
    """Make a config current for `${hydra:...}` and `HydraConfig.get()`."""
    singleton = HydraConfig.instance()
    before = singleton.cfg
    singleton.cfg = config  # type: ignore[assignment]  # as Hydra itself does
    try:
        yield
    finally:
        singleton.cfg = before
