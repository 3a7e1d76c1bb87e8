"""A sweep: check every job first, then run them, each as if it had been started alone.

Jobs run one after another in this process, so those of equal structure share one compiled program;
how many programs there are is said at the start.
A job that fails leaves its reason in its own log and does not keep the others from running.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from runner.compose import accept, check, one_line_errors
from runner.errors import ConfigError, RecordError, UserError
from runner.experiment import Experiment
from runner.overrides import as_typed
from runner.progress import sweep_table
from runner.record.summary import read_summary
from runner.sweep_table import Run, write_csv

log = logging.getLogger(__name__)


class SweepError(UserError):
    """Some jobs of a sweep failed, after all were tried."""

    exit_code = 1


def launch(
    context: HydraContext,
    task: TaskFunction,
    sweep: DictConfig,
    job_overrides: Sequence[Sequence[str]],
    first_number: int,
) -> list[JobReturn]:
    """Run the jobs of a sweep.

    Raises:
        ConfigError: a job's config is wrong; then none has been run.
        SweepError: jobs failed while they ran; all others have been run.
    """
    setup_globals()
    try:
        jobs = [
            _compose(context, sweep, overrides, number)
            for number, overrides in enumerate(job_overrides, start=first_number)
        ]
    except ConfigError:
        _remove_if_unused(Path(str(sweep.hydra.sweep.dir)))
        raise
    Path(str(sweep.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
    _announce([experiment for _, experiment in jobs])
    results: list[JobReturn] = []
    for position, (config, _) in enumerate(jobs, start=1):
        words = _words(config.hydra.overrides.task)
        print(f"[{position}/{len(jobs)}] {words}", file=sys.stderr, flush=True)
        result = run_job(
            hydra_context=context,
            task_function=_logging_failures(task),
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
        )
        configure_log(sweep.hydra.hydra_logging, sweep.hydra.verbose)
        results.append(result)
    _show(results, Path(str(sweep.hydra.sweep.dir)))
    _raise_failures(results)
    return results


def _announce(experiments: Sequence[Experiment]) -> None:
    """Say how many runs there are and how many programs must be compiled for them."""
    from runner.population import programs  # JAX, which only a sweep that runs should wait for

    count = programs(experiments)
    runs = f"{len(experiments)} run" + "s" * (len(experiments) > 1)
    print(f"{runs}, {count} program" + "s" * (count > 1), file=sys.stderr, flush=True)


def _remove_if_unused(directory: Path) -> None:
    """Take back the directory of a sweep of which nothing has run."""
    if [file.name for file in directory.iterdir()] == ["multirun.yaml"]:
        (directory / "multirun.yaml").unlink()
        directory.rmdir()


def _words(overrides: Sequence[str]) -> str:
    """A job's overrides as the user typed them."""
    return as_typed(" ".join(word for word in overrides if not word.startswith("hydra.")))


def _compose(
    context: HydraContext, sweep: DictConfig, overrides: Sequence[str], number: int
) -> tuple[DictConfig, Experiment]:
    """The checked config of one job, and the experiment that it describes."""
    accepted = accept(overrides)
    loader = context.config_loader
    try:
        with one_line_errors(loader, accepted):
            config = loader.load_sweep_config(sweep, accepted)
        experiment = check(loader, config, accepted)
    except ConfigError as error:
        message = f"{error} [in run {number} of the sweep: {_words(accepted)}]"
        raise ConfigError(message) from error
    with open_dict(config):
        config.hydra.job.id = str(number)
        config.hydra.job.num = number
    return config, experiment


def _logging_failures(task: TaskFunction) -> TaskFunction:
    """The task, its exceptions written to the log of its own run."""

    def logged(config: DictConfig) -> Any:
        try:
            return task(config)
        except UserError as error:
            log.error("%s", error)
            raise
        except Exception:
            log.exception("the run failed")
            raise

    return logged


def _show(results: Sequence[JobReturn], directory: Path) -> None:
    """Print the table of the results, and leave it in the directory of the sweep."""
    runs = []
    for result in results:
        words = (_words([word]).partition("=") for word in result.overrides or [])
        settings = {key: value for key, _, value in words if key}
        assert result.hydra_cfg is not None
        place = Path(str(OmegaConf.select(result.hydra_cfg, "hydra.runtime.output_dir")))
        summary = read_summary(place) if result.status is JobStatus.COMPLETED else {}
        runs.append(Run(settings, place.name, summary))
    sweep_table(runs, directory)
    try:
        write_csv(directory / "sweep.csv", runs)
    except OSError as error:
        raise RecordError(f"{directory}: cannot be written: {error.strerror}") from error


def _raise_failures(results: Sequence[JobReturn]) -> None:
    failed = [result for result in results if result.status is not JobStatus.COMPLETED]
    if not failed:
        return
    first = failed[0]
    assert first.hydra_cfg is not None
    directory = OmegaConf.select(first.hydra_cfg, "hydra.runtime.output_dir")
    reason = first._return_value
    raise SweepError(
        f"{len(failed)} of {len(results)} runs failed; the first because of "
        f"{type(reason).__name__}: {reason} (see {directory})"
    )
