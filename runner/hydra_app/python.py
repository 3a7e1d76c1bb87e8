"""Runs and sweeps that Python asks for: the same as on the command line, but for the process.

What is global to a process (Hydra's singletons, the log) is as before when a call returns. A record
goes to the folder that the command line would choose, or stays in memory.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobRuntime
from hydra.types import HydraContext, RunMode
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf

from runner.compare.runs import Run, find, read_run
from runner.config.locations import CONFIG_NAME
from runner.errors import ConfigError, Interrupted, UserError
from runner.hydra_app.alone import train_alone
from runner.hydra_app.application import Application, find_plugins
from runner.hydra_app.beginning import Beginning, started
from runner.hydra_app.checking import pinned
from runner.hydra_app.claiming import claimed
from runner.hydra_app.composer import Composed
from runner.hydra_app.error_lines import run_errors
from runner.hydra_app.jobs import raise_failures, train_jobs
from runner.hydra_app.launch import check_settings, compose_jobs, distinct_jobs
from runner.hydra_app.memory_job import MemoryJob, TerminalLog
from runner.hydra_app.multirun import composed_sweep
from runner.hydra_app.overrides import typed_words
from runner.hydra_app.prepare import prepare_overrides
from runner.hydra_app.products import every_job
from runner.hydra_app.registered import store_registered
from runner.hydra_app.resume import resume
from runner.hydra_app.settings import LauncherSettings
from runner.hydra_app.starting import Starter, starting_at, starts_of
from runner.hydra_app.task import record, sweep_task
from runner.interruption import deferred
from runner.record.environment import ask_for_commit, usable_cores
from runner.record.memory import Memory
from runner.record.summary import minimized
from runner.terminal.words import quoted_path

Record = bool | Path
"""Whether a call records what it trains, in the folder that the command line chooses or in this."""

_SWEEPS = "hydra.mode=MULTIRUN"


def train_run(
    overrides: Sequence[str], config_dir: str | None, record_in: Record, beginning: Beginning
) -> Run:
    """Train one run.

    Args:
        overrides: as typed.
        config_dir: a folder with options of the user's own.
        record_in: where it is recorded, if it is.
        beginning: what it starts from, if from another run.

    Raises:
        UserError: see `runner.train`.
        Interrupted: after what was computed has been recorded.
    """
    with _undisturbed(), run_errors():
        is_recorded = record_in is not False
        words = _words(overrides, "hydra.run.dir", record_in, beginning)
        application = Application.create(config_dir)
        if beginning.resume is not None:
            return _resumed_run(application, words, beginning.resume)
        words, starter = started(application, words, beginning, RunMode.RUN)
        config = application.compose_config(CONFIG_NAME, words, RunMode.RUN, is_recorded)
        if config.hydra.mode == RunMode.MULTIRUN:
            raise ConfigError("the config asks for a sweep: use runner.sweep instead of train")
        if check_settings(config).dry_run:
            raise ConfigError("dry_run=true: a run is trained or not; leave it out")
        _use_all_cores()
        if is_recorded:
            return _recorded_run(application, config, words, starter)
        return _run_in_memory(config, starter)


def train_sweep(
    overrides: Sequence[str], config_dir: str | None, record_in: Record, beginning: Beginning
) -> list[Run]:
    """Train all runs of a sweep; see `train_run`.

    Args:
        overrides: words as typed, with commas between values.
        config_dir: a folder with options of the user's own.
        record_in: where it is recorded, if it is.
        beginning: what the runs start from, if from another run.

    Raises:
        UserError: see `runner.sweep`.
        Interrupted: after what was computed has been recorded.
    """
    with _undisturbed(), run_errors():
        is_recorded = record_in is not False
        words = _words(overrides, "hydra.sweep.dir", record_in, beginning)
        application = Application.create(config_dir)
        words, starter = started(application, [*words, _SWEEPS], beginning, RunMode.MULTIRUN)
        config = composed_sweep(application, CONFIG_NAME, words, with_log=is_recorded)
        settings = check_settings(config)
        _use_all_cores()
        if is_recorded:
            return _recorded_sweep(application, config, words, starter)
        return _sweep_in_memory(application, config, settings, starter)


def _words(
    overrides: Sequence[str], key: str, record_in: Record, beginning: Beginning
) -> list[str]:
    """The overrides as Hydra reads them, with the folder of the record."""
    if beginning.resume is not None and record_in is not False:
        raise ConfigError("record: a run that goes on is recorded where it is; leave out record")
    folder = [f"{key}={quoted_path(record_in)}"] if isinstance(record_in, Path) else []
    if record_in is False:
        for word in overrides:
            if word.startswith(("hydra.run.dir=", "hydra.sweep.dir=")):
                raise ConfigError(f"{word}: nothing is recorded; use record=FOLDER")
    return prepare_overrides([*overrides, *folder])


def _use_all_cores() -> None:
    """Let JAX have a device a core from now on, for sweeps that come later in this process.

    JAX can be told before it is used for the first time; after that this has no effect.
    """
    import jax

    from runner.execution.cohorts import use_all_cores

    use_all_cores(usable_cores())
    jax.local_devices()


def _run_in_memory(config: DictConfig, starter: Starter | None) -> Run:
    plain, experiment = pinned(config)
    start = starter(experiment) if starter else None
    ask_for_commit()

    from runner.execution.run import run  # imports JAX

    memory = Memory()
    try:
        with TerminalLog().current():
            run(experiment, memory, plain, start=start)
    except KeyboardInterrupt as interruption:
        raise Interrupted([Run(memory, memory.summary, plain)]) from interruption
    return Run(memory, memory.summary)


def _recorded_run(
    application: Application, config: DictConfig, words: list[str], starter: Starter | None
) -> Run:
    try:
        directory, _ = train_alone(application, CONFIG_NAME, config, words, _task, starter)
    except KeyboardInterrupt as interruption:
        raise Interrupted(_runs_in(Path(str(config.hydra.run.dir)))) from interruption
    return _run_in(directory)


def _resumed_run(application: Application, words: list[str], folder: Path) -> Run:
    _use_all_cores()
    try:
        resume(application, Namespace(resume=str(folder), overrides=words), _task)
    except KeyboardInterrupt as interruption:
        raise Interrupted(_runs_in(folder)) from interruption
    return _run_in(folder)


def _task(config: DictConfig, **start: Any) -> float:
    return minimized(record(config, **start)[0])


def _recorded_sweep(
    application: Application, config: DictConfig, words: list[str], starter: Starter | None
) -> list[Run]:
    task = starting_at(sweep_task, starter)
    with claimed(config, "sweep", words) as directory:
        try:
            with deferred():
                batches = application.multirun(CONFIG_NAME, task, words)
        except KeyboardInterrupt as interruption:
            raise Interrupted(_runs_in(directory)) from interruption
        except UserError as error:
            error.runs = _runs_in(directory)
            raise
        found = [getattr(one, "run", None) for batch in batches or () for one in batch]
        places = dict.fromkeys(run.directory for run in found if run is not None)
        read = [read_run(place.absolute()) for place in places if place is not None]
        return [run for run in read if run is not None] or _runs_in(directory)


def _run_in(directory: Path) -> Run:
    run = read_run(directory.absolute())
    assert run is not None
    return run


def _runs_in(directory: Path) -> list[Run]:
    try:
        return find([directory.absolute()]).runs
    except ConfigError:
        return []


def _sweep_in_memory(
    application: Application,
    config: DictConfig,
    settings: LauncherSettings,
    starter: Starter | None,
) -> list[Run]:
    if settings.confirm:
        raise ConfigError(f"confirm={settings.confirm} needs a record: add record=True")
    choices = config.hydra.runtime.choices
    for kind in ("launcher", "sweeper"):
        if choices[f"hydra/{kind}"] != "runner":
            raise ConfigError(f"hydra/{kind}={choices[f'hydra/{kind}']}: add record=True")
    context = HydraContext(application.config_loader, Callbacks(config))
    sweeper: Any = OmegaConf.to_container(config.hydra.sweeper)
    params = [f"{key}={value}" for key, value in (sweeper["params"] or {}).items()]
    task: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    composed = compose_jobs(context, config, every_job(context, sweeper["cases"], params + task))
    _, distinct = distinct_jobs(composed)
    jobs = _memory_jobs(list(distinct.values()), starter)
    if settings.dry_run:
        return [job.run for job in jobs]
    ask_for_commit()
    try:
        train_jobs(jobs, 0, settings)
        raise_failures(jobs)
    except KeyboardInterrupt as interruption:
        raise Interrupted([job.run for job in jobs]) from interruption
    except UserError as error:
        error.runs = [job.run for job in jobs]
        raise
    return [job.run for job in jobs]


def _memory_jobs(composed: Sequence[Composed], starter: Starter | None) -> list[MemoryJob]:
    """The jobs, named by the overrides that not all of them have."""
    log = TerminalLog()
    common = set.intersection(*(set(one.overrides) for one in composed))
    names = [typed_words(word for word in one.overrides if word not in common) for one in composed]
    starts = starts_of(starter, composed)
    return [
        MemoryJob(one, name or str(one.number), log, start)
        for one, name, start in zip(composed, names, starts, strict=True)
    ]


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let Hydra work as if it were alone in the process, and leave everything as it was."""
    hydra, version = GlobalHydra.instance(), VersionBase.instance()
    config, runtime = HydraConfig.instance(), JobRuntime.instance()
    before = hydra.hydra, version.version_base, config.cfg, runtime.conf
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hydra.clear()
    runtime.conf = OmegaConf.create()
    _register_plugins()
    store_registered()
    try:
        yield
    finally:
        hydra.hydra, version.version_base, config.cfg, runtime.conf = before
        for handler in set(root.handlers) - set(handlers):
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)


def _register_plugins() -> None:
    """Let Hydra know the launcher and the sweeper, also if it looked for plugins before."""
    find_plugins()
    module = importlib.import_module("hydra_plugins.runner_plugins")
    for plugin in (module.RunnerLauncher, module.RunnerSweeper):
        Plugins.instance().register(plugin)
