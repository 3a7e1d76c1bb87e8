"""One job of a sweep, with Hydra's callbacks, logs and folders.

It does what Hydra's `run_job` does, in two halves with the training in between, since many jobs
train at once: the directory is created when the job is first `at_work`, its result is reported at
its `end`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from runner.compare.runs import Run
from runner.errors import RecordError
from runner.execution.resume import EarlierRuns
from runner.hydra_app import dot_hydra
from runner.hydra_app.composer import Composed
from runner.hydra_app.job_environment import JobEnvironment, OncePerMessage
from runner.hydra_app.overrides import typed_words, zero_padded
from runner.record.checkpoints import RecordedCheckpoint, find_checkpoint
from runner.record.summary import minimized

if TYPE_CHECKING:
    from runner.execution.starting import Start


class RunReturn(JobReturn):
    """The result of a job for Hydra, with its run."""

    run: Run | None = None


class HydraJob:
    """A job of a sweep (see `runner.execution.lane.Job`).

    Args:
        composed: its config.
        context: Hydra's context, with the callbacks.
        task: the task function, for Hydra's callbacks.
        sweep: the config of the sweep.
        earlier: what the directory of the sweep held before.
        once: lets the terminal show a message of many jobs only once.
        start: what it starts from, if from another run.

    Attributes:
        overrides: its overrides by key, as typed.
        directory: where its record is; None before there is one.
        earlier: the checkpoint from which it goes on; None: it starts.
        start: what it starts from, if from another run.
        run: the job as a run, whatever its state.
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
        start: Start | None = None,
    ) -> None:
        self.experiment = composed.experiment
        self.config = composed.plain
        self.title = typed_words(composed.overrides) or str(composed.place or "")
        typed = (typed_words([word]).partition("=") for word in composed.overrides)
        self.overrides = {key: value for key, _, value in typed if key}
        self.directory: Path | None = None
        self.earlier: RecordedCheckpoint | None = None
        self.start = start
        self._origin = start.facts if start else None
        self._incomplete: Path | None = None
        self.run = Run(None, {}, self.config, self.overrides)
        self.error: BaseException | None = None
        self.returned = RunReturn(overrides=composed.overrides)
        self._composed = composed
        self._context, self._task, self._sweep = context, task, sweep
        self._earlier, self._once = earlier, once
        self._swept: dict[str, str] = {}
        self._digits = 1
        self._config: DictConfig | None = None
        self._environment: JobEnvironment | None = None
        self._is_at_work = False

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
        earlier = self._earlier.take_complete(self.config, self._origin)
        if earlier is None:
            return False
        self.directory, summary = earlier
        self._return(summary, None)
        return True

    def take_checkpoint(self) -> list[str]:
        """Go on where an incomplete run of the same config has a checkpoint.

        Returns:
            A line for each checkpoint that cannot be used.
        """
        self._incomplete = self._earlier.take_incomplete(self.config, self._origin)
        if self._incomplete is None:
            return []
        total = self.experiment.total_steps
        self.earlier, refused = find_checkpoint(self._incomplete, self.config, before=total)
        return refused

    @property
    def starts_again(self) -> bool:
        """Whether there is an incomplete run of the same config that has no usable checkpoint."""
        return self._incomplete is not None and self.earlier is None

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
        template, number = self._composed.base.template, self._composed.number
        if template is None or self._context.callbacks.callbacks:
            return self._set_up_by_hydra()
        dirname = self._swept_words() or self._composed.directory_name()
        directory = self._take_place(template.sweep_directory, template.subdir(number, dirname))
        if template.output_subdir is not None:
            own = template.keys_of_a_job(number, self._composed.task, dirname, directory)
            self._write(directory / template.output_subdir, own)
        return template.environment(directory)

    def _set_up_by_hydra(self) -> JobEnvironment:
        """Do the same with the whole config, for callbacks and for unusual settings of Hydra.

        Raises:
            RecordError: the directory cannot be written.
        """
        callbacks = self._context.callbacks
        config = self._composed.config(shared=not callbacks.callbacks)
        if self._swept:
            with open_dict(config):
                config.hydra.job.override_dirname = self._swept_words()
        with _hydra_config(config):
            sweep = config.hydra.sweep
            directory = self._take_place(Path(str(sweep.dir)), str(sweep.subdir))
            with open_dict(config.hydra.runtime):
                config.hydra.runtime.output_dir = str(directory)
            if config.hydra.output_subdir is not None:
                own = dot_hydra.keys_of_a_job(config)
                self._write(directory / config.hydra.output_subdir, own)
            environment = JobEnvironment.of(config)
            if callbacks.callbacks:
                self._config = config
                with environment.entered(self._once):
                    callbacks.on_job_start(config=config, task_function=self._task)
        return environment

    def _swept_words(self) -> str:
        return ",".join(map("=".join, self._swept.items()))

    def _take_place(self, sweep: Path, subdir: str) -> Path:
        """Choose and make the directory.

        Raises:
            RecordError: it cannot be made.
        """
        name = zero_padded(subdir, self._composed.number, self._digits)
        wanted = sweep / (self._composed.place or name)
        place = self._incomplete or self._earlier.take_place(wanted, self.config, self._origin)
        directory = self.directory = place
        with _directory_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
        return directory

    def _write(self, folder: Path, own: dict[str, Any]) -> None:
        with _directory_errors(folder.parent):
            dot_hydra.write(folder, own, self.config, self._composed.base.hydra_text)

    def end(self, summary: dict[str, Any], error: BaseException | None) -> None:
        """Keep the result and tell Hydra's callbacks.

        Args:
            summary: how the run ended.
            error: why it failed or was interrupted, if so.
        """
        self.error = error
        self._return(summary, error)
        if self._config is not None and not isinstance(error, KeyboardInterrupt):
            self.returned.cfg = OmegaConf.create(self.config)
            self.returned.hydra_cfg = OmegaConf.masked_copy(self._config, "hydra")
            with self.at_work(), _hydra_config(self._config):
                self._context.callbacks.on_job_end(config=self._config, job_return=self.returned)
            self.returned.hydra_cfg = None  # a thousand of them take half a gigabyte
        self._config = self._environment = None

    def _return(self, summary: dict[str, Any], error: BaseException | None) -> None:
        self.returned.working_dir = os.getcwd()  # noqa: PTH109 - a string, as Hydra has it
        self.returned.task_name = str(self._sweep.hydra.job.name)
        self.returned.run = self.run = self.run.ended(self.directory, summary)
        if error is not None:
            self.returned.status, self.returned.return_value = JobStatus.FAILED, error
            return
        self.returned.status = JobStatus.COMPLETED
        self.returned.return_value = minimized(summary)


@contextlib.contextmanager
def _directory_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecordError(f"{directory}: cannot be written: {error.strerror}") from error


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
