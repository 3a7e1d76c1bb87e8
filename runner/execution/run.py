"""One run from an experiment to its record: drive the engine, write what it measured."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

from runner.compare.runs import Run
from runner.config.build import chosen_options
from runner.engine.chunk import Chunk
from runner.engine.compilation import use_persistent_cache
from runner.engine.loop import Training
from runner.engine.memory import memory_errors
from runner.errors import RecordError
from runner.execution.branch import Trunk, stem_of
from runner.execution.checkpoints import Checkpoints, asked_for
from runner.execution.held import HeldRecord
from runner.execution.regained import regained
from runner.execution.starting import Start, first_state, record_start
from runner.experiment.experiment import Experiment
from runner.experiment.pairing import cautions
from runner.interruption import check
from runner.record.checkpoints import RecordedCheckpoint
from runner.record.facts import RunFacts
from runner.record.lock import writing_in
from runner.record.memory import Memory, Place
from runner.record.recorder import Recorder, Replaced
from runner.statistics.remarks import remarks
from runner.status import Status
from runner.terminal.live import Progress, print_found
from runner.terminal.words import shell_path

log = logging.getLogger(__name__)


def run(
    experiment: Experiment,
    place: Place,
    config: dict[str, Any],
    title: str = "training",
    earlier: RecordedCheckpoint | None = None,
    start: Start | None = None,
    replaced: Replaced | None = None,
) -> dict[str, Any]:
    """Train one experiment and record it in a directory, or in memory.

    Args:
        experiment: what to train.
        place: where the record goes; a directory is created.
        config: the resolved config, recorded unchanged.
        title: what the progress line calls the run.
        earlier: the checkpoint in this directory from which the run goes on; None: it starts.
        start: what it starts from, if from another run.
        replaced: the finished record in this directory, of which it is a longer run. In
            memory there is none.

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
        data = experiment.data.load()
        if replaced is not None:
            assert isinstance(place, Path)
            earlier = regained(experiment, data, place, config, replaced.common, earlier)
        source = stem_of(start, data) if isinstance(start, Trunk) else start
        training = Training([experiment], data)
        state = first_state(training, 0, earlier, source)
    if state is not None:
        training.resume([state])
    training.prepare()  # programs are loaded while the record is started

    def start_own_record() -> Recorder:
        facts = source.facts if source else None
        return start_record(experiment, place, config, 1, earlier, facts, replaced)

    is_longer = replaced is not None
    checkpoints = Checkpoints(training, asked_for(place, config), at_once=is_longer)
    with _locked(place):
        recorder = HeldRecord(start_own_record)
        if replaced is None:
            recorder.started()
        try:
            if source is not None and state is not None:
                record_start(recorder, source, state)
            with memory_errors():
                chunk = _train(training, recorder, checkpoints, title)
            if not recorder.is_started and earlier is not None:
                recorder.write_checkpoint(training.checkpoint(0, chunk))
            return finish_record(recorder.started(), training, 0, chunk, remarks_at=logging.WARNING)
        except BaseException as error:
            recorder.fail(error, training.compile_seconds)
            if isinstance(error, KeyboardInterrupt) and isinstance(place, Path):
                print(f"To go on: runner --resume {shell_path(place)}", file=sys.stderr)
            raise


def _train(training: Training, recorder: HeldRecord, checkpoints: Checkpoints, title: str) -> Chunk:
    """Train a run to its end; record and show what it does; return its last chunk.

    Raises:
        KeyboardInterrupt: there was a signal; what was computed is in a checkpoint.
    """
    progress = Progress(training.error_kind)
    try:
        progress.start(training.total_steps, training.total_epochs, title)
        with progress.compiling():
            training.compile()
        check()
        for chunks in training.chunks():
            (chunk,) = chunks
            assert chunk is not None
            recorder.write(chunk)
            progress.update(chunk)
            checkpoints.after(training, chunks, lambda _, state: recorder.write_checkpoint(state))
    finally:
        progress.stop()
    assert chunk is not None
    return chunk


@contextlib.contextmanager
def _locked(place: Place) -> Iterator[None]:
    """Make the folder of a run and hold its lock; nothing to do in memory.

    Raises:
        RecordError: it cannot be made, or another process writes there.
    """
    if isinstance(place, Memory):
        yield
        return
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(f"{place}: cannot be written: {error.strerror}") from error
    with writing_in(place):
        yield


def start_record(
    experiment: Experiment,
    place: Place,
    config: dict[str, Any],
    lanes: int = 1,
    earlier: RecordedCheckpoint | None = None,
    started_from: Mapping[str, Any] | None = None,
    replaced: Replaced | None = None,
) -> Recorder:
    """Start the record of a run: its files, and its log with the cautions of its options.

    Args:
        experiment: what is trained.
        place: where the record goes; a directory is created.
        config: the resolved config.
        lanes: how many runs are computed side by side.
        earlier: the checkpoint in this directory from which the run goes on; None: it starts.
        started_from: where the initial weights come from, if from another run.
        replaced: the finished record in this directory, if the run makes it longer.

    Raises:
        RecordError: it cannot be written.
    """
    facts, device = experiment.facts(), jax.devices()[0]
    recorder = Recorder(
        place,
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
            error=experiment.error_kind,
            started_from=started_from,
            stop_reason=experiment.stopping.reason(),
            best_by=experiment.best_by,
        ),
        earlier,
        replaced,
    )
    if (found := experiment.data.summary()) is not None:
        log.info("%s", found)
    for key, chosen in chosen_options(experiment):
        for caution in chosen.cautions(facts):
            log.warning("%s: %s", key, caution)
    for key, caution in cautions(experiment):
        log.warning("%s: %s", key, caution)
    log.info("%d steps of %d examples on %s", facts.total_steps, facts.batch_size, device)
    if earlier is not None:
        log.info("goes on after step %d, from %s", earlier.position.steps, earlier.file)
    return recorder


def finish_record(
    recorder: Recorder,
    training: Training,
    place: int,
    chunk: Chunk,
    remarks_at: int = logging.INFO,
) -> dict[str, Any]:
    """Write what a run leaves at its end, close its record and its log, and return the summary.

    A longer run would start from its last state. That is kept where there have been checkpoints: a
    shorter run is soon trained again, and one that diverged or stopped early does not go on.

    Args:
        recorder: the record of a run that trained to its end.
        training: what it was trained by.
        place: its place there.
        chunk: its last one.
        remarks_at: the level at which the log says what deserves a look in the diagnostics: on the
            terminal, too, of a run alone, but not of each run of a sweep.

    Raises:
        RecordError: it cannot be written.
    """
    recorder.write_weights(training.weights(place, chunk))
    summary = recorder.finish(training.compile_seconds)
    if chunk.tables:  # else there are no files to look for
        record = Run(recorder.directory, summary)
        for remark in remarks(*map(record.diagnostics, ("layers", "parameters", "curvature"))):
            log.log(remarks_at, "diagnostics: %s", remark)
    log.info("%s: %d steps in %.2f s", summary["status"], summary["steps"], summary["seconds"])
    try:
        if chunk.status != Status.FINISHED:
            recorder.discard_checkpoints()
        elif recorder.has_checkpoint:
            recorder.write_checkpoint(training.checkpoint(place, chunk))
    except RecordError as error:  # the run is complete without
        log.warning("%s", error)
    return summary
