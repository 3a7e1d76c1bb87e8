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
from typing import Any

import jax

from runner.data import Dataset
from runner.engine.chunk import Chunk
from runner.engine.dispatched import Dispatched, chunk_of, next_length
from runner.engine.lanes import as_array
from runner.engine.memory import check_room, check_state
from runner.engine.placement import place
from runner.engine.state import Measured, Timeline
from runner.engine.turns import lanes_for
from runner.engine.with_states import Computed, WithStates
from runner.experiment.experiment import Experiment
from runner.experiment.plan import Phase, tabulated

CHUNK_SECONDS = 0.5
FIRST_CHUNK = 8
"""How many steps the first chunk has; one where steps may be slow, since nothing is recorded, and
an interruption not obeyed, before two chunks are done."""

SLOW_STEP = 8e6
"""Steps may be slow if the examples of a batch times the numbers in the state exceed this."""


class Training(WithStates):
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
        lanes: Computed | None = None,
    ) -> None:
        first = experiments[0]
        self.lanes: Computed = lanes or lanes_for(1, "sequential", jax.devices()[:1])
        arrays = place(first, dataset)
        self.arrays = self.lanes.share(arrays)
        self._numbers = [jax.tree.map(as_array, each) for each in experiments]
        self._placed = arrays
        if self.lanes.count > 1:
            check_room(first, arrays, self.lanes.count, self.lanes.devices[0])
        self.phases = first.phases()
        self.total_steps = self.phases[-1].end_step
        self.total_epochs = self.phases[-1].epoch(self.total_steps)
        self.error_kind = first.error_kind
        self.compile_seconds = 0.0
        self.state: Any = None
        self.at_rest = True
        """Whether the device has nothing to do, so that the state is that after the last chunk."""
        self._rests_next = False
        self._rests_every: int | None = None
        self._first_step = 0
        self._end_step = self.total_steps
        self._start: list[list[Any]] | None = None
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
            for phase in self._phases_left():
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

    def rest(self) -> None:
        """Let the device rest after the steps that it is working on, so that the state can be read.

        The chunk of these steps is then handed over while nothing is computed (`at_rest`), and the
        next steps are started after it.
        """
        self._rests_next = True

    def rest_every(self, epochs: int | None) -> None:
        """Let the device rest after each `epochs` epochs; None: only after `rest`."""
        self._rests_every = epochs

    def end_at(self, steps: int) -> None:
        """Train up to a number of steps only; to be called before `prepare` and `compile`."""
        self._end_step = steps

    def _phases_left(self) -> list[Phase]:
        first, end = self._first_step, self._end_step
        return [each for each in self.phases if each.end_step > first and each.first_step < end]

    def _chunks_of(self, phase: Phase) -> Iterator[list[Chunk | None]]:
        """The chunks of a phase; the next phase starts when all of them are in."""
        start, length = max(phase.first_step, self._first_step), self._first_chunk(phase)
        running: Dispatched | None = None
        started = time.time()
        end = min(phase.end_step, self._end_step)
        while start < end or running:
            following: Dispatched | None = None
            if start < end and not (running and self._rests_next):
                started = started if running else time.time()
                rest = phase.next_end(start, self._rests_every) if self._rests_every else end
                following = self._dispatch(phase, start, min(start + length, end, rest))
                start = following.until
                self._rests_next |= start == rest
            if running:
                measured = self.lanes.to_host(running.measured)
                done = time.time()
                chunks = self._collect(running, measured, started, done)
                length = next_length(running, done - started, CHUNK_SECONDS)
                started = done
                self.at_rest = following is None
                self._rests_next &= not self.at_rest
                yield chunks
            running = following

    def _first_chunk(self, phase: Phase) -> int:
        """How many steps the first chunk of a phase has; see `FIRST_CHUNK`."""
        work = self._state_numbers * phase.batch_size.examples(self._train_examples)
        return max(1, min(FIRST_CHUNK, int(SLOW_STEP / max(work, 1.0))))

    def prepare(self) -> None:
        """Start to compile the programs of all phases, in the background."""
        for phase in self._phases_left():
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
        first = self._phases_left()[0]
        self.prepare()
        needed = self.lanes.state_bytes(self._experiments[first], self.arrays)
        if self.lanes.count == 1:
            check_state(needed, self._numbers[0], self._placed, self.lanes.devices[0])
        self._state_numbers = needed / self.lanes.count / 4
        if self._start is None:
            self.state = self.lanes.initialize(self._experiments[first], self.arrays)
        else:
            self.state, self._start = self.lanes.restore(self._start), None
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

    def _dispatch(self, phase: Phase, start: int, until: int) -> Dispatched:
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
        return Dispatched(start, until, phase, measured)

    def _collect(
        self,
        dispatched: Dispatched,
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
            times, before = (started, done), self._seconds[lane]
            chunk = chunk_of(
                dispatched, of_lane, times, self.total_steps, before, share, self._every[1]
            )
            self._seconds[lane] = chunk.seconds
            self.ended[lane] = chunk.status is not None
            chunks[lane] = chunk
        return chunks
