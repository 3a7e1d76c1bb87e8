"""One run from an experiment to its record: place the data, drive the engine, write what it says.

The host asks for chunks of steps and writes chunk k while the device works on k + 1. How many
steps a chunk has follows from how fast the last ones went, so that the screen, the curves and the
event files advance about twice a second; the results do not depend on it.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from runner.compilation import use_persistent_cache
from runner.data import Dataset
from runner.errors import RecordError
from runner.experiment import Experiment
from runner.measures import EPOCH_MEASURES, STEP_MEASURES
from runner.placement import place
from runner.progress import Progress
from runner.record.chunk import EPOCH_DTYPE, STEP_DTYPE, Chunk
from runner.record.recorder import Recorder
from runner.train import (
    STEPS_PER_CALL,
    Arrays,
    Measured,
    State,
    advance,
    initialize,
    leaves_as_arrays,
)

log = logging.getLogger(__name__)

CHUNK_SECONDS = 0.5
FIRST_CHUNK = 8
FASTEST_GROWTH = 8


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
    facts = experiment.facts()
    device = jax.devices()[0]
    recorder = Recorder(
        directory,
        config=config,
        seed=experiment.seed,
        total_steps=facts.total_steps,
        steps_per_epoch=facts.steps_per_epoch,
        device=f"{device.platform}: {device.device_kind}",
    )
    log.info("%d steps of %d examples on %s", facts.total_steps, facts.batch_size, device)
    progress = Progress()
    training = Training(experiment, dataset)
    metrics: dict[str, float] = {}
    try:
        progress.start(facts.total_steps, facts.total_steps / facts.steps_per_epoch, title)
        for chunk in training.chunks():
            recorder.write(chunk)
            _report(progress, chunk, metrics, facts.steps_per_epoch)
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        with contextlib.suppress(RecordError):
            recorder.close(
                "interrupted" if interrupted else "failed",
                reason=None if interrupted else f"{type(error).__name__}: {error}",
                compile_seconds=training.compile_seconds,
            )
        raise
    finally:
        progress.stop()
    status = "finished" if recorder.diverged_at is None else "diverged"
    summary = recorder.close(status, compile_seconds=training.compile_seconds)
    log.info("%s: %d steps in %.2f s", status, summary["steps"], summary["seconds"])
    return summary


class _Pending(NamedTuple):
    """A chunk that the device is working on."""

    start: int
    until: int
    measured: Measured


class Training:
    """The engine at work on one experiment, chunk by chunk."""

    def __init__(self, experiment: Experiment, dataset: Dataset) -> None:
        self.experiment = leaves_as_arrays(experiment)
        self.arrays: Arrays = place(experiment, dataset)
        facts = experiment.facts()
        self.steps_per_epoch, self.total_steps = facts.steps_per_epoch, facts.total_steps
        self.compile_seconds = 0.0
        self.state: State | None = None

    def chunks(self) -> Iterator[Chunk]:
        """Train to the end, or to the first step whose loss is not a number."""
        self.compile()
        start, length = 0, FIRST_CHUNK
        pending: _Pending | None = None
        begun = time.time()
        while start < self.total_steps or pending:
            following: _Pending | None = None
            if start < self.total_steps:
                following = self._dispatch(start, min(start + length, self.total_steps))
                start = following.until
            if pending:
                chunk = self._collect(pending, begun)
                begun = chunk.ended
                length = _next_length(len(chunk.steps), chunk.ended - chunk.begun)
                yield chunk
                if not np.isfinite(chunk.steps["train_loss"][-1]):
                    return
            pending = following

    def compile(self) -> None:
        """Have both programs ready, and the initial state; takes no step."""
        begun = time.perf_counter()
        self.state = initialize(self.experiment, self.arrays)
        # From step 1 until step 1: nothing to take and nothing to evaluate.
        nothing = advance(self.experiment, self.arrays, self.state, 1, 1, self.total_steps)
        jax.block_until_ready(nothing)
        self.compile_seconds = time.perf_counter() - begun

    def _dispatch(self, start: int, until: int) -> _Pending:
        self.state, measured = advance(
            self.experiment, self.arrays, self.state, start, until, self.total_steps
        )
        return _Pending(start, until, measured)

    def _collect(self, pending: _Pending, begun: float) -> Chunk:
        """Wait for a chunk and bring what it measured to the host."""
        measured = jax.device_get(pending.measured)
        ended = time.time()
        steps = np.zeros(pending.until - pending.start, STEP_DTYPE)
        steps["step"] = np.arange(pending.start, pending.until)
        for index, name in enumerate(STEP_MEASURES):
            steps[name] = measured.steps[: len(steps), index]
        epochs = np.zeros(int(measured.evaluations), EPOCH_DTYPE)
        epochs["step"] = measured.evaluated_at[: len(epochs)]
        epochs["epoch"] = -(-epochs["step"] // self.steps_per_epoch)
        for index, name in enumerate(EPOCH_MEASURES):
            epochs[name] = measured.epochs[: len(epochs), index]
        return _until_divergence(Chunk(steps, epochs, begun, ended))


def _until_divergence(chunk: Chunk) -> Chunk:
    """Cut a chunk after the first step whose loss is not a number."""
    bad = np.flatnonzero(~np.isfinite(chunk.steps["train_loss"]))
    if not len(bad):
        return chunk
    steps = chunk.steps[: bad[0] + 1]
    epochs = chunk.epochs[chunk.epochs["step"] <= steps["step"][-1]]
    return chunk._replace(steps=steps, epochs=epochs)


def _next_length(steps: int, seconds: float) -> int:
    """The number of steps that should take `CHUNK_SECONDS`, growing no faster than is safe."""
    wanted = int(steps * CHUNK_SECONDS / max(seconds, 1e-6))
    return max(1, min(wanted, steps * FASTEST_GROWTH, STEPS_PER_CALL))


def _report(progress: Progress, chunk: Chunk, metrics: dict[str, float], per_epoch: int) -> None:
    """Tell the terminal where the run is; `metrics` keeps what was last known."""
    step = int(chunk.steps["step"][-1]) + 1
    metrics["loss"] = float(chunk.steps["train_loss"].mean())
    if len(chunk.epochs):
        metrics["val error"] = float(chunk.epochs["validation_error"][-1])
    speed = len(chunk.steps) / max(chunk.ended - chunk.begun, 1e-9)
    progress.update(step, step / per_epoch, metrics, speed)
