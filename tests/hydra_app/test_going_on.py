"""Runs that were killed and go on, as a user sees them: `--resume`, and a sweep by its own line."""

from __future__ import annotations

import fcntl
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from command_line import CommandLine
from safetensors import safe_open
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import runner.engine.loop
import runner.execution.checkpoints
from runner.engine.loop import Training
from runner.experiment import experiment as strides
from runner.record import recorder as records
from runner.record.event_writer import EventWriter
from runner.record.recorder import Recorder
from runner.record.summary import SummaryWriter

TINY = (
    "data=teacher",
    "data.train_examples=40",
    "model=linear",
    "batch_size=8",
    "optimizer=momentum",
    "checkpoint_every=1e-6",
)
EPOCHS = "epochs=12"  # 60 steps


class Killed(BaseException):
    """What ends a run in the place of a signal: no handler of the run expects it."""


@pytest.fixture
def kill_after(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`kill_after(n)`: who trains is killed with the chunk after the n-th checkpoint from now."""
    monkeypatch.setattr(runner.execution.checkpoints, "WORTH", 0)
    monkeypatch.setattr(runner.engine.loop, "CHUNK_SECONDS", 0.0)  # chunks of one step
    write, checkpoint, left = Recorder.write, Recorder.write_checkpoint, [10**9]

    def count(self: Recorder, *arguments: Any) -> None:
        checkpoint(self, *arguments)
        left[0] -= 1

    def end(self: Recorder, *arguments: Any) -> None:
        write(self, *arguments)
        if left[0] <= 0:
            raise Killed

    monkeypatch.setattr(Recorder, "write_checkpoint", count)
    monkeypatch.setattr(Recorder, "write", end)
    monkeypatch.setattr(Recorder, "fail", lambda *_: None)  # nobody closes the record

    def kill_after(checkpoints: int) -> None:
        left[0] = checkpoints

    return kill_after


def killed(command: CommandLine, *line: str) -> None:
    with pytest.raises(Killed):
        command(*line)


def assert_same(folder: Path, expected: Path) -> None:
    """The same in every column but the times, one curve in TensorBoard, and the same weights."""
    known = ("layers.npy", "parameters.npy", "noise.npy", "updates.npy")
    tables = [name for name in known if (expected / name).exists()]
    for name in ("steps.npy", "epochs.npy", *tables):
        mine, whole = np.load(folder / name), np.load(expected / name)
        assert len(mine) == len(whole)
        for column in set(whole.dtype.names) - {"seconds"}:
            np.testing.assert_array_equal(mine[column], whole[column], err_msg=column)
        assert name in tables or (np.diff(mine["seconds"]) >= 0).all()
    assert len(list(folder.glob("events.*"))) == 1
    events = [EventAccumulator(str(each)).Reload() for each in (folder, expected)]
    tags = events[1].Tags()["scalars"]
    assert set(events[0].Tags()["scalars"]) == set(tags)
    for tag in tags:
        mine, whole = ([(e.step, e.value) for e in one.Scalars(tag)] for one in events)
        assert mine == whole
        times = [event.wall_time for event in events[0].Scalars(tag)]
        assert times == sorted(times)
    own, other = (load_file(each / "final.safetensors") for each in (folder, expected))
    assert all(np.array_equal(own[name], other[name]) for name in other)
    found, whole = (json.loads((each / "summary.json").read_text()) for each in (folder, expected))
    for key in ("status", "final", "best", "steps", "epochs", "started"):
        assert (found[key] == whole[key]) is (key != "started")


def test_a_killed_run_goes_on_to_the_bit_and_can_be_made_longer(
    runner: CommandLine, tmp_path: Path, kill_after: Any
) -> None:
    """With its diagnostics, which remember evaluations and steps."""
    folder = tmp_path / "a=b,c"
    line = (*TINY, "diagnostics=[layers,noise,update]", "measure_every=7")
    assert runner(*line, EPOCHS, "hydra.run.dir=whole").returncode == 0
    kill_after(2)
    killed(runner, *line, EPOCHS, 'hydra.run.dir="a=b,c"')
    assert json.loads((folder / "summary.json").read_text())["status"] == "running"
    kill_after(1)
    killed(runner, "--resume", "a=b,c")  # once more, before it has come far
    kill_after(10**9)
    done = runner("--resume", "a=b,c/")
    assert done.returncode == 0, done.stderr
    assert "The run goes on after step " in done.stderr
    assert_same(folder, tmp_path / "whole")
    assert {"layers.npy", "noise.npy", "updates.npy"} <= {each.name for each in folder.iterdir()}
    summary = json.loads((folder / "summary.json").read_text())
    steps = [each["step"] for each in summary["resumed"]]
    assert len(steps) == 2
    assert 0 < steps[0] < steps[1] < 60
    left = [folder / ".lock", folder / ".7.0.json"]  # by one that was killed when it was done
    for file in left:
        file.touch()
    again = runner("--resume", "a=b,c")
    assert not any(file.exists() for file in left)
    assert (again.returncode, again.stdout) == (
        0,
        "a=b,c: its run is complete (finished); nothing is left to do\n",
    )
    with (folder / ".lock").open("w") as file:  # as where nothing can be written
        fcntl.flock(file, fcntl.LOCK_EX)
        assert runner("--resume", "a=b,c").stdout == again.stdout
    (folder / ".lock").unlink()

    longer = runner("--resume", "a=b,c", "epochs=14")
    assert longer.returncode == 0, longer.stderr
    assert "The run goes on after step 60" in longer.stderr
    assert runner(*line, "epochs=14", "hydra.run.dir=longer").returncode == 0
    assert_same(folder, tmp_path / "longer")
    assert json.loads((folder / "summary.json").read_text())["config"]["epochs"] == 14


def everything(folder: Path) -> dict[str, bytes]:
    """All files but the log, which says what was tried."""
    found = (file for file in folder.rglob("*") if file.is_file() and file.suffix != ".log")
    return {str(file.relative_to(folder)): file.read_bytes() for file in found}


def assert_nothing_lost(folder: Path, finished: Path) -> None:
    """Either the finished record with all its rows, or one that goes on from where that ended."""
    if json.loads((folder / "summary.json").read_text())["status"] == "finished":
        for name in ("summary.json", "final.safetensors"):  # .hydra/ is replaced before these
            assert (folder / name).read_bytes() == (finished / name).read_bytes()
        for name in ("steps.npy", "epochs.npy"):
            rows = np.load(finished / name)
            assert np.load(folder / name)[: len(rows)].tobytes() == rows.tobytes()
        return
    with safe_open(folder / "checkpoint.safetensors", "numpy") as file:
        position = json.loads(file.metadata()["position"])
    assert position["steps"] >= len(np.load(finished / "steps.npy")) - 1
    for name, key in (("steps.npy", "steps"), ("epochs.npy", "evaluations")):
        assert len(np.load(folder / name)) >= position[key]


@pytest.mark.parametrize(
    ("length", "longer", "every"),
    [
        ("epochs=4", "epochs=5", TINY[-1]),
        ("epochs=4", "epochs=5", "checkpoint_every=300"),
        ("steps=18", "steps=25", "checkpoint_every=300"),
    ],
)
def test_a_finished_record_stays_until_the_longer_run_has_a_checkpoint(
    length: str,
    longer: str,
    every: str,
    runner: CommandLine,
    tmp_path: Path,
    kill_after: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With and without a checkpoint at its end, which may be evaluated where a longer one is not.

    The stride at which norms are measured, every second step, stays that of the record.
    """
    kill_after(10**9)
    monkeypatch.setattr(strides, "POINTS_PER_CURVE", 10)
    assert runner(*TINY, length, every, "hydra.run.dir=run").returncode == 0
    run, before = tmp_path / "run", tmp_path / "before"
    assert (run / "checkpoint.safetensors").exists() is (every == TINY[-1])
    finished = everything(run)
    shutil.copytree(run, before)

    def too_early(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:  # before anything is computed
        patch.setattr(Training, "compile", too_early)
        killed(runner, "--resume", "run", longer)
    assert everything(run) == finished
    for place, name in (
        (records, "_curves"),
        (Recorder, "write_checkpoint"),
        (SummaryWriter, "start"),
        (EventWriter, "write"),
    ):
        shutil.rmtree(run)
        shutil.copytree(before, run)
        with monkeypatch.context() as patch:
            patch.setattr(place, name, too_early)
            killed(runner, "--resume", "run", longer)
        assert_nothing_lost(run, before)
    done = runner("--resume", "run", *([longer] if "finished" in status_of(run) else []))
    assert done.returncode == 0, done.stderr
    assert runner(*TINY, longer, "measure_every=2", "hydra.run.dir=longer").returncode == 0
    assert_same(run, tmp_path / "longer")
    assert {longer, "measure_every=2"} <= set(
        yaml.safe_load((run / ".hydra/overrides.yaml").read_text())
    )


def status_of(folder: Path) -> str:
    return json.loads((folder / "summary.json").read_text())["status"]


def test_a_record_whose_numbers_do_not_come_again_is_left_alone(
    runner: CommandLine, tmp_path: Path
) -> None:
    line = (*TINY[:-1], "epochs=4", "hydra.run.dir=run")
    assert runner(*line).returncode == 0
    rows = np.load(tmp_path / "run/steps.npy")
    rows["train_loss"][3] += 1  # as another machine may have computed it
    np.save(tmp_path / "run/steps.npy", rows)
    before = everything(tmp_path / "run")
    done = runner("--resume", "run", "epochs=5")
    assert done.returncode == 1
    assert "other numbers than its record, which stays as it is" in done.stderr
    assert everything(tmp_path / "run") == before


def test_a_checkpoint_at_the_end_of_every_other_epoch_and_the_best_of_them(
    runner: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the chunks are. A run that diverges, since l2 is far too strong, keeps its best."""
    written: list[int] = []
    write = Recorder.write_checkpoint

    def noted(self: Recorder, checkpoint: Any) -> None:
        write(self, checkpoint)
        written.append(checkpoint.steps)

    monkeypatch.setattr(Recorder, "write_checkpoint", noted)
    often = (*TINY[:-1], "checkpoint_epochs=2", "epochs=7")
    assert runner(*often, "checkpoint_every=null", "hydra.run.dir=run").returncode == 0
    assert written == [10, 20, 30, 35]  # of five steps an epoch
    errors = np.load(tmp_path / "run/epochs.npy")["validation_error"]
    candidates = {epoch * 5: errors[epoch] for epoch in (2, 4, 6, 7)}
    with safe_open(tmp_path / "run/checkpoint.best.safetensors", "numpy") as file:
        position = json.loads(file.metadata()["position"])
    assert position["steps"] == min(candidates, key=lambda step: candidates[step])
    assert position["value"] == pytest.approx(min(candidates.values()), rel=1e-6)

    written.clear()
    explodes = (
        "optimizer.learning_rate=0.1",
        "regularization=l2",
        "regularization.l2.strength=1e3",
    )
    assert runner(*often, *explodes, "hydra.run.dir=bad").returncode == 0
    assert json.loads((tmp_path / "bad/summary.json").read_text())["status"] == "diverged"
    assert written
    assert sorted(file.name for file in (tmp_path / "bad").glob("checkpoint*")) == [
        "checkpoint.best.safetensors"
    ]


def test_what_does_not_go_on_is_said_in_one_line(runner: CommandLine, tmp_path: Path) -> None:
    few = (*TINY, "epochs=4", "schedule=cosine")
    assert runner(*few, "hydra.run.dir=one").returncode == 0
    assert runner(*TINY, "optimizer.learning_rate=1e38", "hydra.run.dir=bad").returncode == 0
    assert runner("-m", *few, "seed=0,1", "hydra.sweep.dir=many").returncode == 0
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    for line, words in {
        ("one", "epochs=8"): "schedule: ends with the run",
        ("one", "epochs=3"): "planned for 20 steps, and a longer one needs more: 15",
        ("one", "optimizer=adam"): "optimizer=adam: --resume lets a run go on as it is recorded",
        ("one", "-m"): "--multirun: --resume goes on with what is recorded",
        ("one", "--rerun", "one"): "one",
        ("bad", "epochs=20"): "bad: its run diverged after ",
        ("nothing",): "--resume nothing: there is no run in it",
        ("many",): "is a sweep, which its line resumes: runner -m data=teacher",
    }.items():
        done = runner("--resume", *line)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        assert words in done.stderr
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before


def test_a_run_without_a_usable_checkpoint_starts_again(
    runner: CommandLine, tmp_path: Path, kill_after: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that was killed while its record was made, or where `steps.npy` was empty."""
    kill_after(2)
    killed(runner, *TINY, EPOCHS, "hydra.run.dir=run")
    kill_after(10**9)
    assert runner(*TINY, EPOCHS, "hydra.run.dir=whole").returncode == 0
    for file in (tmp_path / "run").glob("checkpoint*"):
        file.write_bytes(file.read_bytes()[:-1])
    done = runner("--resume", "run")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is not a safetensors file") == 2
    assert "There is no checkpoint to go on from: the run starts again" in done.stderr
    assert_same(tmp_path / "run", tmp_path / "whole")

    def too_early(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(EventWriter, "__init__", too_early)
        killed(runner, *TINY, EPOCHS, "hydra.run.dir=early")
        assert [file.name for file in (tmp_path / "early").glob("*.npy")] == []
        (tmp_path / "early/steps.npy").touch()
        killed(runner, "--resume", "early")
    done = runner("--resume", "early")
    assert done.returncode == 0, done.stderr
    assert "There is no checkpoint to go on from: the run starts again" in done.stderr
    assert_same(tmp_path / "early", tmp_path / "whole")


def test_a_killed_sweep_goes_on_by_its_own_line(
    runner: CommandLine, tmp_path: Path, kill_after: Any
) -> None:
    """Its runs are after different numbers of steps, and one has no checkpoint."""
    line = ("-m", *TINY, EPOCHS, "seed=0,1,2", "lanes=3")
    assert runner(*line, "hydra.sweep.dir=whole").returncode == 0
    kill_after(5)  # within the second round of checkpoints of three runs
    killed(runner, *line, "hydra.sweep.dir=part")
    runs = sorted((tmp_path / "part").glob("*_seed=*"))
    assert len(runs) == 3
    shutil.copyfile(runs[0] / "checkpoint.before.safetensors", runs[0] / "checkpoint.safetensors")
    for file in (*runs[1].glob("checkpoint*"), *runs[1].glob("*.npy")):  # killed before it had any
        file.unlink()
    kill_after(10**9)
    done = runner(*line, "hydra.sweep.dir=part")
    assert done.returncode == 0, done.stderr
    assert "2 runs go on from a checkpoint" in done.stderr
    assert "1 run starts again, without a checkpoint to go on from" in done.stderr
    for run in runs:
        assert_same(run, tmp_path / "whole" / run.name)
