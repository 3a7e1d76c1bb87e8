"""The host's loop: ask the engine for chunks of steps, take in what they measured.

While the device works on chunk k + 1 the host has chunk k to write. How many steps a chunk has
follows from how fast the last ones went, so that the screen, the curves and the event files advance
about twice a second; the results do not depend on it.
"""

from __future__ import annotations

import dataclasses
import operator
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np
import numpy.typing as npt

from runner.data import Dataset
from runner.engine.chunk import EPOCH_DTYPE, PATH_DTYPE, STEP_DTYPE, Chunk
from runner.engine.lanes import Lanes
from runner.engine.memory import check_room
from runner.engine.placement import place
from runner.engine.state import Arrays, Measured, State, Timeline
from runner.engine.train import STEPS_PER_CALL
from runner.experiment.experiment import Experiment
from runner.experiment.plan import Phase
from runner.measures import EPOCH_MEASURES, STEP_MEASURES

CHUNK_SECONDS = 0.5
FIRST_CHUNK = 8
FASTEST_GROWTH = 32


class _Pending(NamedTuple):
    """A chunk that the device is working on."""

    start: int
    until: int
    phase: Phase
    measured: Measured


class Training:
    """The engine at work on some experiments side by side, chunk by chunk.

    Args:
        experiments: of equal structure, on the same data, with the same phases and evaluations.
        dataset: what their data source loaded.
        lanes: how they are computed; room for all of them. One is computed alone by default.

    Raises:
        MemoryError: there are more lanes than memory.
    """

    def __init__(
        self, experiments: Sequence[Experiment], dataset: Dataset, lanes: Lanes | None = None
    ) -> None:
        first = experiments[0]
        self.lanes = lanes or Lanes(1, "alone", jax.devices()[:1])
        self.arrays: Arrays = self.lanes.share(place(first, dataset))
        if self.lanes.count > 1:
            check_room(first, self.arrays, self.lanes.count, self.lanes.devices[0])
        self.phases = first.phases()
        self.total_steps = self.phases[-1].end_step
        self.total_epochs = self.phases[-1].epoch(self.total_steps)
        self.compile_seconds = 0.0
        self.state: State | None = None
        self.ended = [False] * len(experiments)
        self._background = ThreadPoolExecutor(1)
        self._compiled: dict[Phase, Future[None]] = {}
        self._evaluate_every = first.evaluate_every
        self._experiments = {
            together[0]: self.lanes.stack(
                [
                    dataclasses.replace(each, batch_size=phase.batch_size)
                    for each, phase in zip(experiments, together, strict=True)
                ]
            )
            for together in zip(*(each.phases() for each in experiments), strict=True)
        }

    def chunks(self) -> Iterator[list[Chunk | None]]:
        """Train each to its end, or to the first step whose loss is not a number.

        Yields:
            For every experiment what it did in a stretch of steps; None after it has ended.
        """
        self.compile()
        try:
            for phase in self.phases:
                self._wait_for(phase)
                for chunks in self._chunks_of(phase):
                    yield chunks
                    if all(self.ended):
                        return
        finally:
            self._background.shutdown(wait=False, cancel_futures=True)

    def _chunks_of(self, phase: Phase) -> Iterator[list[Chunk | None]]:
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
                measured = self.lanes.to_host(pending.measured)
                ended = time.time()
                chunks = self._collect(pending, measured, begun, ended)
                length = _next_length(pending.until - pending.start, ended - begun)
                begun = ended
                yield chunks
            pending = following

    def compile(self) -> None:
        """Have the programs of the first phase ready, and the initial state; takes no step.

        The programs of later phases are compiled in the background.
        """
        if self.state is not None:
            return
        begun = time.perf_counter()
        first = self.phases[0]
        shapes = self.lanes.shapes(self._experiments[first], self.arrays)
        for phase in self.phases:
            self._compiled[phase] = self._background.submit(
                self.lanes.compile,
                self._experiments[phase],
                self.arrays,
                shapes,
                self._timeline(phase),
            )
        self.state = self.lanes.initialize(self._experiments[first], self.arrays)
        self._compiled[first].result()
        # To a step that has been taken: nothing to take and nothing to evaluate.
        jax.block_until_ready(self._dispatch(first, first.first_step + 1, 0).measured)
        self.compile_seconds += time.perf_counter() - begun

    def _wait_for(self, phase: Phase) -> None:
        begun = time.perf_counter()
        self._compiled[phase].result()
        self.compile_seconds += time.perf_counter() - begun

    def _timeline(self, phase: Phase) -> Timeline:
        return Timeline(
            phase.first_step,
            phase.first_epoch,
            self.total_steps,
            self.total_epochs,
            self._evaluate_every,
        )

    def _dispatch(self, phase: Phase, start: int, until: int) -> _Pending:
        assert self.state is not None
        self.state, measured = self.lanes.advance(
            self._experiments[phase],
            self.arrays,
            self.state,
            start,
            until,
            self._timeline(phase),
            self.ended,
        )
        return _Pending(start, until, phase, measured)

    def _collect(
        self, pending: _Pending, measured: Measured, begun: float, ended: float
    ) -> list[Chunk | None]:
        """What each experiment did; those whose loss is no longer a number have ended."""
        running = self.ended.count(False)
        share = min(1.0, len(self.lanes.devices) / max(running, 1))
        chunks: list[Chunk | None] = []
        for lane, has_ended in enumerate(self.ended):
            if has_ended:
                chunks.append(None)
                continue
            of_lane = jax.tree.map(operator.itemgetter(lane), measured)
            steps, epochs = _rows(pending, of_lane)
            last = int(steps["step"][-1])
            self.ended[lane] = last + 1 == self.total_steps or not np.isfinite(
                steps["train_loss"][-1]
            )
            taken = pending.phase.epoch(last + 1)
            path = _path(steps, of_lane, at_end=last + 1 == self.total_steps)
            chunks.append(Chunk(steps, epochs, begun, ended, taken, share, path))
        return chunks


def _rows(pending: _Pending, measured: Measured) -> tuple[npt.NDArray, npt.NDArray]:
    """The rows of one lane, up to the first step whose loss is not a number."""
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
    bad = np.flatnonzero(~np.isfinite(steps["train_loss"]))
    if len(bad):
        steps = steps[: bad[0] + 1]
        epochs = epochs[epochs["step"] <= steps["step"][-1]]
    return steps, epochs


def _path(steps: npt.NDArray, measured: Measured, *, at_end: bool) -> npt.NDArray | None:
    """The points at which the steps were taken, and the last one at the end of the run."""
    if measured.path is None:
        return None
    path = np.zeros(len(steps) + at_end, PATH_DTYPE)
    path["step"] = steps["step"][0] + np.arange(len(path))
    path["x"], path["y"] = measured.path[: len(path)].T
    return path


def _next_length(steps: int, seconds: float) -> int:
    """The number of steps that should take `CHUNK_SECONDS`, growing no faster than is safe."""
    wanted = int(steps * CHUNK_SECONDS / max(seconds, 1e-6))
    return max(1, min(wanted, steps * FASTEST_GROWTH, STEPS_PER_CALL))
