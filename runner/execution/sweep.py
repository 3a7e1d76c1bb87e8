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
from pathlib import Path
from typing import NamedTuple

import jax

from runner.data import Dataset, Source
from runner.engine.loop import Training
from runner.engine.memory import explained
from runner.engine.turns import lanes_for
from runner.execution.branch import Stem, Trunk, stem_of
from runner.execution.checkpoints import Checkpoints
from runner.execution.cohorts import Cohort, halved
from runner.execution.lane import Job, Lane
from runner.execution.transfer import Origin
from runner.interruption import check
from runner.record.checkpoints import find_checkpoint
from runner.terminal.live_sweep import SweepProgress

log = logging.getLogger(__name__)

_LOOKS = 0.1
"""After how many seconds it is looked again whether there was a signal."""


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
        lanes = [Lane(jobs[member], sources[member], progress) for member in cohort.members]
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
                left = [*current.left(), *(each for one in waiting for each in one.members)]
                steps = {member: _newest_step(jobs[member]) for member in left}
                waiting = halved([cohort, *waiting], cohort.structure, steps)
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
    lanes: list[Lane]
    training: Future[Training]

    def start_records(self, until: Callable[[], bool] = lambda: False) -> None:
        """Start the records of the runs that have none, as long as `until()` is false."""
        for lane in self.lanes:
            if until():
                return
            lane.start_record(self.cohort.lanes)

    def left(self) -> list[int]:
        """The members that have not ended."""
        pairs = zip(self.cohort.members, self.lanes, strict=True)
        return [member for member, lane in pairs if not lane.ended]

    def fail(self, error: BaseException) -> None:
        """End the runs that have a record and have not ended."""
        for lane in self.lanes:
            if lane.started and not lane.ended:
                lane.fail(error)


def _newest_step(job: Job) -> int | None:
    """Let a run go on from the newest checkpoint that it has by now; None: it starts."""
    if isinstance(job.directory, Path):
        found = find_checkpoint(job.directory, job.config, before=job.experiment.total_steps)
        job.earlier = found.found or job.earlier
    return job.earlier.position.steps if job.earlier else None


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
    members: Sequence[Lane], cohort: Cohort, load: Callable[[Source], Dataset]
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


def _train_cohort(lanes: Sequence[Lane], training: Training, *, fail_fast: bool) -> None:
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
