"""A sweep: many runs trained side by side, each recorded as if it had run alone.

Cohorts (see `runner.execution.cohorts`) train one after the other. While one trains, the next is
prepared in the background: its data are read and its programs compiled. Nothing that goes wrong in
one run affects another; if memory runs out, the sweep goes on with half the number of lanes.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import jax

from runner.config.keeping import Keeping
from runner.data import Dataset, Source
from runner.engine.checkpoint import Checkpoint
from runner.engine.chunk import Chunk
from runner.engine.loop import Training
from runner.engine.memory import explained
from runner.engine.turns import lanes_for
from runner.errors import log_failure
from runner.execution.branch import Stem, Trunk, stem_of
from runner.execution.checkpoints import Checkpoints, asked_for
from runner.execution.cohorts import Cohort, halved
from runner.execution.run import finish_record, start_record
from runner.execution.starting import Start, first_state, record_start
from runner.execution.transfer import Origin
from runner.experiment.experiment import Experiment
from runner.interruption import check
from runner.record.checkpoints import RecordedCheckpoint
from runner.record.lock import check_free
from runner.record.memory import Memory, Place
from runner.record.recorder import Recorder
from runner.status import Status, status_after
from runner.terminal.live_sweep import SweepProgress

log = logging.getLogger(__name__)

_LOOKS = 0.1
"""After how many seconds it is looked again whether there was a signal."""


class Job(Protocol):
    """A run of a sweep, as the sweep sees it."""

    experiment: Experiment
    config: dict[str, Any]
    title: str

    earlier: RecordedCheckpoint | None
    """The checkpoint from which the run goes on, in the directory; None: it starts."""

    start: Start | None
    """What the run starts from, if from another run."""

    @property
    def directory(self) -> Place | None:
        """Where the record goes; a folder is made when `at_work` is first entered."""

    def at_work(self) -> AbstractContextManager[None]:
        """Make the log and the environment of the run current, while the context is open."""

    def end(self, summary: dict[str, Any], error: BaseException | None) -> None:
        """Receive how the run ended, with the error if it failed or was interrupted."""


class Stopped(Exception):  # noqa: N818 - no error: the user asked for it
    """A run failed, and the user wants the sweep to stop there."""


def train(
    jobs: Sequence[Job], cohorts: Sequence[Cohort], progress: SweepProgress, *, fail_fast: bool
) -> None:
    """Train all jobs; call `end` of each that was started.

    Args:
        jobs: the runs.
        cohorts: which of them train side by side.
        progress: what the terminal shows.
        fail_fast: stop at the first run that fails.

    Raises:
        Stopped: a run failed and `fail_fast` is set.
        KeyboardInterrupt: after what was computed has been recorded.
    """
    background = ThreadPoolExecutor(1)
    sources = _sources(jobs)
    try:
        _train_in_turn(background, jobs, sources, cohorts, progress, fail_fast=fail_fast)
    finally:  # after an interruption nobody waits for what is still compiled
        background.shutdown(wait=False, cancel_futures=True)


def _train_in_turn(
    background: ThreadPoolExecutor,
    jobs: Sequence[Job],
    sources: Sequence[Origin | Stem | None],
    cohorts: Sequence[Cohort],
    progress: SweepProgress,
    *,
    fail_fast: bool,
) -> None:
    """Train cohort after cohort, while the background prepares the next one; see `train`."""
    load: Callable[[Source], Dataset] = functools.lru_cache(maxsize=2)(lambda data: data.load())
    waiting = list(cohorts)
    following: _PendingCohort | None = None

    def prepare(cohort: Cohort) -> _PendingCohort:
        lanes = [_Lane(jobs[member], sources[member], progress) for member in cohort.members]
        return _PendingCohort(
            cohort, lanes, background.submit(_prepare_training, lanes, cohort, load)
        )

    while waiting:
        current = following or prepare(waiting[0])
        del waiting[0]
        following = prepare(waiting[0]) if waiting else None
        try:
            current.start_records()
            if following:
                following.start_records(until=current.training.done)
            with progress.compiling():
                training = _result(current.training)
            _train_cohort(current.lanes, training, fail_fast=fail_fast)
        except Exception as raised:
            cohort = current.cohort
            error = explained(raised, cohort.lanes)
            if isinstance(error, MemoryError) and cohort.lanes > 1:
                log.warning("out of memory with %d lanes side by side", cohort.lanes)
                waiting = halved([cohort, *waiting], cohort.structure)
                following = None
                continue
            current.fail(KeyboardInterrupt() if isinstance(error, Stopped) else error)
            if fail_fast:
                if following:
                    following.fail(KeyboardInterrupt())
                raise Stopped from error
        except BaseException as interruption:
            for unfinished in filter(None, (current, following)):
                unfinished.fail(interruption)
            raise


class _PendingCohort(NamedTuple):
    """A cohort that is about to train: its lanes, and what is prepared in the background."""

    cohort: Cohort
    lanes: list[_Lane]
    training: Future[Training]

    def start_records(self, until: Callable[[], bool] = lambda: False) -> None:
        """Start the records of the runs that have none, as long as `until()` is false."""
        for lane in self.lanes:
            if until():
                return
            lane.start_record(self.cohort.lanes)

    def fail(self, error: BaseException) -> None:
        """End the runs that have a record and have not ended."""
        for lane in self.lanes:
            if lane.started and not lane.ended:
                lane.fail(error)


def _sources(jobs: Sequence[Job]) -> list[Origin | Stem | None]:
    """What each run starts from; a run that others branch off is trained up to there, once."""
    stems: dict[int, Stem] = {}
    found: list[Origin | Stem | None] = []
    for job in jobs:
        start = job.start
        if job.earlier is not None or not isinstance(start, Trunk):
            found.append(None if isinstance(start, Trunk) else start)
            continue
        if start.steps not in stems:
            stems[start.steps] = stem_of(start, start.experiment.data.load())
        found.append(stems[start.steps])
    return found


def _prepare_training(
    members: Sequence[_Lane], cohort: Cohort, load: Callable[[Source], Dataset]
) -> Training:
    """Read the data, compile the programs, and compute the initial states."""
    experiments = [lane.experiment for lane in members]
    lanes = lanes_for(cohort.lanes, cohort.strategy, jax.local_devices()[: cohort.devices])
    training = Training(experiments, load(experiments[0].data), lanes)
    states = [lane.first_state(training, place) for place, lane in enumerate(members)]
    if found := [state for state in states if state is not None]:
        training.resume(found)
    training.compile()
    return training


def _train_cohort(lanes: Sequence[_Lane], training: Training, *, fail_fast: bool) -> None:
    """Train runs side by side to their ends."""
    for place, lane in enumerate(lanes):
        lane.record_start()
        if lane.ended:
            training.drop(place)
    checkpoints = Checkpoints(training, lanes[0].keeping)
    for chunks in training.chunks():
        for lane, place, chunk in zip(lanes, range(len(lanes)), chunks, strict=True):
            if chunk is not None:
                lane.write(chunk, training, place)
        checkpoints.after(training, chunks, lambda place, state: lanes[place].save(state))
        for place, lane in enumerate(lanes):
            if lane.failed:
                training.drop(place)
                if fail_fast:
                    raise Stopped
    if fail_fast and any(lane.failed for lane in lanes):
        raise Stopped


def _result(future: Future[Training]) -> Training:
    """Wait for what is prepared in the background.

    Raises:
        KeyboardInterrupt: there was a signal; the background is left behind.
    """
    while not future.done():
        check()
        wait([future], timeout=_LOOKS)
    check()
    return future.result()


class _Lane:
    """One run among those side by side: its job and its record."""

    def __init__(self, job: Job, source: Origin | Stem | None, progress: SweepProgress) -> None:
        self._job = job
        self._source = source
        self._first: Checkpoint | None = None
        self._progress = progress
        self._recorder: Recorder | None = None
        self.started = self.ended = self.failed = False

    def start_record(self, lanes: int) -> None:
        """Make the run's directory and start its record, unless that has been done."""
        if self.started:
            return
        self.started = True
        self._progress.start(self._job.title, self._job.experiment)
        try:
            with self._job.at_work():
                assert self._job.directory is not None
                if not isinstance(self._job.directory, Memory):
                    check_free(self._job.directory)
                self._recorder = start_record(
                    self._job.experiment,
                    self._job.directory,
                    self._job.config,
                    lanes,
                    self._job.earlier,
                    self._source.facts if self._source and not self._job.earlier else None,
                )
        except Exception as error:
            self.fail(error)

    @property
    def experiment(self) -> Experiment:
        """What is trained."""
        return self._job.experiment

    def first_state(self, training: Training, place: int) -> Checkpoint | None:
        """The state in which the run starts, if that does not follow from its seed."""
        self._first = first_state(training, place, self._job.earlier, self._source)
        return self._first

    def record_start(self) -> None:
        """Record what the run starts from, if it starts from another run."""
        if self._source is None or self._job.earlier is not None or self.ended:
            return
        assert self._recorder is not None
        assert self._first is not None
        try:
            record_start(self._recorder, self._source, self._first)
        except Exception as error:
            self.fail(error)

    def write(self, chunk: Chunk, training: Training, place: int) -> None:
        """Record a chunk; if the run has ended with it, its weights, and close the record."""
        assert self._recorder is not None
        try:
            self._recorder.write(chunk)
            self._progress.advance(self._job.title, self._job.experiment, chunk)
            if chunk.status is not None:
                with self._job.at_work():
                    self._end(finish_record(self._recorder, training, place, chunk), None)
        except Exception as error:
            self.fail(error)

    @property
    def keeping(self) -> Keeping:
        """How often checkpoints are written."""
        return asked_for(self._job.directory, self._job.config)

    def save(self, checkpoint: Checkpoint) -> None:
        """Record the state after the last chunk."""
        assert self._recorder is not None
        try:
            self._recorder.write_checkpoint(checkpoint)
        except Exception as error:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the run with an error; say why in its own log."""
        summary: dict[str, Any] = {"status": status_after(error)}
        try:
            with self._job.at_work():
                if self._recorder is not None:
                    self._recorder.fail(error, 0.0)
                if isinstance(error, Exception):
                    log_failure(log, error)
                self._end(summary, error)
        except Exception:  # not even its log can be written
            if not self.ended:
                self._end(summary, error)

    def _end(self, summary: dict[str, Any], error: BaseException | None) -> None:
        self.ended, self.failed = True, summary["status"] == Status.FAILED
        self._progress.end(self._job.title, summary["status"])
        self._job.end(summary, error)
