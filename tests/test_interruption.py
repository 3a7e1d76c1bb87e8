"""Signals: acknowledged at once whatever the command does, and obeyed where nothing is lost."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = """
import sys, time
from runner.errors import exit_code
from runner.interruption import check, deferred, handle_signals, in_worker
from runner.whole_files import replacing
from pathlib import Path

def work():
    what = sys.argv[1]
    with replacing(Path("half.txt")):
        if what == "reads":
            print("ready", flush=True)
            time.sleep(60)
        with deferred():
            print("ready", flush=True)
            if what == "is stuck":
                time.sleep(60)
            while True:
                time.sleep(0.02)
                check()

handle_signals("runner")
sys.exit(in_worker(lambda: exit_code("runner", work, "interrupted; it is recorded")))
"""


def started(what: str, folder: Path, ignored: str = "") -> subprocess.Popen[bytes]:
    """A command that has something to save, or only reads, or does not come to a check."""
    handlers = [
        f"signal.signal(signal.{name}, signal.{'SIG_IGN' if name == ignored else 'SIG_DFL'})"
        for name in ("SIGINT", "SIGTERM", "SIGHUP")
    ]
    code = f"import signal; {'; '.join(handlers)}\n{COMMAND}"
    process = subprocess.Popen(
        [sys.executable, "-c", code, what],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def said(process: subprocess.Popen[bytes], within: float) -> bytes:
    """What comes on standard error within some seconds."""
    assert process.stderr is not None
    ready, _, _ = select.select([process.stderr], [], [], within)
    return os.read(process.stderr.fileno(), 10_000) if ready else b""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_is_acknowledged_and_obeyed_at_the_next_check(name: str, tmp_path: Path) -> None:
    with started("works", tmp_path) as process:
        process.send_signal(getattr(signal, name))
        first = said(process, 0.5)
        assert first.startswith(b"runner: interrupted: saving when what is running now is done")
        assert process.wait(5) == 130
        assert process.stderr is not None
        assert (first + process.stderr.read()).splitlines()[1:] == [
            b"runner: interrupted; it is recorded"
        ]
    assert not list(tmp_path.iterdir()), "what is written half is no file"


def test_a_second_signal_leaves_at_once(tmp_path: Path) -> None:
    """Also where the worker never comes to a check; the same key press may come twice."""
    with started("is stuck", tmp_path) as process:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        assert said(process, 0.5)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(1) == 130
        assert said(process, 0) == b"runner: left at once; what was written stays readable\n"
    assert not list(tmp_path.iterdir())


def test_a_command_with_nothing_to_save_ends_at_once(tmp_path: Path) -> None:
    with started("reads", tmp_path) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(1) == 130
        assert said(process, 0) == b"runner: interrupted\n"
    assert not list(tmp_path.iterdir())


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    """By nohup, and in background jobs of a shell."""
    with started("works", tmp_path, ignored="SIGHUP") as process:
        process.send_signal(signal.SIGHUP)
        assert said(process, 0.3) == b""
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 130
