"""A sweep from Hydra's overrides to its table: compose and check all, train what is missing."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from hydra.core.utils import JobReturn, setup_globals
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runner.compare.conclusions import shortage
from runner.compare.view import View, fields_of_view
from runner.config.values import from_plain
from runner.errors import ConfigError, did_you_mean
from runner.execution.closing import draw_figure, recorded
from runner.hydra_app.announcement import print_plan
from runner.hydra_app.checking import first_line
from runner.hydra_app.composer import Composed, Composer
from runner.hydra_app.confirm import check_confirm, confirmation
from runner.hydra_app.job import HydraJob
from runner.hydra_app.jobs import plan_jobs, raise_failures, run_jobs
from runner.hydra_app.searching import refuse_blind_search
from runner.hydra_app.settings import LauncherSettings
from runner.interruption import check
from runner.record.fingerprint import fingerprint
from runner.terminal.caller import tell
from runner.terminal.words import several


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
    chosen = from_plain(LauncherSettings, settings)
    view = _view(sweep)
    check_confirm(chosen.confirm, view, sweep)
    jobs = _run(context, task, sweep, job_overrides, first_number, chosen)
    if chosen.dry_run:
        return []
    if chosen.confirm:
        distinct = list(dict.fromkeys(jobs))
        again = confirmation(sweep, view, distinct, chosen.confirm)
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
    """Run the jobs of a sweep, or say what would be run; see `launch`.

    Overrides with equal configs (`seed=0,0`, `learning_rate=0.1,0.10`) share one job.
    """
    view, composed = _view(sweep), compose_jobs(context, sweep, job_overrides, first_number)
    _check_places(composed)
    names, distinct = distinct_jobs(composed)
    plan = plan_jobs(context, task, sweep, list(distinct.values()), overwrite=chosen.overwrite)
    view.check_keys(job.config for job in plan.jobs)
    if len(distinct) < len(composed):
        tell(f"Note:   of {len(composed)} runs {len(distinct)} differ; each of these is run once")
    for note in _foreseen(plan.jobs, view, chosen):
        tell(f"Note:   {note}")
    by_name = dict(zip(distinct, plan.jobs, strict=True))
    jobs = [by_name[name] for name in names]
    if chosen.dry_run:
        print_plan(plan.jobs, plan.missing)
        return jobs
    try:
        run_jobs(plan, view, chosen)
    except KeyboardInterrupt:
        where = f"hydra.sweep.dir={shlex.quote(str(plan.directory))}"
        print(f"To go on: the same command with {where}", file=sys.stderr)
        raise
    raise_failures(plan.jobs)
    return jobs


def _check_places(composed: Iterable[Composed]) -> None:
    """Check that the folder of a run can be named, for one run with each choice of options.

    Raises:
        ConfigError: `hydra.sweep.subdir` refers to what is not there.
    """
    for one in {id(one.base): one for one in composed}.values():
        try:
            str(one.config(shared=True).hydra.sweep.subdir)
        except OmegaConfBaseException as error:
            raise ConfigError(f"hydra.sweep.subdir: {first_line(error)}") from error


def compose_jobs(
    context: HydraContext,
    sweep: DictConfig,
    job_overrides: Sequence[Sequence[str]],
    first_number: int = 0,
) -> list[Composed]:
    """Compose and check the jobs of a sweep.

    Args:
        context: what Hydra hands to a launcher.
        sweep: the config of the sweep.
        job_overrides: the overrides of each job, as typed.
        first_number: the number of the first job, by which its folder may be named.

    Raises:
        ConfigError: the config of a job is wrong, or the sweep searches without validation.
    """
    composer, composed = Composer(context, sweep), []
    for number, overrides in enumerate(job_overrides, start=first_number):
        check()
        composed.append(composer.compose(overrides, number))
    refuse_blind_search(sweep, (one.experiment for one in composed))
    return composed


def distinct_jobs(composed: Sequence[Composed]) -> tuple[list[str], dict[str, Composed]]:
    """Return the fingerprint of each job's config, and of jobs with equal ones the first."""
    names = [fingerprint(one.plain) for one in composed]
    distinct: dict[str, Composed] = {}
    for name, one in zip(names, composed, strict=True):
        distinct.setdefault(name, one)
    return names, distinct


def check_settings(config: DictConfig) -> LauncherSettings:
    """Check how a sweep is run and what its figure shows, of which a run alone has no use.

    Returns:
        How it is run.

    Raises:
        ConfigError: a key of the launcher or of `figure` is wrong, or a run alone cannot be
            confirmed.
    """
    launcher = OmegaConf.to_container(config.hydra.launcher)
    settings = from_plain(LauncherSettings, cast("dict[str, Any]", launcher))
    count = settings.confirm
    if count and config.hydra.mode != RunMode.MULTIRUN:
        raise ConfigError(f"confirm={count} runs again what a sweep tuned; add -m for a sweep")
    _view(config)
    return settings


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
    node = sweep.hydra.sweeper.get("figure")
    wanted = cast("dict[str, Any]", OmegaConf.to_container(node) if node else {})
    known = [field.name for field in fields_of_view()]
    for key in wanted:
        if key not in known:
            raise ConfigError(f"figure.{key} is not a known key{did_you_mean(str(key), known)}")
    view = from_plain(View, wanted, "figure.")
    view.check()
    return view


def _foreseen(jobs: Sequence[HydraJob], view: View, settings: LauncherSettings) -> list[str]:
    """What is to be said before training: too few seeds, and what follows the sweep."""
    notes = [shortage(view, [job.run for job in jobs], settings.confirm)]
    if settings.confirm:
        keys, seeds = " and ".join(view.tune), several(settings.confirm, "fresh seed")
        notes.append(f"then the best {keys} of each runs on {seeds}")
    return list(filter(None, notes))
