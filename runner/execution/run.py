"""One run from an experiment to its record: drive the engine, write what it says."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Any

import jax

from runner.config.build import chosen_options
from runner.engine.chunk import Chunk
from runner.engine.compilation import use_persistent_cache
from runner.engine.loop import Training
from runner.errors import RecordError
from runner.experiment.experiment import Experiment
from runner.measures import METRIC
from runner.record.recorder import Recorder
from runner.status import Status
from runner.terminal.live import Progress

log = logging.getLogger(__name__)


def run(
    experiment: Experiment, directory: Path, config: dict[str, Any], title: str = "training"
) -> dict[str, Any]:
    """Train one experiment and record it in a directory.

    Args:
        experiment: what to train.
        directory: where the record goes; it is created.
        config: the resolved config, recorded as it stands.
        title: what the progress line calls the run.

    Returns:
        The summary, as it stands in `summary.json`. A diverged run is a result, not an error.

    Raises:
        UserError: the data cannot be read or the record cannot be written.
        KeyboardInterrupt: after what was computed has been recorded.
    """
    use_persistent_cache()
    dataset = experiment.data.load()
    recording = Recording(experiment, directory, config)
    progress = Progress()
    training = Training([experiment], dataset)
    metrics: dict[str, float] = {}
    try:
        progress.start(training.total_steps, training.total_epochs, title)
        for (chunk,) in training.chunks():
            assert chunk is not None
            recording.write(chunk)
            _report(progress, chunk, metrics)
    except BaseException as error:
        recording.fail(error, training.compile_seconds)
        raise
    finally:
        progress.stop()
    return recording.finish(training.compile_seconds)


class Recording:
    """The record of one run while it trains: its files, and its log.

    Args:
        experiment: what is trained.
        directory: where the record goes; it is created.
        config: the resolved config.
        lanes: how many runs are computed side by side.
    """

    def __init__(
        self, experiment: Experiment, directory: Path, config: dict[str, Any], lanes: int = 1
    ) -> None:
        facts = experiment.facts()
        device = jax.devices()[0]
        self._recorder = Recorder(
            directory,
            config=config,
            seed=experiment.seed,
            train_examples=facts.train_examples,
            total_steps=facts.total_steps,
            total_epochs=facts.total_epochs,
            device=f"{device.platform}: {device.device_kind}",
            lanes=lanes,
            batch_size=facts.batch_size,
            clips=any(treatment.clips for treatment in experiment.gradient),
            error_is_a_rate=experiment.data.error_is_a_rate,
        )
        for key, chosen in chosen_options(experiment):
            for caution in chosen.cautions(facts):
                log.warning("%s: %s", key, caution)
        log.info("%d steps of %d examples on %s", facts.total_steps, facts.batch_size, device)

    def write(self, chunk: Chunk) -> None:
        """Record a chunk."""
        self._recorder.write(chunk)

    def finish(self, compile_seconds: float) -> dict[str, Any]:
        """Close the record of a run that has ended by itself, and return its summary."""
        status = Status.FINISHED if self._recorder.diverged_at is None else Status.DIVERGED
        summary = self._recorder.close(status, compile_seconds=compile_seconds)
        log.info("%s: %d steps in %.2f s", status, summary["steps"], summary["seconds"])
        return summary

    def fail(self, error: BaseException, compile_seconds: float) -> None:
        """Close the record of a run that an error or an interruption ended."""
        interrupted = isinstance(error, KeyboardInterrupt)
        with contextlib.suppress(RecordError):
            self._recorder.close(
                Status.INTERRUPTED if interrupted else Status.FAILED,
                reason=None if interrupted else f"{type(error).__name__}: {error}",
                compile_seconds=compile_seconds,
            )


def _report(progress: Progress, chunk: Chunk, metrics: dict[str, float]) -> None:
    """Tell the terminal where the run is; `metrics` keeps what was last known."""
    metrics["loss"] = float(chunk.steps["train_loss"].mean())
    if len(chunk.epochs):
        metrics["val error"] = float(chunk.epochs[METRIC][-1])
    speed = len(chunk.steps) / max(chunk.ended - chunk.begun, 1e-9)
    progress.update(int(chunk.steps["step"][-1]) + 1, chunk.epochs_taken, metrics, speed)
