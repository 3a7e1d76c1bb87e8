"""A sweep from Hydra's overrides to its table: compose and check all, train what is missing."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import shlex
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any, cast

from hydra.core.utils import JobReturn, setup_globals
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf

from runner import files
from runner.compare.conclusions import shortage
from runner.compare.view import View
from runner.config.values import from_plain
from runner.errors import ConfigError, RecordError, UserError
from runner.execution.closing import close_sweep, draw_figure, recorded
from runner.execution.results import Computation
from runner.execution.resume import EarlierRuns
from runner.hydra_app.announcement import announce, print_plan
from runner.hydra_app.composer import Composer
from runner.hydra_app.confirm import check_confirm, confirmation
from runner.hydra_app.job import HydraJob
from runner.hydra_app.job_environment import OncePerMessage
from runner.hydra_app.settings import LauncherSettings
from runner.status import Status
from runner.terminal.words import several


class SweepError(UserError):
    """Some jobs of a sweep failed, after all were tried."""

    exit_code = 1


def launch(
    context: HydraContext,
    task: TaskFunction,
    sweep: DictConfig,
    job_overrides: Sequence[Sequence[str]],
    first_number: int,
    settings: Mapping[str, Any],
) -> list[JobReturn]:
    """Run the jobs of a sweep.

    Args:
        context: Hydra's context, with its loader and callbacks.
        task: the task function, for Hydra's callbacks.
        sweep: the composed config of the sweep.
        job_overrides: the overrides of each job.
        first_number: the number of the first job.
        settings: the keys of `hydra/launcher=runner`.

    Returns:
        The result of each job, in their order; none for a dry run.

    Raises:
        ConfigError: the config of a job is wrong; then none has been run.
        RecordError: the directory of the sweep cannot be created.
        SweepError: jobs failed while they ran; all others have been run.
        KeyboardInterrupt: after what was computed has been recorded.
    """
    setup_globals()
    try:
        chosen = from_plain(LauncherSettings, settings)
        view = _view(sweep)
        check_confirm(chosen.confirm, view, sweep)
    except ConfigError:
        _remove_if_unused(_directory(sweep))
        raise
    jobs = _run(context, task, sweep, job_overrides, first_number, chosen)
    if chosen.dry_run:
        return []
    if chosen.confirm:
        again = confirmation(sweep, view, jobs, chosen.confirm)
        print(f"\nConfirming {again.title}", file=sys.stderr)
        own = dataclasses.replace(chosen, confirm=0)
        fresh = _run(context, task, again.sweep, again.job_overrides, 0, own)
        print(again.report([job.run for job in fresh]))
        jobs += fresh
    return [job.returned for job in jobs]


def _run(
    context: HydraContext,
    task: TaskFunction,
    sweep: DictConfig,
    job_overrides: Sequence[Sequence[str]],
    first_number: int,
    chosen: LauncherSettings,
) -> list[HydraJob]:
    """Run the jobs of a sweep, or say what would be run; see `launch`."""
    directory, view = _directory(sweep), _view(sweep)
    try:
        jobs = _compose(context, task, sweep, job_overrides, first_number)
        view.check_keys(job.config for job in jobs)
    except ConfigError:
        _remove_if_unused(directory)
        raise
    missing = [job for job in jobs if not job.take_earlier()]
    for note in _foreseen(jobs, view, chosen):
        print(f"Note:   {note}", file=sys.stderr)
    if chosen.dry_run:
        print_plan(jobs, missing)
        return jobs
    computation, start = Computation(), time.time()
    try:
        _make(directory)
        computation = _train(jobs, missing, chosen)
    except KeyboardInterrupt:
        where = f"hydra.sweep.dir={shlex.quote(str(directory))}"
        print(f"To go on: the same command with {where}", file=sys.stderr)
        raise
    finally:
        runs = [job.run for job in jobs]
        close_sweep(runs, computation, time.time() - start, directory, view)
    _raise_failures(jobs)
    return jobs


def check_settings(config: DictConfig) -> None:
    """Check how a sweep is run and what its figure shows, of which a run alone has no use.

    Raises:
        ConfigError: a key of the launcher or of `figure` is wrong, or a run alone cannot be
            confirmed.
    """
    launcher = OmegaConf.to_container(config.hydra.launcher)
    count = from_plain(LauncherSettings, cast("dict[str, Any]", launcher)).confirm
    if count and config.hydra.mode != RunMode.MULTIRUN:
        raise ConfigError(f"confirm={count} runs again what a sweep tuned; add -m for a sweep")
    _view(config)


def draw_after(sweep: DictConfig) -> None:
    """Draw the figure of a sweep that another launcher ran.

    Raises:
        ConfigError: a key of `figure` is wrong.
    """
    directory = _directory(sweep)
    figure = draw_figure(recorded([directory]), directory, _view(sweep))
    if figure:
        print(f"Figure: {figure}")


def _directory(sweep: DictConfig) -> Path:
    return Path(str(sweep.hydra.sweep.dir))


def _view(sweep: DictConfig) -> View:
    """The keys `figure.*` of the sweeper, if it has any.

    Raises:
        ConfigError: one is wrong.
    """
    wanted = OmegaConf.to_container(sweep.hydra.sweeper.get("figure") or OmegaConf.create())
    view = from_plain(View, cast("dict[str, Any]", wanted), "figure.")
    view.check()
    return view


def _compose(
    context: HydraContext,
    task: TaskFunction,
    sweep: DictConfig,
    job_overrides: Sequence[Sequence[str]],
    first_number: int,
) -> list[HydraJob]:
    """Compose and check all jobs, and name them by the overrides in which they differ.

    Raises:
        ConfigError: the config of a job is wrong.
    """
    composer, once = Composer(context, sweep), OncePerMessage()
    earlier = EarlierRuns(_directory(sweep))
    jobs = [
        HydraJob(composer.compose(overrides, number), context, task, sweep, earlier, once)
        for number, overrides in enumerate(job_overrides, start=first_number)
    ]
    keys = dict.fromkeys(key for job in jobs for key in job.overrides)
    swept = [key for key in keys if len({job.overrides.get(key) for job in jobs}) > 1]
    for job in jobs:
        job.name_by(swept, digits=len(str(first_number + len(jobs) - 1)))
    # Runs that were typed twice (seed=0,0) must not share a title: progress is counted by it.
    seen = Counter[str]()
    for job in jobs:
        seen[job.title] += 1
        if seen[job.title] > 1:
            job.title += f" ({seen[job.title]})"
    return jobs


def _foreseen(jobs: Sequence[HydraJob], view: View, settings: LauncherSettings) -> list[str]:
    """What is to be said before training: too few seeds, and what follows the sweep."""
    notes = [shortage(view, [job.run for job in jobs], settings.confirm)]
    if settings.confirm:
        keys, seeds = " and ".join(view.tune), several(settings.confirm, "fresh seed")
        notes.append(f"then the best {keys} of each runs on {seeds}")
    return list(filter(None, notes))


def _make(directory: Path) -> None:
    """Create the directory of the sweep.

    Raises:
        RecordError: it cannot be created.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(f"{directory}: cannot be written: {error.strerror}") from error


def _train(
    jobs: Sequence[HydraJob], missing: list[HydraJob], settings: LauncherSettings
) -> Computation:
    """Train what is missing, and tell each job how it ended.

    Raises:
        KeyboardInterrupt: after what was computed has been recorded.
    """
    earlier = len(jobs) - len(missing)
    if not missing:
        announce(len(jobs), Computation(earlier))
        return Computation(earlier, programs=0, compilations=0)
    # JAX is imported here, so that a sweep with nothing to train does not wait for it.
    from runner.engine.compilation import CompilationCounter, use_persistent_cache
    from runner.execution.cohorts import (
        choose_parallelism,
        count_compilations,
        count_programs,
        form_cohorts,
        use_all_cores,
    )
    from runner.execution.sweep import Stopped, train
    from runner.terminal.live_sweep import SweepProgress, work_of

    use_persistent_cache()
    use_all_cores(len(missing))
    experiments = [job.experiment for job in missing]
    parallelism = choose_parallelism(settings.strategy, settings.lanes, settings.devices)
    cohorts = form_cohorts(experiments, parallelism)
    computation = Computation(
        earlier,
        programs=count_programs(experiments),
        compilations=count_compilations(experiments),
        strategy=parallelism.strategy,
        lanes=max(cohort.lanes for cohort in cohorts),
        devices=max(cohort.devices for cohort in cohorts),
    )
    announce(len(jobs), computation)
    progress = SweepProgress(len(jobs), earlier, sum(map(work_of, experiments)))
    # What the end of the sweep needs is imported while programs compile.
    Thread(target=importlib.import_module, args=("runner.execution.figure",), daemon=True).start()
    with CompilationCounter() as counter, progress, contextlib.suppress(Stopped):
        train(missing, cohorts, progress, fail_fast=settings.fail_fast)
    return dataclasses.replace(computation, compilations=counter.programs)


def _remove_if_unused(directory: Path) -> None:
    """Remove the directory of a sweep of which nothing has run."""
    if directory.is_dir() and [file.name for file in directory.iterdir()] == [files.SWEEP_CONFIG]:
        (directory / files.SWEEP_CONFIG).unlink()
        directory.rmdir()


def _raise_failures(jobs: Sequence[HydraJob]) -> None:
    """Report failed jobs.

    Raises:
        SweepError: there are some.
    """
    failed = [job for job in jobs if job.run.status == Status.FAILED]
    if not failed:
        return
    reason, others = failed[0].error, [job for job in jobs if job.run.status == Status.NOT_RUN]
    not_run = f"; {len(others)} were not started" if others else ""
    raise SweepError(
        f"{len(failed)} of {len(jobs)} runs failed{not_run}; the first because of "
        f"{type(reason).__name__}: {reason} (see {failed[0].directory})"
    )
