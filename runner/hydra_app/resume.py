"""`runner --resume FOLDER`: the run that a folder records goes on to its end, or beyond it.

The config is the one that the run recorded. The run goes on from its newest checkpoint, to the same
numbers as if it had never been interrupted; without one it is trained from its start.
"""

from __future__ import annotations

import contextlib
import functools
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra.types import RunMode
from omegaconf import DictConfig, flag_override

from runner import files
from runner.compare.rerun import commands_of_sweeps, overrides_of_run
from runner.compare.runs import read_run, run_folders
from runner.config.build import build
from runner.config.keeping import KEPT
from runner.config.locations import CONFIG_NAME
from runner.config.plugins import PLUGINS
from runner.errors import ConfigError, RecordError
from runner.execution.extension import check_longer, ends_between_evaluations
from runner.execution.recorded import RecordedRun, read_records
from runner.experiment.experiment import Experiment
from runner.hydra_app import dot_hydra
from runner.hydra_app.application import Application, fill
from runner.hydra_app.checking import as_plain
from runner.hydra_app.overrides import as_typed, key_of, without_prefix
from runner.interruption import deferred
from runner.record.checkpoints import LENGTHS, RecordedCheckpoint, find_checkpoint
from runner.record.lock import writing_in
from runner.record.recorder import Replaced
from runner.status import COMPLETE, Status
from runner.terminal.caller import is_command_line, tell
from runner.terminal.pipes import files_come_first
from runner.terminal.words import shell_path

_ALLOWED = (PLUGINS, *KEPT)
"""What may be typed beside a longer length."""


def resume(application: Application, arguments: Namespace, task: Callable[..., Any]) -> None:
    """Let the run in a folder go on.

    Args:
        application: Hydra's driver.
        arguments: the command line: the folder `resume`, and `overrides`.
        task: trains a run; takes its config and the checkpoint `earlier`.

    Raises:
        ConfigError: the folder, the record in it or a word of the command line is wrong.
        RecordError: the folder cannot be written.
    """
    folder, words = Path(arguments.resume), arguments.overrides
    _refuse_a_sweep(folder)
    _check_words(words)
    typed = application.compose_config(CONFIG_NAME, words, RunMode.RUN, with_log_configuration=True)
    (record,) = read_records(folder, typed[PLUGINS], ["--resume", arguments.resume, *words])
    changed = {without_prefix(key_of(word)) for word in words} - {PLUGINS}
    config = record.config | {key: as_plain(typed)[key] for key in changed}
    longer, stride = build(config), dict[str, int]()
    if longer.phases() != record.experiment.phases():
        check_longer(record.experiment, longer)
        _refuse_ended(record)
        stride = _stride(record.experiment, longer)
        config |= stride
        longer = build(config)
    elif record.run.status in COMPLETE:
        with contextlib.suppress(RecordError), writing_in(folder):
            pass  # what a killed process left there goes
        if is_command_line():
            print(f"{folder}: its run is complete ({record.run.status}); nothing is left to do")
        return
    common = _common_steps(record, longer)
    earlier = _checkpoint(record, config, common)
    files_come_first()
    added = [*_lengths(words), *(f"{key}={value}" for key, value in stride.items())]
    fill(typed, config, folder, [*(overrides_of_run(folder) or []), *added])
    replaced = _replaced(record, typed, config, common) if _is_finished(record) else None
    with deferred(), writing_in(folder):
        own = functools.partial(task, earlier=earlier, replaced=replaced)
        application.run(CONFIG_NAME, own, words)


def _replaced(
    record: RecordedRun, typed: DictConfig, config: dict[str, Any], common: int
) -> Replaced:
    """The finished record, and what writes the `.hydra` of the longer run in its place.

    Args:
        record: the finished one.
        typed: the composed config of the longer run; Hydra then writes nothing of it.
        config: the resolved config of the longer run.
        common: how many steps both have in common.
    """
    name, own = typed.hydra.output_subdir, dot_hydra.keys_of_a_job(typed)
    own["runtime"]["output_dir"] = str(record.directory.absolute())
    shared = dot_hydra.shared_text(typed)

    def write() -> None:
        if name is not None:
            dot_hydra.write(record.directory / name, own, config, shared)

    with flag_override(typed.hydra, ["struct", "readonly"], [False, False]):
        typed.hydra.output_subdir = None
    return Replaced(int(record.run.summary["steps"]), common, time.time(), write)


def _refuse_a_sweep(folder: Path) -> None:
    """Refuse the folder of a sweep, with the line that resumes it.

    Raises:
        ConfigError: it is one, or there is no run.
    """
    if (folder / files.SUMMARY).exists():
        return
    if (folder / files.SWEEP_CONFIG).exists():
        runs = filter(None, map(read_run, run_folders(folder)))
        line = commands_of_sweeps(runs).get(folder.name, "runner -m ...")
        where = f"hydra.sweep.dir={shell_path(folder)}"
        raise ConfigError(f"--resume {folder}: is a sweep, which its line resumes: {line} {where}")
    raise ConfigError(f"--resume {folder}: there is no run in it (a run has a {files.SUMMARY})")


def _check_words(words: Sequence[str]) -> None:
    """Refuse what would make it another run.

    Raises:
        ConfigError: there is such a word.
    """
    for word in words:
        if without_prefix(key_of(word)) not in (*_ALLOWED, *LENGTHS):
            raise ConfigError(
                f"{as_typed(without_prefix(word))}: --resume lets a run go on as it is recorded; "
                f"beside it only {', '.join((*LENGTHS, *_ALLOWED))} can be chosen"
            )


def _lengths(words: Sequence[str]) -> list[str]:
    """The words that make the run longer, which are recorded with its overrides."""
    return [word for word in words if without_prefix(key_of(word)) in LENGTHS]


def _is_finished(record: RecordedRun) -> bool:
    return record.run.status in COMPLETE


def _refuse_ended(record: RecordedRun) -> None:
    """Refuse to make a run longer that did not come to the end of its planned length.

    Raises:
        ConfigError: it stopped early or diverged, as a longer one would.
    """
    if _is_finished(record) and record.run.status != Status.FINISHED:
        steps = int(record.run.summary["steps"])
        raise ConfigError(
            f"{record.directory}: its run {record.run.status} after {steps:,} steps, and so would "
            "a longer one"
        )


def _stride(planned: Experiment, longer: Experiment) -> dict[str, int]:
    """What keeps the stride of a run, if a longer one would measure its norms at other steps.

    The curves of both are then one. Where it follows from the length, it is said from now on.
    """
    stride = planned.steps_between_norms
    return {} if longer.steps_between_norms == stride else {"measure_every": stride}


def _common_steps(record: RecordedRun, longer: Experiment) -> int:
    """After how many steps a longer run still is what a run was.

    All of its steps, unless it was evaluated at its end, where a longer one is not. Of a run that
    did not finish any number up to the end of the longer one.
    """
    if not _is_finished(record):
        return longer.total_steps - 1
    return record.experiment.total_steps - ends_between_evaluations(record.experiment, longer)


def _checkpoint(
    record: RecordedRun, config: dict[str, Any], common: int
) -> RecordedCheckpoint | None:
    """The newest checkpoint from which the run can go on; None: there is none. Says which, and why.

    Args:
        record: the run.
        config: the config with which it goes on.
        common: after how many steps the checkpoint may be at most.

    Raises:
        ConfigError: the run cannot be trained from its start.
    """
    found, refused = find_checkpoint(record.directory, config, before=common + 1)
    for line in refused:
        tell(f"Note:   {line}")
    if found is None and "started_from" in record.run.summary:
        raise ConfigError(
            f"{record.directory}: has no checkpoint, and its config does not say what it was "
            "started from; start it again"
        )
    if found is not None and (found.position.steps == common or not _is_finished(record)):
        tell(f"The run goes on after step {found.position.steps:,}")
    elif _is_finished(record):
        since = f" from step {found.position.steps:,}" if found else ""
        tell(f"There is no checkpoint at its end: the run is trained again{since} up to there")
    else:
        tell("There is no checkpoint to go on from: the run starts again")
    return found
