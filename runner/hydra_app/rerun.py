"""`runner --rerun FOLDER`: what is recorded in a folder once more, compared with its record.

The configs are those that the runs recorded, resolved, so neither the defaults nor the YAML files
of today have a part in them. The new folder has the layout of the old one. A run alone is run by
Hydra as any other, and the runs of a sweep side by side, as the launcher does.
"""

from __future__ import annotations

import contextlib
import copy
import shutil
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from hydra._internal.callbacks import Callbacks
from hydra.core.utils import setup_globals
from hydra.types import HydraContext, RunMode, TaskFunction
from omegaconf import DictConfig

from runner import files
from runner.compare.rerun import overrides_of_run, settings_of_sweep
from runner.compare.runs import Run
from runner.compare.view import View
from runner.config.locations import CONFIG_NAME
from runner.config.plugins import PLUGINS
from runner.config.values import from_plain
from runner.errors import ConfigError, RecordError
from runner.execution.recorded import RecordedRun, read_records
from runner.execution.repetition import Repetition, RepetitionError, report
from runner.hydra_app.alone import print_forecast
from runner.hydra_app.announcement import print_plan
from runner.hydra_app.application import Application, fill
from runner.hydra_app.claiming import claimed_new, move_sweep
from runner.hydra_app.composer import Base, Composed
from runner.hydra_app.job import HydraJob
from runner.hydra_app.jobs import plan_jobs, raise_failures, run_jobs
from runner.hydra_app.overrides import LAUNCHER_KEYS, as_typed, key_of, without_prefix
from runner.hydra_app.settings import LauncherSettings
from runner.interruption import deferred
from runner.record.summary import read_summary
from runner.status import COMPLETE
from runner.terminal.words import shell_path

_COMPUTED = tuple(key for key in LAUNCHER_KEYS if key not in ("confirm", "overwrite"))
"""What may be typed of a sweep besides `plugins`: how it is computed."""

_ALONE = ("dry_run",)
"""What may be typed of a run alone besides `plugins`."""


def rerun(application: Application, arguments: Namespace, task: TaskFunction) -> None:
    """Run again what a folder holds, and say whether it is equal to the bit.

    Args:
        application: Hydra's driver.
        arguments: the command line: the folder `rerun`, the new folder `into`, and `overrides`.
        task: the task function of a run alone.

    Raises:
        ConfigError: the folder, a record in it or a word of the command line is wrong.
        RecordError: a new folder cannot be made.
        SweepError: runs failed.
        RepetitionError: runs differ from their records.
    """
    folder, words = Path(arguments.rerun), arguments.overrides
    is_alone = (folder / files.SUMMARY).exists()
    _check_words(words, _ALONE if is_alone else _COMPUTED)
    mode = RunMode.RUN if is_alone else RunMode.MULTIRUN
    config = application.compose_config(CONFIG_NAME, words, mode, with_log_configuration=True)
    records = read_records(folder, config[PLUGINS], _line(arguments))
    for record in records:
        if record.run.summary.get("started_from"):
            raise ConfigError(
                f"{record.directory}: was started from weights of another run, which its config "
                "does not have; --rerun repeats what follows from a config"
            )
    usual = Path(str(config.hydra.run.dir if is_alone else config.hydra.sweep.dir))
    place = usual.with_name(f"{usual.name}_rerun")
    if arguments.into is not None:
        place = _checked(Path(arguments.into), folder)
    dry_run = config.hydra.launcher.dry_run
    if is_alone and dry_run:
        (record,) = records
        values = shell_path(record.directory / files.SUMMARY)
        print_forecast(record.experiment, record.config, place, values)
        return
    claimed = contextlib.nullcontext(place) if dry_run else claimed_new(place, config)
    with deferred(), claimed as place:
        if is_alone:
            error = _rerun_alone(application, config, records[0], place, words, task)
        else:
            error = _rerun_sweeps(application, config, records, place, folder, task)
    if error:
        raise error


def _check_words(words: Sequence[str], allowed: Sequence[str]) -> None:
    """Refuse what would change the runs, or has no effect.

    Raises:
        ConfigError: there is such a word.
    """
    for word in words:
        key = without_prefix(key_of(word))
        if key not in (PLUGINS, *allowed):
            raise ConfigError(
                f"{as_typed(without_prefix(word))}: --rerun repeats what is recorded; beside it "
                f"only {PLUGINS}, {', '.join(allowed)} and --into can be chosen"
            )


def _line(arguments: Namespace) -> list[str]:
    """The words of the command line but `plugins`."""
    into = [] if arguments.into is None else ["--into", arguments.into]
    words = [without_prefix(word) for word in arguments.overrides if key_of(word) != PLUGINS]
    return ["--rerun", arguments.rerun, *into, *words]


def _checked(place: Path, folder: Path) -> Path:
    """The new folder that the user named.

    Raises:
        ConfigError: it is in use, or lies in the folder that is repeated.
    """
    if place.absolute().is_relative_to(folder.absolute()):
        raise ConfigError(f"--into {place}: must not lie in {folder}, which is repeated")
    if place.exists():
        raise ConfigError(f"--into {place}: exists, and nothing is overwritten; name a new folder")
    return place


def _rerun_alone(
    application: Application,
    config: DictConfig,
    record: RecordedRun,
    place: Path,
    words: list[str],
    task: TaskFunction,
) -> RepetitionError | None:
    """Repeat one run, as Hydra runs any other."""
    fill(config, record.config, place, overrides_of_run(record.directory) or [])
    application.run(CONFIG_NAME, task, words)
    return report([Repetition(record.run, record.extent, Run(place, read_summary(place)))])


def _rerun_sweeps(
    application: Application,
    config: DictConfig,
    records: Sequence[RecordedRun],
    place: Path,
    folder: Path,
    task: TaskFunction,
) -> RepetitionError | None:
    """Repeat all runs below a folder, those of one sweep side by side.

    Raises:
        SweepError: runs failed.
    """
    setup_globals()
    context = HydraContext(application.config_loader, Callbacks(config))
    sweeps: dict[Path, list[RecordedRun]] = {}
    for record in records:
        sweeps.setdefault(_sweep_of(record.directory, folder), []).append(record)
    ended: list[tuple[RecordedRun, HydraJob]] = []
    for own, members in sweeps.items():
        settings, view = _settings(own, config)
        sweep = copy.deepcopy(config)
        move_sweep(sweep, place / own.relative_to(folder))
        plan = plan_jobs(context, task, sweep, _composed(context, sweep, own, members))
        if settings.dry_run:
            print_plan(plan.jobs, plan.missing)
            continue
        _keep_config(own, plan.directory)
        run_jobs(plan, view, settings)
        ended += zip(members, plan.jobs, strict=True)
    complete = [pair for pair in ended if pair[1].run.status in COMPLETE]
    repetitions = [Repetition(one.run, one.extent, job.run) for one, job in complete]
    error = report(repetitions) if repetitions else None
    raise_failures([job for _, job in ended])
    return error


def _sweep_of(directory: Path, folder: Path) -> Path:
    """The folder of the sweep that a run below `folder` belongs to."""
    for above in directory.parents:
        if above.name == files.CONFIRMED or (above / files.SWEEP_CONFIG).exists():
            return above
        if above == folder:
            break
    return directory.parent


def _settings(own: Path, config: DictConfig) -> tuple[LauncherSettings, View]:
    """How a sweep is computed and what its figure shows: as recorded, unless typed otherwise.

    Raises:
        ConfigError: what is recorded is damaged.
    """
    confirms = own.name == files.CONFIRMED
    launcher, figure = settings_of_sweep(own.parent if confirms else own)
    typed = {
        key: config.hydra.launcher[key]
        for key in _COMPUTED
        if any(key_of(word) == f"hydra.launcher.{key}" for word in config.hydra.overrides.hydra)
    }
    view = from_plain(View, figure | {"tune": []} if confirms else figure, "figure.")
    return from_plain(LauncherSettings, launcher | {"dry_run": False} | typed), view


def _composed(
    context: HydraContext, sweep: DictConfig, own: Path, members: Sequence[RecordedRun]
) -> list[Composed]:
    """The jobs that repeat the runs of a sweep, each at the place that it has in its folder."""
    base = Base(context.config_loader.load_sweep_config(sweep, []), {})
    return [
        Composed(
            number,
            overrides_of_run(member.directory) or [],
            member.config,
            member.experiment,
            base,
            place=member.directory.relative_to(own),
        )
        for number, member in enumerate(members)
    ]


def _keep_config(own: Path, place: Path) -> None:
    """Copy the config of a sweep, which says how it was typed, to its new folder.

    Raises:
        RecordError: the folder cannot be written.
    """
    if not (own / files.SWEEP_CONFIG).exists():
        return
    try:
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(own / files.SWEEP_CONFIG, place / files.SWEEP_CONFIG)
    except OSError as error:
        raise RecordError(f"{place}: cannot be written: {error.strerror}") from error
