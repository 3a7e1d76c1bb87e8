"""The host's loop: ask the engine for chunks of steps, and take in what they measured.

While the device works on chunk k + 1, the host writes chunk k. The length of a chunk follows from
how fast the last ones were, so that the screen, the curves and the event files advance about twice
a second; the results do not depend on it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np
import numpy.typing as npt

from runner.data import Dataset
from runner.engine.chunk import EPOCH_DTYPE, PATH_DTYPE, STEP_DTYPE, Chunk, make_chunk
from runner.engine.memory import check_room, check_state
from runner.engine.placement import place
from runner.engine.side_by_side import SideBySide
from runner.engine.state import GOES_ON, Measured, Timeline
from runner.engine.tables import named_rows
from runner.engine.train import STEPS_PER_CALL
from runner.engine.turns import lanes_for
from runner.experiment.experiment import Experiment
from runner.experiment.plan import Phase, tabulated
from runner.measures import EVALUATED_MEASURES, STEP_MEASURES

CHUNK_SECONDS = 0.5
FIRST_CHUNK = 8
"""How many steps the first chunk has; one where steps may be slow, since nothing is recorded, and
an interruption not obeyed, before two chunks are done."""

SLOW_STEP = 8e6
"""Steps may be slow if a batch has so many examples times numbers in the state."""

FASTEST_GROWTH = 32


class _Dispatched(NamedTuple):
    """The steps `start`, ..., `until - 1` that the device is working on."""

    start: int
    until: int
    phase: Phase
    measured: Any  # by `SideBySide.advance`


_Computed = SideBySide[Any, Any, Any, Any]


class Training:
    """The engine at work on some experiments side by side, chunk by chunk.

    Args:
        experiments: of equal structure, on the same data, with the same phases and evaluations.
        dataset: what their data source loaded.
        lanes: how they are computed; room for all of them. By default one experiment alone.

    Raises:
        MemoryShortageError: there are more lanes than memory.
    """

    def __init__(
        self,
        experiments: Sequence[Experiment],
        dataset: Dataset,
        lanes: _Computed | None = None,
    ) -> None:
        first = experiments[0]
        self.lanes: _Computed = lanes or lanes_for(1, "sequential", jax.devices()[:1])
        arrays = place(first, dataset)
        self.arrays = self.lanes.share(arrays)
        if self.lanes.count > 1:
            check_room(first, arrays, self.lanes.count, self.lanes.devices[0])
        self.phases = first.phases()
        self.total_steps = self.phases[-1].end_step
        self.total_epochs = self.phases[-1].epoch(self.total_steps)
        self.compile_seconds = 0.0
        self.state: Any = None
        self.ended = [False] * len(experiments)
        self._state_numbers = 1.0
        self._train_examples = first.data.sizes().train
        self._seconds = [0.0] * len(experiments)
        self._background = ThreadPoolExecutor(1)
        self._compiled: dict[Phase, Future[None]] = {}
        self._every = first.evaluate_every, first.steps_between_norms
        self._experiments = {
            phases[0]: self.lanes.stack(
                [
                    dataclasses.replace(each, batch_size=phase.batch_size)
                    for each, phase in zip(experiments, phases, strict=True)
                ]
            )
            for phases in zip(*(each.phases() for each in experiments), strict=True)
        }

    def chunks(self) -> Iterator[list[Chunk | None]]:
        """Train each experiment to its end: the last planned step, or where it stops or diverges.

        Yields:
            For every experiment what it did in a stretch of steps; None after it has ended.
        """
        if all(self.ended):
            return
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

    def drop(self, place: int) -> None:
        """Stop training the experiment in this place; the others go on."""
        self.ended[place] = True

    def _chunks_of(self, phase: Phase) -> Iterator[list[Chunk | None]]:
        """The chunks of a phase; the next phase starts when all of them are in."""
        start, length = phase.first_step, self._first_chunk(phase)
        running: _Dispatched | None = None
        started = time.time()
        while start < phase.end_step or running:
            following: _Dispatched | None = None
            if start < phase.end_step:
                following = self._dispatch(phase, start, min(start + length, phase.end_step))
                start = following.until
            if running:
                measured = self.lanes.to_host(running.measured)
                done = time.time()
                chunks = self._collect(running, measured, started, done)
                length = _next_length(running.until - running.start, done - started)
                started = done
                yield chunks
            running = following

    def _first_chunk(self, phase: Phase) -> int:
        """How many steps the first chunk of a phase has; see `FIRST_CHUNK`."""
        work = self._state_numbers * phase.batch_size.examples(self._train_examples)
        return max(1, min(FIRST_CHUNK, int(SLOW_STEP / max(work, 1.0))))

    def prepare(self) -> None:
        """Start to compile the programs of all phases, in the background."""
        for phase in self.phases:
            if phase not in self._compiled:
                self._compiled[phase] = self._background.submit(
                    self.lanes.compile,
                    self._experiments[phase],
                    self.arrays,
                    self._timeline(phase),
                )

    def compile(self) -> None:
        """Have the programs of the first phase ready, and the initial state; takes no step.

        The programs of later phases are compiled in the background.

        Raises:
            MemoryShortageError: the state of a run alone does not fit into the free memory.
        """
        if self.state is not None:
            return
        started = time.perf_counter()
        first = self.phases[0]
        self.prepare()
        needed = self.lanes.state_bytes(self._experiments[first], self.arrays)
        if self.lanes.count == 1:
            check_state(needed, self.lanes.devices[0])
        self._state_numbers = needed / self.lanes.count / 4
        self.state = self.lanes.initialize(self._experiments[first], self.arrays)
        self._compiled[first].result()
        # These bounds leave no step to take and nothing to evaluate.
        self.lanes.to_host(self._dispatch(first, first.first_step + 1, 0).measured)
        self.compile_seconds += time.perf_counter() - started

    def _wait_for(self, phase: Phase) -> None:
        started = time.perf_counter()
        self._compiled[phase].result()
        self.compile_seconds += time.perf_counter() - started

    def _timeline(self, phase: Phase) -> Timeline:
        return Timeline(
            phase.first_step,
            phase.first_epoch,
            self.total_steps,
            self.total_epochs,
            tabulated(self.phases),
            *self._every,
        )

    def _dispatch(self, phase: Phase, start: int, until: int) -> _Dispatched:
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
        return _Dispatched(start, until, phase, measured)

    def _collect(
        self,
        dispatched: _Dispatched,
        measured: Sequence[Measured | None],
        started: float,
        done: float,
    ) -> list[Chunk | None]:
        """What each experiment did; None for those that had ended before."""
        running = self.ended.count(False)
        share = min(1.0, len(self.lanes.devices) / max(running, 1))
        chunks: list[Chunk | None] = [None] * len(self.ended)
        for lane, (has_ended, of_lane) in enumerate(zip(self.ended, measured, strict=False)):
            if has_ended or of_lane is None:
                continue
            evaluations = _epoch_rows(dispatched.phase, of_lane)
            chunk = make_chunk(
                _step_rows(dispatched, of_lane),
                evaluations,
                started,
                done,
                self.total_steps,
                dispatched.phase.epoch,
                seconds_before=self._seconds[lane],
                share=share,
                stopped_at=_stopped_at(of_lane),
                kept_at=None if of_lane.kept_at is None else int(of_lane.kept_at),
                path=_path_rows(dispatched, of_lane),
                tables=named_rows(of_lane.tables or {}, evaluations),
            )
            self._seconds[lane] = chunk.seconds
            self.ended[lane] = chunk.status is not None
            chunks[lane] = chunk
        return chunks


def _step_rows(dispatched: _Dispatched, measured: Measured) -> npt.NDArray:
    """The steps of one lane."""
    rows = np.zeros(dispatched.until - dispatched.start, STEP_DTYPE)
    rows["step"] = np.arange(dispatched.start, dispatched.until)
    for name in STEP_MEASURES:
        rows[name] = measured.steps[name][: len(rows)]
    return rows


def _epoch_rows(phase: Phase, measured: Measured) -> npt.NDArray:
    """The evaluations of one lane."""
    rows = np.zeros(int(measured.evaluations), EPOCH_DTYPE)
    rows["step"] = measured.evaluated_at[: len(rows)]
    steps_before = phase.first_step - rows["step"]
    rows["epoch"] = phase.first_epoch - steps_before // phase.steps_per_epoch
    for name in EVALUATED_MEASURES:
        is_measured = name in measured.epochs.names
        rows[name] = measured.epochs[name][: len(rows)] if is_measured else np.nan
    return rows


def _stopped_at(measured: Measured) -> int | None:
    """The number of steps after which one lane stopped early; None if it has not."""
    if measured.stopped_at is None or measured.stopped_at == GOES_ON:
        return None
    return int(measured.stopped_at)


def _path_rows(dispatched: _Dispatched, measured: Measured) -> npt.NDArray | None:
    """The points at which the steps of one lane were taken, and the one after the last step."""
    if measured.path is None:
        return None
    rows = np.zeros(dispatched.until - dispatched.start + 1, PATH_DTYPE)
    rows["step"] = np.arange(dispatched.start, dispatched.until + 1)
    rows["x"], rows["y"] = measured.path[: len(rows)].T
    return rows


def _next_length(steps: int, seconds: float) -> int:
    """The number of steps that should take `CHUNK_SECONDS`, growing no faster than is safe."""
    wanted = int(steps * CHUNK_SECONDS / max(seconds, 1e-6))
    return max(1, min(wanted, steps * FASTEST_GROWTH, STEPS_PER_CALL))
