"""One run from an experiment to its record: place the data, drive the engine, write what it says.

The host asks for chunks of steps and writes chunk k while the device works on k + 1. How many
steps a chunk has follows from how fast the last ones went, so that the screen, the curves and the
event files advance about twice a second; the results do not depend on it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import numpy.typing as npt

from runner.compilation import use_persistent_cache
from runner.config import chosen_options
from runner.data import Dataset
from runner.errors import RecordError
from runner.experiment import Experiment
from runner.measures import EPOCH_MEASURES, STEP_MEASURES
from runner.options.batch_size import Phase
from runner.placement import place
from runner.progress import Progress
from runner.record.chunk import EPOCH_DTYPE, STEP_DTYPE, Chunk
from runner.record.recorder import Recorder
from runner.state import Arrays, Measured, State, Timeline
from runner.train import STEPS_PER_CALL, advance, initialize, leaves_as_arrays

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
        total_epochs=facts.total_epochs,
        device=f"{device.platform}: {device.device_kind}",
        clips=any(treatment.clips for treatment in experiment.gradient),
        error_is_a_rate=experiment.data.error_is_a_rate,
    )
    for key, chosen in chosen_options(experiment):
        for caution in chosen.cautions(facts):
            log.warning("%s: %s", key, caution)
    log.info("%d steps of %d examples on %s", facts.total_steps, facts.batch_size, device)
    progress = Progress()
    training = Training(experiment, dataset)
    metrics: dict[str, float] = {}
    try:
        progress.start(facts.total_steps, facts.total_epochs, title)
        for chunk in training.chunks():
            recorder.write(chunk)
            _report(progress, chunk, metrics)
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
    phase: Phase
    measured: Measured


class Training:
    """The engine at work on one experiment, chunk by chunk."""

    def __init__(self, experiment: Experiment, dataset: Dataset) -> None:
        self.arrays: Arrays = place(experiment, dataset)
        self.phases = experiment.phases()
        self.total_steps = self.phases[-1].end_step
        self.total_epochs = self.phases[-1].epoch(self.total_steps)
        self.compile_seconds = 0.0
        self.state: State | None = None
        self._programs = {
            phase: leaves_as_arrays(dataclasses.replace(experiment, batch_size=phase.batch_size))
            for phase in self.phases
        }

    def chunks(self) -> Iterator[Chunk]:
        """Train to the end, or to the first step whose loss is not a number."""
        for phase in self.phases:
            self.compile(phase)
            for chunk in self._chunks_of(phase):
                yield chunk
                if not np.isfinite(chunk.steps["train_loss"][-1]):
                    return

    def _chunks_of(self, phase: Phase) -> Iterator[Chunk]:
        """The chunks of a stretch with one size of batch; the next begins when all are in."""
        start, length = phase.first_step, FIRST_CHUNK
        pending: _Pending | None = None
        begun = time.time()
        while start < phase.end_step or pending:
            following: _Pending | None = None
            if start < phase.end_step:
                following = self._dispatch(phase, start, min(start + length, phase.end_step))
                start = following.until
            if pending:
                chunk = self._collect(pending, begun)
                begun = chunk.ended
                length = _next_length(len(chunk.steps), chunk.ended - chunk.begun)
                yield chunk
            pending = following

    def compile(self, phase: Phase) -> None:
        """Have a phase's programs ready, and the initial state; takes no step."""
        begun = time.perf_counter()
        if self.state is None:
            self.state = initialize(self._programs[phase], self.arrays)
        # To a step that has been taken: nothing to take and nothing to evaluate.
        jax.block_until_ready(self._dispatch(phase, phase.first_step + 1, 0, keep=False).measured)
        self.compile_seconds += time.perf_counter() - begun

    def _dispatch(self, phase: Phase, start: int, until: int, *, keep: bool = True) -> _Pending:
        timeline = Timeline(
            phase.first_step, phase.first_epoch, self.total_steps, float(self.total_epochs)
        )
        assert self.state is not None
        state, measured = advance(
            self._programs[phase], self.arrays, self.state, start, until, timeline
        )
        if keep:
            self.state = state
        return _Pending(start, until, phase, measured)

    def _collect(self, pending: _Pending, begun: float) -> Chunk:
        """Wait for a chunk and bring what it measured to the host."""
        measured = jax.device_get(pending.measured)
        ended = time.time()
        phase = pending.phase
        steps = np.zeros(pending.until - pending.start, STEP_DTYPE)
        steps["step"] = np.arange(pending.start, pending.until)
        for index, name in enumerate(STEP_MEASURES):
            steps[name] = measured.steps[: len(steps), index]
        epochs = np.zeros(int(measured.evaluations), EPOCH_DTYPE)
        epochs["step"] = measured.evaluated_at[: len(epochs)]
        within = epochs["step"] - phase.first_step
        epochs["epoch"] = phase.first_epoch - (-within // phase.steps_per_epoch)
        for index, name in enumerate(EPOCH_MEASURES):
            epochs[name] = measured.epochs[: len(epochs), index]
        steps, epochs = _until_divergence(steps, epochs)
        return Chunk(steps, epochs, begun, ended, phase.epoch(int(steps["step"][-1]) + 1))


def _until_divergence(steps: npt.NDArray, epochs: npt.NDArray) -> tuple[npt.NDArray, npt.NDArray]:
    """Cut after the first step whose loss is not a number."""
    bad = np.flatnonzero(~np.isfinite(steps["train_loss"]))
    if len(bad):
        steps = steps[: bad[0] + 1]
        epochs = epochs[epochs["step"] <= steps["step"][-1]]
    return steps, epochs


def _next_length(steps: int, seconds: float) -> int:
    """The number of steps that should take `CHUNK_SECONDS`, growing no faster than is safe."""
    wanted = int(steps * CHUNK_SECONDS / max(seconds, 1e-6))
    return max(1, min(wanted, steps * FASTEST_GROWTH, STEPS_PER_CALL))


def _report(progress: Progress, chunk: Chunk, metrics: dict[str, float]) -> None:
    """Tell the terminal where the run is; `metrics` keeps what was last known."""
    metrics["loss"] = float(chunk.steps["train_loss"].mean())
    if len(chunk.epochs):
        metrics["val error"] = float(chunk.epochs["validation_error"][-1])
    speed = len(chunk.steps) / max(chunk.ended - chunk.begun, 1e-9)
    progress.update(int(chunk.steps["step"][-1]) + 1, chunk.epochs_taken, metrics, speed)
