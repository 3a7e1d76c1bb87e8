"""The folders of runs and sweeps: locked, never mixed, and not left behind for nothing."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pooch
import pytest
import requests
from command_line import CommandLine

QUICK = ("model=linear", "batch_size=500", "epochs=1")


def error(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one line of a command that was refused."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("runner: error: ")
    return line


def test_a_folder_that_another_process_writes_is_refused(
    runner: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    with (tmp_path / "here" / ".lock").open("w") as file:
        file.write("elsewhere 7\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        for line in (["hydra.run.dir=here"], ["-m", "seed=0,1", "hydra.sweep.dir=here"]):
            said = error(runner(*line), 1)
            assert "here: another process (7 on elsewhere) is writing there" in said
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == [".lock"]


def test_a_finished_run_is_replaced_only_when_told(runner: CommandLine, tmp_path: Path) -> None:
    line = (*QUICK, "hydra.run.dir=here")
    assert runner(*line).returncode == 0
    summary = tmp_path / "here" / "summary.json"
    (tmp_path / "here" / "notes.txt").write_text("mine")
    before = summary.read_bytes()

    again = runner(*line)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith("here: this run is done; overwrite=true runs it again\n")
    said = error(runner(*line, "seed=1"), 2)
    assert "here: has the record of another run (finished)" in said
    assert summary.read_bytes() == before

    assert runner(*line, "seed=1", "overwrite=true").returncode == 0
    assert json.loads(summary.read_text())["seed"] == 1
    assert (tmp_path / "here" / "notes.txt").read_text() == "mine"
    assert len(list((tmp_path / "here").glob("events.*"))) == 1
    assert not (tmp_path / "here" / ".lock").exists()


def test_a_killed_run_is_repeated_by_its_own_line_only(runner: CommandLine, tmp_path: Path) -> None:
    """A killed run of another config would be lost."""
    line = (*QUICK, "hydra.run.dir=here")
    assert runner(*line).returncode == 0
    summary = tmp_path / "here" / "summary.json"
    summary.write_text(summary.read_text().replace('"finished"', '"running"', 1))
    assert "another run (killed)" in error(runner(*line, "seed=1"), 2)
    assert runner(*line).returncode == 0
    assert json.loads(summary.read_text())["status"] == "finished"


def test_folders_that_cannot_be_made_leave_nothing(runner: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("in the way")
    before = sorted(tmp_path.rglob("*"))
    for folder in ("loop/x", "loop", "file", "file/x", f"new/{'x' * 300}", "/proc/x/y"):
        for kind in ("run", "sweep"):
            many = ["-m"] * (kind == "sweep")
            said = error(runner(*many, *QUICK, f"hydra.{kind}.dir={folder}"), 1)
            assert f"{folder}: cannot be made: " in said
    assert "without a folder" in error(runner(*QUICK, "hydra.job.name=a/b"), 2)
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_is_written_through_a_link(runner: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    secret = tmp_path / "secret"
    secret.write_text("kept")
    for name in ("steps.npy", "summary.json"):
        (tmp_path / "here" / name).symlink_to(secret)
    log = tmp_path / "here" / "runner.log"
    log.symlink_to(secret)
    line = (*QUICK, "hydra.run.dir=here")
    assert "runner.log: is a symbolic link" in error(runner(*line), 1)
    log.unlink()
    assert runner(*line).returncode == 0
    assert secret.read_text() == "kept"
    assert not (tmp_path / "here" / "steps.npy").is_symlink()


def test_missing_data_leave_no_folder(
    runner: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise requests.ConnectionError

    monkeypatch.setattr(pooch, "retrieve", offline)
    done = runner("data=mnist", f"data.dir={tmp_path}/new/mnist")
    assert "cannot be downloaded (ConnectionError)" in error(done, 2)
    assert not list(tmp_path.iterdir())


def test_a_run_that_needs_more_memory_than_there_is(
    runner: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before anything is computed, with both sizes."""
    monkeypatch.setattr("runner.engine.memory.available", lambda _: 1e5)
    done = runner(*QUICK, "hydra.run.dir=here")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("runner: error: the run needs 0.000")
    assert line.endswith(" GB of memory, and 8e-05 GB can be used")
    summary = json.loads((tmp_path / "here" / "summary.json").read_text())
    assert summary["status"] == "failed"
    assert "MemoryShortageError" in summary["reason"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_run_succeeds_whatever_becomes_of_its_output(tmp_path: Path) -> None:
    """Closed streams must not let a file have the number of one, nor a full disk change the code.

    The code is what `>&- 2>&- <&-` and `> /dev/full` do in a shell.
    """
    code = f"""
import os
from runner.__main__ import main
for number in range(3):
    os.close(number)
if os.environ.get("FULL"):
    for number in range(3):
        os.open("/dev/full", os.O_RDWR)
import sys
if not os.environ.get("FULL"):
    sys.stdout = sys.stderr = None
sys.argv = ["runner", *{QUICK!r}, "hydra.run.dir=run"]
main()
"""
    for name in ("closed", "full"):
        folder = tmp_path / name
        folder.mkdir()
        environment = {**os.environ, "FULL": "yes" * (name == "full")}
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment)
        assert done.returncode == 0
        (summary,) = folder.rglob("summary.json")
        assert json.loads(summary.read_text())["status"] == "finished"
