"""One run from an experiment to its record: drive the engine, write what it measured."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from runner import files
from runner.compare.runs import Run
from runner.config.build import chosen_options
from runner.engine.compilation import use_persistent_cache
from runner.engine.loop import Training
from runner.engine.memory import memory_errors
from runner.errors import RecordError
from runner.experiment.experiment import Experiment
from runner.experiment.pairing import cautions
from runner.interruption import check
from runner.record.facts import RunFacts
from runner.record.lock import writing_in
from runner.record.recorder import Recorder
from runner.statistics.remarks import remarks
from runner.terminal.live import Progress, print_found

log = logging.getLogger(__name__)


def run(
    experiment: Experiment, directory: Path, config: dict[str, Any], title: str = "training"
) -> dict[str, Any]:
    """Train one experiment and record it in a directory.

    Args:
        experiment: what to train.
        directory: where the record goes; it is created.
        config: the resolved config, recorded unchanged.
        title: what the progress line calls the run.

    Returns:
        The summary, as in `summary.json`. A run that diverged or stopped early is a result, not an
        error.

    Raises:
        UserError: the data cannot be read or the record cannot be written.
        KeyboardInterrupt: after what was computed has been recorded.
    """
    use_persistent_cache()
    print_found([experiment.data])
    with memory_errors():
        training = Training([experiment], experiment.data.load())
    training.prepare()  # programs are loaded while the record is started
    with _locked(directory):
        recorder = start_record(experiment, directory, config)
        try:
            with memory_errors():
                _train(training, recorder, title)
        except BaseException as error:
            recorder.fail(error, training.compile_seconds)
            raise
        return finish_record(recorder, training.compile_seconds, remarks_at=logging.WARNING)


def _train(training: Training, recorder: Recorder, title: str) -> None:
    """Train a run to its end; record and show what it does.

    Raises:
        KeyboardInterrupt: there was a signal; it is obeyed between chunks.
    """
    progress = Progress()
    try:
        progress.start(training.total_steps, training.total_epochs, title)
        with progress.compiling():
            training.compile()
        check()
        for (chunk,) in training.chunks():
            assert chunk is not None
            recorder.write(chunk)
            progress.update(chunk)
            if chunk.status is None:
                check()
    finally:
        progress.stop()


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Make the folder of a run and hold its lock.

    Raises:
        RecordError: it cannot be made, or another process writes there.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(f"{directory}: cannot be written: {error.strerror}") from error
    with writing_in(directory):
        yield


def start_record(
    experiment: Experiment, directory: Path, config: dict[str, Any], lanes: int = 1
) -> Recorder:
    """Start the record of a run: its files, and its log with the cautions of its options.

    Args:
        experiment: what is trained.
        directory: where the record goes; it is created.
        config: the resolved config.
        lanes: how many runs are computed side by side.

    Raises:
        RecordError: it cannot be written.
    """
    facts, device = experiment.facts(), jax.devices()[0]
    recorder = Recorder(
        directory,
        RunFacts(
            config=config,
            seed=experiment.seed,
            train_examples=facts.train_examples,
            total_steps=facts.total_steps,
            total_epochs=facts.total_epochs,
            device=f"{device.platform}: {device.device_kind}",
            measure_every=experiment.steps_between_norms,
            lanes=lanes,
            batch_size=facts.batch_size,
            clips=any(treatment.clips for treatment in experiment.gradient),
            error=experiment.data.error_kind,
            stop_reason=experiment.stopping.reason(),
        ),
    )
    if (found := experiment.data.summary()) is not None:
        log.info("%s", found)
    for key, chosen in chosen_options(experiment):
        for caution in chosen.cautions(facts):
            log.warning("%s: %s", key, caution)
    for key, caution in cautions(experiment):
        log.warning("%s: %s", key, caution)
    log.info("%d steps of %d examples on %s", facts.total_steps, facts.batch_size, device)
    return recorder


def finish_record(
    recorder: Recorder, compile_seconds: float, remarks_at: int = logging.INFO
) -> dict[str, Any]:
    """Close the record and the log of a run that trained to its end; return the summary.

    Args:
        recorder: of the run.
        compile_seconds: how long compiling took.
        remarks_at: the level at which the log says what deserves a look in the diagnostics: on the
            terminal, too, of a run alone, but not of each run of a sweep.

    Raises:
        RecordError: it cannot be written.
    """
    summary = recorder.finish(compile_seconds)
    record = Run(recorder.directory, summary)
    for remark in remarks(*map(record.diagnostics, files.DIAGNOSTICS)):
        log.log(remarks_at, "diagnostics: %s", remark)
    log.info("%s: %d steps in %.2f s", summary["status"], summary["steps"], summary["seconds"])
    return summary
