"""The lock of a folder: held by one process, and gone with it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.errors import RecordError
from runner.record.lock import check_free, writing_in
from runner.record.summary import read_summary, write_summary

RUNNING = {
    "status": "running",
    "config": {},
    "seed": 0,
    "train_examples": 8,
    "total_steps": 4,
    "total_epochs": 2,
}


@contextlib.contextmanager
def held_elsewhere(folder: Path) -> Iterator[None]:
    """The lock of a folder as another process holds it; it is one of the open file."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def status(folder: Path) -> str:
    return read_summary(folder)["status"]


def test_a_second_process_is_refused_in_a_folder_and_below(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with held_elsewhere(tmp_path):
        for folder in (tmp_path, tmp_path / "run"):
            with pytest.raises(RecordError, match=r"another process.* is writing there"):
                writing_in(folder).__enter__()
    with writing_in(tmp_path), writing_in(tmp_path / "run"):  # both are this one's
        check_free(tmp_path / "run")
        with held_elsewhere(tmp_path / "run"), pytest.raises(RecordError):
            check_free(tmp_path / "run")
    assert not list(tmp_path.glob(".lock"))
    with writing_in(tmp_path / "run"), held_elsewhere(tmp_path):  # the other came later
        check_free(tmp_path / "run")


def test_a_run_without_its_process_is_killed(tmp_path: Path) -> None:
    """A lock does not outlive its process; what is left of it is the file.

    Whoever locks the folder next removes what was to replace other files, and nothing else, also
    not where another process writes by now.
    """
    run = tmp_path / "sweep" / "0_seed=0"
    run.mkdir(parents=True)
    write_summary(run, RUNNING)
    code = (
        "import os, sys; from pathlib import Path; from runner.record.lock import writing_in\n"
        f"with writing_in(Path({str(run.parent)!r})):\n"
        "    print(flush=True); sys.stdin.read(1); os._exit(9)"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert status(run) == "running"
        with pytest.raises(RecordError, match=rf"\({other.pid} on "):
            check_free(run)
        other.kill()
    assert (run.parent / ".lock").exists()
    assert status(run) == "killed"
    left = {".7.0.json", ".7.1.new", ".tmp0vsCEw"}
    names = left | {".8.json", "7.0.json", ".a.0.json", ".tmp"}
    busy = run.parent / "1_seed=1"
    busy.mkdir()
    for name in names:
        (run / name).touch()
        (busy / name).touch()
    with held_elsewhere(busy), writing_in(run.parent):
        check_free(run)
    assert names & {file.name for file in run.iterdir()} == names - left
    assert names <= {file.name for file in busy.iterdir()}


def test_without_locks_of_files_the_process_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.record.lock.fcntl", None)
    write_summary(tmp_path, RUNNING)
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    for host, process, expected in (
        (socket.gethostname(), os.getppid(), "running"),
        (socket.gethostname(), int(gone.stdout), "killed"),
        ("elsewhere", 1, "running"),
    ):
        (tmp_path / ".lock").write_text(f"{host} {process}\n")
        assert status(tmp_path) == expected
