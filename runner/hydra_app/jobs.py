"""The jobs of a sweep: named by what differs between them, trained side by side, then summed up."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from runner.compare.view import View
from runner.errors import RecordError, SweepError
from runner.execution.closing import close_sweep
from runner.execution.results import Computation
from runner.execution.resume import EarlierRuns
from runner.hydra_app.announcement import announce
from runner.hydra_app.composer import Composed
from runner.hydra_app.job import HydraJob
from runner.hydra_app.job_environment import OncePerMessage
from runner.hydra_app.memory_job import MemoryJob
from runner.hydra_app.settings import LauncherSettings
from runner.hydra_app.starting import StartingTask, starts_of
from runner.record.environment import ask_for_commit
from runner.status import Status
from runner.terminal.caller import tell
from runner.terminal.words import several

if TYPE_CHECKING:
    from runner.execution.lane import Job


class Plan(NamedTuple):
    """The jobs of a sweep.

    Attributes:
        directory: the folder of the sweep.
        jobs: all jobs.
        missing: those of which the folder does not hold the complete run.
    """

    directory: Path
    jobs: list[HydraJob]
    missing: list[HydraJob]


def plan_jobs(
    context: HydraContext,
    task: TaskFunction,
    sweep: DictConfig,
    composed: Sequence[Composed],
    *,
    overwrite: bool = False,
) -> Plan:
    """Name the jobs by the overrides in which they differ, and find out which are complete.

    Args:
        context: Hydra's context, with its callbacks.
        task: the task function, for Hydra's callbacks; it may say what the jobs start from.
        sweep: the config of the sweep.
        composed: the configs of the jobs, no two of them equal.
        overwrite: run again what is complete.
    """
    directory, once = Path(str(sweep.hydra.sweep.dir)), OncePerMessage()
    earlier = EarlierRuns(directory, overwrite=overwrite)
    starts = starts_of(task.starter if isinstance(task, StartingTask) else None, composed)
    jobs = [
        HydraJob(one, context, task, sweep, earlier, once, start)
        for one, start in zip(composed, starts, strict=True)
    ]
    keys = dict.fromkeys(key for job in jobs for key in job.overrides)
    swept = [key for key in keys if len({job.overrides.get(key) for job in jobs}) > 1]
    for job in jobs:
        job.name_by(swept, digits=len(str(composed[-1].number)))
    return Plan(directory, jobs, [job for job in jobs if not job.take_earlier()])


def run_jobs(plan: Plan, view: View, settings: LauncherSettings) -> None:
    """Train what is missing, tell each job how it ended, and close the sweep.

    Args:
        plan: the jobs.
        view: what the figure of the sweep shows.
        settings: how the jobs are computed.

    Raises:
        RecordError: the directory of the sweep cannot be created.
        KeyboardInterrupt: after what was computed has been recorded.
    """
    computation, start = Computation(), time.time()
    try:
        _make(plan.directory)
        computation = _train(plan, settings)
    except BaseException:
        with contextlib.suppress(RecordError):  # the first cause is what is reported
            _close(plan, computation, start, view)
        raise
    _close(plan, computation, start, view)


def _close(plan: Plan, computation: Computation, start: float, view: View) -> None:
    """Sum up the sweep.

    Raises:
        RecordError: its files cannot be written.
    """
    runs = [job.run for job in plan.jobs]
    close_sweep(runs, computation, time.time() - start, plan.directory, view)


def raise_failures(jobs: Sequence[HydraJob | MemoryJob]) -> None:
    """Report failed jobs.

    Raises:
        SweepError: there are some.
    """
    failed = [job for job in jobs if job.run.status == Status.FAILED]
    if not failed:
        return
    reason, others = failed[0].error, [job for job in jobs if job.run.status == Status.NOT_RUN]
    not_run = f"; {len(others)} were not started" if others else ""
    where = f" (see {failed[0].directory})" if isinstance(failed[0], HydraJob) else ""
    raise SweepError(
        f"{len(failed)} of {len(jobs)} runs failed{not_run}; the first because of "
        f"{type(reason).__name__}: {reason}{where}"
    )


def _make(directory: Path) -> None:
    """Create the directory of the sweep.

    Raises:
        RecordError: it cannot be created.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(f"{directory}: cannot be written: {error.strerror}") from error


def _find_checkpoints(jobs: Sequence[HydraJob]) -> None:
    """Let the runs go on from their checkpoints, and say how many do and what cannot be used."""
    for line in [line for job in jobs for line in job.take_checkpoint()]:
        tell(f"Note:   {line}")
    count = sum(job.earlier is not None for job in jobs)
    if count:
        verb = "goes" if count == 1 else "go"
        tell(f"{several(count, 'run')} {verb} on from a checkpoint")
    again = sum(job.starts_again for job in jobs)
    if again:
        verb = "starts" if again == 1 else "start"
        tell(f"{several(again, 'run')} {verb} again, without a checkpoint to go on from")


def _steps_before(job: Job) -> int:
    """After how many steps a run starts, or goes on."""
    if job.earlier is not None:
        return job.earlier.position.steps
    return getattr(job.start, "steps", 0)


def _train(plan: Plan, settings: LauncherSettings) -> Computation:
    """Train what is missing, and tell each job how it ended.

    Raises:
        KeyboardInterrupt: after what was computed has been recorded.
    """
    earlier = len(plan.jobs) - len(plan.missing)
    if not plan.missing:
        announce(len(plan.jobs), Computation(earlier))
        return Computation(earlier, programs=0, compilations=0)
    ask_for_commit()
    _find_checkpoints(plan.missing)
    # What the end of the sweep needs is imported while programs compile.
    Thread(target=importlib.import_module, args=("runner.execution.figure",), daemon=True).start()
    return train_jobs(plan.missing, earlier, settings)


def train_jobs(missing: Sequence[Job], earlier: int, settings: LauncherSettings) -> Computation:
    """Train jobs side by side, and tell each of them how it ended.

    Args:
        missing: the jobs.
        earlier: how many others of the sweep are done.
        settings: how they are computed.

    Raises:
        KeyboardInterrupt: after what was computed has been recorded.
    """
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
    from runner.terminal.live import print_found
    from runner.terminal.live_sweep import SweepProgress, work_of

    use_persistent_cache()
    use_all_cores(len(missing))
    experiments = [job.experiment for job in missing]
    parallelism = choose_parallelism(settings.strategy, settings.lanes, settings.devices)
    steps = [_steps_before(job) for job in missing]
    cohorts = form_cohorts(experiments, parallelism, steps)
    computation = Computation(
        earlier,
        programs=count_programs(experiments),
        compilations=count_compilations(experiments),
        strategy=parallelism.strategy,
        lanes=max(cohort.lanes for cohort in cohorts),
        devices=max(cohort.devices for cohort in cohorts),
    )
    runs = earlier + len(missing)
    announce(runs, computation)
    print_found(each.data for each in experiments)
    progress = SweepProgress(runs, earlier, sum(map(work_of, experiments)))
    with CompilationCounter() as counter, progress, contextlib.suppress(Stopped):
        train(missing, cohorts, progress, fail_fast=settings.fail_fast)
    return dataclasses.replace(computation, compilations=counter.programs)
