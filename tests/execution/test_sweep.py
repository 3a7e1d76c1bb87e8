"""A sweep without Hydra: each run is recorded as if alone, and what goes wrong stays in its run."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from conftest import compose
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from runner.engine import loop
from runner.engine.chunk import Chunk
from runner.engine.turns import Turns
from runner.errors import RecordError
from runner.execution import checkpoints
from runner.execution import sweep as sweep_module
from runner.execution.cohorts import Parallelism, form_cohorts
from runner.execution.run import run
from runner.execution.sweep import Stopped, train
from runner.experiment.experiment import Experiment
from runner.record.checkpoints import RecordedCheckpoint, find_checkpoint
from runner.record.recorder import Recorder
from runner.terminal.live_sweep import SweepProgress, work_of

MAP = Parallelism("map", 4, 2)
RATES = (0.1, 0.05, 0.02, 0.01)


class RecordedJob:
    """A job with nothing of Hydra about it."""

    def __init__(self, root: Path, experiment: Experiment, title: str) -> None:
        self.experiment, self.title = experiment, title
        self.config: dict[str, Any] = {"seed": experiment.seed, "title": title}
        self.directory: Path | None = root / title
        self.earlier: RecordedCheckpoint | None = None
        self.start = None
        self.ends: list[tuple[dict[str, Any], BaseException | None]] = []

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        assert self.directory is not None
        self.directory.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(self.directory / "log")
        logging.getLogger("runner").addHandler(handler)
        logging.getLogger("runner").setLevel(logging.INFO)
        try:
            yield
        finally:
            logging.getLogger("runner").removeHandler(handler)
            handler.close()

    def end(self, summary: dict[str, Any], error: BaseException | None) -> None:
        self.ends.append((summary, error))

    @property
    def status(self) -> str:
        (only,) = self.ends
        return only[0]["status"]

    def steps(self) -> np.ndarray:
        assert self.directory is not None
        return np.load(self.directory / "steps.npy")


def jobs_in(root: Path, rates: tuple[float, ...] = RATES, epochs: int = 2) -> list[RecordedJob]:
    default = compose({"epochs": epochs}, batch_size={"size": 200}, model="linear")
    return [
        RecordedJob(
            root,
            dataclasses.replace(
                default, optimizer=dataclasses.replace(default.optimizer, learning_rate=rate)
            ),
            f"{number}_{rate:g}",
        )
        for number, rate in enumerate(rates)
    ]


def do(
    jobs: list[RecordedJob],
    parallelism: Parallelism = MAP,
    *,
    fail_fast: bool = False,
    steps: Sequence[int] = (),
) -> SweepProgress:
    experiments = [job.experiment for job in jobs]
    progress = SweepProgress(len(jobs), 0, sum(map(work_of, experiments)))
    with progress:
        cohorts = form_cohorts(experiments, parallelism, steps)
        train(jobs, cohorts, progress, fail_fast=fail_fast)
    return progress


def summary(directory: Path | None) -> dict[str, Any]:
    assert directory is not None
    return json.loads((directory / "summary.json").read_text())


def assert_same_curve(one: Path, other: Path) -> None:
    """To the bit, but for the time that it took."""
    rows, expected = np.load(one), np.load(other)
    for name in set(rows.dtype.names) - {"seconds"}:
        np.testing.assert_array_equal(rows[name], expected[name])


@pytest.mark.parametrize(
    "parallelism", [MAP, Parallelism("sequential", 1, 1), Parallelism("map", 2, 1)]
)
def test_every_run_is_recorded_as_if_alone(parallelism: Parallelism, tmp_path: Path) -> None:
    jobs = jobs_in(tmp_path / "sweep")
    do(jobs, parallelism)
    for job in jobs:
        alone = tmp_path / "alone" / job.title
        run(job.experiment, alone, job.config)
        assert job.directory is not None
        for curve in ("steps.npy", "epochs.npy"):
            assert_same_curve(job.directory / curve, alone / curve)
        mine, expected = summary(job.directory), summary(alone)
        assert mine["final"] == expected["final"]
        assert mine["best"] == expected["best"]
        assert mine["config"] == expected["config"]
        assert mine["status"] == job.status == "finished"
        tags = [
            set(EventAccumulator(str(place)).Reload().Tags()["scalars"])
            for place in (job.directory, alone)
        ]
        assert tags[0] == tags[1]
        assert "16 steps of 200 examples" in (job.directory / "log").read_text()
        assert "finished: 16 steps" in (job.directory / "log").read_text()


def test_curves_grow_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At any time no run of a cohort is ahead of another by more than a chunk, however long.

    The first chunk has 8 steps of 160, whatever the speed.
    """
    jobs = jobs_in(tmp_path, epochs=20)
    seen = []
    write = Recorder.write

    def watched(recorder: Recorder, chunk: Chunk) -> None:
        write(recorder, chunk)
        lengths = [len(job.steps()) for job in jobs]
        seen.append((min(lengths), max(lengths), len(chunk.steps)))

    monkeypatch.setattr(Recorder, "write", watched)
    do(jobs)
    assert seen[3][:2] == (8, 8)
    assert all(most - least <= chunk for least, most, chunk in seen)


def test_a_diverged_run_is_a_result(tmp_path: Path) -> None:
    jobs = jobs_in(tmp_path, (0.1, 1e38, 0.02))
    do(jobs)
    assert [job.status for job in jobs] == ["finished", "diverged", "finished"]
    assert len(jobs[1].steps()) == summary(jobs[1].directory)["diverged_at"] + 1 < 16


def break_down(monkeypatch: pytest.MonkeyPatch, job: RecordedJob, error: Exception) -> None:
    """Let the disk refuse what this job writes after its first chunk."""
    write = Recorder.write

    def breaking(recorder: Recorder, chunk: Chunk) -> None:
        if recorder.directory == job.directory and chunk.steps["step"][0] > 0:
            raise error
        write(recorder, chunk)

    monkeypatch.setattr(Recorder, "write", breaking)


@pytest.mark.parametrize("error", [RecordError("the disk is full"), ValueError("no such thing")])
def test_a_failed_run_leaves_its_reason_and_the_others_finish(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_in(tmp_path)
    break_down(monkeypatch, jobs[1], error)
    do(jobs)
    assert [job.status for job in jobs] == ["finished", "failed", "finished", "finished"]
    assert jobs[1].ends[0][1] is error
    assert jobs[1].directory is not None
    assert str(error) in (jobs[1].directory / "log").read_text()
    assert str(error) in summary(jobs[1].directory)["reason"]
    assert len(jobs[1].steps()) == 8, "what was recorded before stays"


def test_a_log_that_cannot_be_closed_ends_only_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk what is left of the log cannot be written when it is closed."""
    jobs = jobs_in(tmp_path)
    error, at_work = RecordError("the disk is full"), jobs[1].at_work

    @contextlib.contextmanager
    def full() -> Iterator[None]:
        with at_work():
            yield
        raise OSError("No space left on device")

    break_down(monkeypatch, jobs[1], error)
    monkeypatch.setattr(jobs[1], "at_work", full)
    do(jobs)
    assert [job.status for job in jobs] == ["finished", "failed", "finished", "finished"]


def test_fail_fast_stops_at_the_first_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_in(tmp_path)
    break_down(monkeypatch, jobs[1], ValueError("no"))
    with pytest.raises(Stopped):
        do(jobs, Parallelism("map", 2, 2), fail_fast=True)
    assert [job.ends[0][0]["status"] for job in jobs[:2]] == ["finished", "failed"]
    assert not any(end[0]["status"] == "finished" for job in jobs[2:] for end in job.ends)


def test_fail_fast_stops_where_no_record_can_be_made(tmp_path: Path) -> None:
    """All runs of the first cohort fail before they train; the second must not start."""
    jobs = jobs_in(tmp_path)
    (tmp_path / "file").write_text("")
    for job in jobs[:2]:
        job.directory = tmp_path / "file" / job.title
    with pytest.raises(Stopped):
        do(jobs, Parallelism("map", 2, 2), fail_fast=True)
    assert [job.status for job in jobs[:2]] == ["failed"] * 2
    assert not any(end[0]["status"] == "finished" for job in jobs[2:] for end in job.ends)


def test_what_fails_for_all_is_said_in_every_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_in(tmp_path)
    monkeypatch.setattr(type(jobs[0].experiment.data), "load", lambda *_: 1 / 0)
    do(jobs)
    assert [job.status for job in jobs] == ["failed"] * 4
    for job in jobs:
        assert job.directory is not None
        assert "ZeroDivisionError" in (job.directory / "log").read_text()


def test_running_out_of_memory_halves_the_lanes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated: the device has room for two lanes, and says so after some steps."""
    tried = []
    advance = Turns.advance

    def limited(lanes: Turns, *arguments: Any, **named: Any) -> Any:
        if lanes.count > 2 and arguments[3] > 0:
            tried.append(lanes.count)
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating")
        return advance(lanes, *arguments, **named)

    monkeypatch.setattr(Turns, "advance", limited)
    jobs = jobs_in(tmp_path, (*RATES, 0.03, 0.04, 0.06, 0.07))
    do(jobs, Parallelism("map", 8, 2))
    assert set(tried) == {8, 4}
    assert [job.status for job in jobs] == ["finished"] * 8
    assert [len(job.steps()) for job in jobs] == [16] * 8
    assert summary(jobs[0].directory)["lanes"] == 2
    for job in jobs:
        assert job.directory is not None
        assert len(list(job.directory.glob("events.*"))) == 1, (
            "none of an attempt that was given up"
        )


def test_runs_that_go_on_and_do_not_fit_go_on_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each from its newest checkpoint, to the bit, with half the number of lanes.

    One has failed by then, and does not come back.
    """
    rates = (*RATES, 0.03, 0.04, 0.06)
    do(jobs_in(tmp_path / "whole", rates))
    jobs = jobs_in(tmp_path / "part", rates)
    for job in jobs:
        job.config["checkpoint_every"] = 1e-6
    monkeypatch.setattr(checkpoints, "WORTH", 0)
    monkeypatch.setattr(loop, "CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(loop, "FIRST_CHUNK", 1)
    write, advance = Recorder.write, Turns.advance

    def interrupted(recorder: Recorder, chunk: Chunk) -> None:
        write(recorder, chunk)
        if chunk.steps["step"][0] > 6:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            do(jobs, Parallelism("map", 8, 2))
    for job in jobs:
        assert job.directory is not None
        job.earlier, job.ends = find_checkpoint(job.directory, job.config).found, []
    steps = [job.earlier.position.steps for job in jobs if job.earlier]
    assert len(steps) == 7
    assert 0 < steps[0] < 12
    break_down(monkeypatch, jobs[-1], RecordError("the disk is full"))

    def limited(lanes: Turns, *arguments: Any, **named: Any) -> Any:
        if lanes.count > 4 and arguments[4] > 12:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating")
        return advance(lanes, *arguments, **named)

    monkeypatch.setattr(Turns, "advance", limited)
    do(jobs, Parallelism("map", 8, 2), steps=steps)
    assert jobs.pop().status == "failed"
    for job in jobs:
        assert (job.status, summary(job.directory)["lanes"]) == ("finished", 4)
        resumed = [each["step"] for each in summary(job.directory)["resumed"]]
        assert resumed == [steps[0], 12]
        assert job.directory is not None
        for name in ("steps.npy", "epochs.npy"):
            assert_same_curve(job.directory / name, tmp_path / "whole" / job.title / name)


def test_lanes_that_cannot_fit_are_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CPU does not say that its memory is full: there must be room for the states beforehand."""
    parameters, measured, order = 65 * 10, 4096 * 6, 1437
    a_lane = 3 * 4 * (parameters + measured + order + 2)
    monkeypatch.setattr("runner.engine.memory.available", lambda _: 2.1 * a_lane / 0.8)
    jobs = jobs_in(tmp_path)
    do(jobs)
    assert [summary(job.directory)["lanes"] for job in jobs] == [2] * 4
    assert [job.status for job in jobs] == ["finished"] * 4


def test_one_lane_without_memory_is_a_failed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise MemoryError("no memory")

    monkeypatch.setattr(sweep_module, "Training", full)
    jobs = jobs_in(tmp_path)
    do(jobs)
    assert [job.status for job in jobs] == ["failed"] * 4


def test_an_interruption_keeps_what_was_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = jobs_in(tmp_path)
    write = Recorder.write

    def interrupted(recorder: Recorder, chunk: Chunk) -> None:
        write(recorder, chunk)
        if chunk.steps["step"][0] > 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(Recorder, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        do(jobs, Parallelism("map", 2, 2))
    assert [summary(job.directory)["status"] for job in jobs[:2]] == ["interrupted"] * 2
    assert [len(job.steps()) for job in jobs[:2]] == [16, 8]
    # The next cohort has taken no step.
    assert all(end[0]["status"] == "interrupted" for job in jobs[2:] for end in job.ends)


def test_progress_in_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("runner.terminal.live_sweep.SECONDS_BETWEEN_LINES", 0.0)
    do(jobs_in(tmp_path, (0.1, 1e38, 0.02)))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("0/3 runs done, 1 running")
    assert lines[-1].startswith("3/3 runs done, 0 running, 1 diverged; 0:00 left; best validation")
    assert any("(0_0.1)" in line for line in lines)
