"""A sweep from Hydra's overrides to its table: compose and check all, run what is missing."""

from __future__ import annotations

import contextlib
import importlib
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any, cast

from hydra.core.utils import JobReturn, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from runner import files
from runner.compare.view import View
from runner.config.values import settings as checked
from runner.errors import ConfigError, RecordError, UserError
from runner.execution.results import Run, swept, write_csv, write_summary
from runner.execution.resume import Found
from runner.execution.table import sweep_table
from runner.hydra_app.composer import Composer
from runner.hydra_app.job import HydraJob, Once
from runner.hydra_app.settings import Settings
from runner.status import Status


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

    Raises:
        ConfigError: a job's config is wrong; then none has been run.
        SweepError: jobs failed while they ran; all others have been run.
        KeyboardInterrupt: after what was computed has been recorded.
    """
    setup_globals()
    directory = Path(str(sweep.hydra.sweep.dir))
    try:
        chosen = checked(Settings, settings)
        view = _view(sweep)
        composer, found, once = Composer(context, sweep), Found(directory), Once()
        jobs = [
            HydraJob(composer.compose(overrides, number), context, task, sweep, found, once)
            for number, overrides in enumerate(job_overrides, start=first_number)
        ]
        view.check_keys(job.config for job in jobs)
    except ConfigError:
        _remove_if_unused(directory)
        raise
    _name_by_what_is_swept(jobs, first_number + len(jobs) - 1)
    missing = [job for job in jobs if not job.take_earlier()]
    if chosen.dry_run:
        _list(jobs, missing)
        return []
    with _closing(jobs, directory, view) as facts:
        facts.update(_train(jobs, missing, chosen))
    _raise_failures(jobs)
    return [job.returned for job in jobs]


def draw_after(sweep: DictConfig) -> None:
    """Draw the figure of a sweep that another launcher ran."""
    directory = Path(str(sweep.hydra.sweep.dir))
    picture = _draw([directory], directory, _view(sweep))
    if picture:
        print(f"Figure: {picture}")


def _view(sweep: DictConfig) -> View:
    """How its figure is drawn, for a sweeper that lets one choose."""
    wanted = OmegaConf.to_container(sweep.hydra.sweeper.get("figure") or OmegaConf.create())
    view = checked(View, cast("dict[str, Any]", wanted), "figure.")
    view.check()
    return view


def _train(jobs: Sequence[HydraJob], missing: list[HydraJob], settings: Settings) -> dict[str, Any]:
    """Train what is missing; returns what the sweep's summary says of how."""
    earlier = len(jobs) - len(missing)
    if not missing:
        _announce(len(jobs), earlier, {})
        return {"earlier": earlier, "programs": 0, "compilations": 0}
    from runner.engine.compilation import CompilationCounter, use_persistent_cache
    from runner.execution import (
        cohorts as population,  # JAX, which only a sweep that runs waits for
    )
    from runner.execution.sweep import Stopped, train
    from runner.terminal.live_sweep import SweepProgress, work_of

    use_persistent_cache()
    population.use_all_cores(len(missing))
    experiments = [job.experiment for job in missing]
    chosen = population.choose(settings.strategy, settings.lanes, settings.devices)
    cohorts = population.cohorts(experiments, chosen)
    facts: dict[str, Any] = {
        "earlier": earlier,
        "programs": population.programs(experiments),
        "compilations": population.compilations(experiments),
        "strategy": chosen.strategy,
        "lanes": max(cohort.lanes for cohort in cohorts),
        "devices": max(cohort.devices for cohort in cohorts),
    }
    _announce(len(jobs), earlier, facts)
    progress = SweepProgress(len(jobs), earlier, sum(map(work_of, experiments)))
    # What the end of the sweep needs, while programs compile.
    Thread(target=importlib.import_module, args=("runner.execution.figure",), daemon=True).start()
    with CompilationCounter() as counter, progress, contextlib.suppress(Stopped):
        train(missing, cohorts, progress, fail_fast=settings.fail_fast)
    return facts | {"compilations": counter.programs}


def _announce(runs: int, earlier: int, facts: Mapping[str, Any]) -> None:
    """Say how many runs there are, how many programs they need and how they are computed."""
    words = [_several(runs, "run")]
    if earlier:
        words.append(f"{earlier} of them done before")
    if facts:
        programs = _several(facts["programs"], "program")
        words.append(f"{programs} ({_several(facts['compilations'], 'compilation')})")
        if facts["lanes"] > 1:
            where = f"{facts['strategy']} on {_several(facts['devices'], 'device')}"
            words.append(f"up to {facts['lanes']} runs side by side ({where})")
    print(", ".join(words), file=sys.stderr, flush=True)


def _several(count: int, word: str) -> str:
    return f"{count} {word}" + "s" * (count != 1)


@contextlib.contextmanager
def _closing(jobs: Sequence[HydraJob], directory: Path, view: View) -> Iterator[dict[str, Any]]:
    """Whatever ends the sweep: print its table, and leave it in its directory."""
    begun = time.time()
    facts: dict[str, Any] = {}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        yield facts
    except OSError as error:
        raise RecordError(f"{directory}: cannot be written: {error.strerror}") from error
    except KeyboardInterrupt:
        where = f"hydra.sweep.dir={shlex.quote(str(directory))}"
        print(f"To go on: the same command with {where}", file=sys.stderr)
        raise
    finally:
        runs, seconds = [_result(job) for job in jobs], time.time() - begun
        if any(run.summary for run in runs):
            done = [job.directory for job in jobs if job.directory and job.summary]
            sweep_table(runs, directory, facts, seconds, _draw(done, directory, view))
        with contextlib.suppress(OSError):
            write_csv(directory / files.SWEEP_TABLE, runs)
            write_summary(directory / files.SWEEP_SUMMARY, runs, facts, seconds)


def _name_by_what_is_swept(jobs: Sequence[HydraJob], last_number: int) -> None:
    keys = swept([_result(job) for job in jobs])
    for job in jobs:
        job.name_by(keys, len(str(last_number)))


def _draw(runs: Sequence[Path], directory: Path, view: View) -> Path | None:
    """The figure of the runs in some folders; without it the sweep is no worse off."""
    from runner.execution.figure import draw  # with matplotlib

    try:
        return draw(runs, directory, view)
    except Exception as error:
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        print(f"The figure could not be drawn: {reason}", file=sys.stderr)
        return None


def _result(job: HydraJob) -> Run:
    name = "" if job.directory is None else job.directory.name
    return Run(job.settings, name, job.summary)


def _list(jobs: Sequence[HydraJob], missing: Sequence[HydraJob]) -> None:
    """Say what would be run, and what is done."""
    for job in jobs:
        state = "to run" if job in missing else job.summary["status"]
        print(f"{state:10s} {job.title}")
    print(f"{len(missing)} of {len(jobs)} runs to run; nothing was run")


def _remove_if_unused(directory: Path) -> None:
    """Take back the directory of a sweep of which nothing has run."""
    if directory.is_dir() and [file.name for file in directory.iterdir()] == ["multirun.yaml"]:
        (directory / "multirun.yaml").unlink()
        directory.rmdir()


def _raise_failures(jobs: Sequence[HydraJob]) -> None:
    failed = [job for job in jobs if job.summary.get("status") == Status.FAILED]
    if not failed:
        return
    reason, others = failed[0].error, [job for job in jobs if not job.summary]
    not_run = f"; {len(others)} were not begun" if others else ""
    raise SweepError(
        f"{len(failed)} of {len(jobs)} runs failed{not_run}; the first because of "
        f"{type(reason).__name__}: {reason} (see {failed[0].directory})"
    )
