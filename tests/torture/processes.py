"""Processes that run one command each, to be killed at any moment.

`Fresh` is the interpreter from its first import on. `Forked` comes from a process that has imported
everything and has started nothing: one thread, no backend of JAX (`tests.torture.template`), so
that it is what a fresh one is after its imports, which take most of the time of a short run.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

from tests.torture.outcome import Outcome

ROOT = Path(__file__).parent.parent.parent
_LOOKS = 0.01
KILLED = -9
"""The exit code of a process that SIGKILL ended."""


class Victim(Protocol):
    """A process that runs `runner` in a folder."""

    @property
    def pid(self) -> int | None:
        """Its number."""

    def wait(self, seconds: float) -> int | None:
        """Wait so many seconds at most; return the exit code, None if it still runs."""

    def kill(self) -> int | None:
        """Send SIGKILL and wait; return the exit code, another than KILLED if it came too late."""

    def outcome(self, code: int | None) -> Outcome:
        """What it printed until now, with its exit code."""


def work_of(victim: Victim, most: float) -> tuple[int | None, float]:
    """Let a process work, until it has used some time of the processor, or ends.

    Unlike the time on the clock, that does not depend on what else the machine does.

    Args:
        victim: the process.
        most: how many seconds of the processor.

    Returns:
        Its exit code, None if it still runs; and the time that it has used.
    """
    assert victim.pid is not None
    clock, spent = (~victim.pid << 3) | 2, 0.0  # clock_getcpuclockid(3), which Python lacks
    while (code := victim.wait(_LOOKS)) is None and spent < most:
        with contextlib.suppress(OSError):  # it has just ended
            spent = time.clock_gettime(clock)
    return code, spent


class Fresh:
    """A new interpreter (see `Victim`).

    Args:
        place: the folder in which it runs.
        words: the command line.
    """

    def __init__(self, place: Path, words: list[str]) -> None:
        self._output = place / "output"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from runner.__main__ import main; main()", *words],
                cwd=place,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def pid(self) -> int | None:
        """Its number."""
        return self._process.pid

    def wait(self, seconds: float) -> int | None:
        """Wait for its end; see `Victim`."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> int | None:
        """End it; see `Victim`."""
        self._process.kill()
        return self._process.wait()

    def outcome(self, code: int | None) -> Outcome:
        """What it printed."""
        return Outcome(code, err=self._output.read_text(errors="replace"))


class Forked:
    """A process that has its imports from the start (see `Victim`).

    Args:
        place: the folder in which it runs.
        words: the command line.
    """

    def __init__(self, place: Path, words: list[str]) -> None:
        self._output = place / "output"
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.torture.template"])
        self._process: BaseProcess = context.Process(
            target=_command, args=(str(place), words, str(self._output))
        )
        self._process.start()

    @property
    def pid(self) -> int | None:
        """Its number."""
        return self._process.pid

    def wait(self, seconds: float) -> int | None:
        """Wait for its end; see `Victim`."""
        self._process.join(seconds)
        return self._process.exitcode

    def kill(self) -> int | None:
        """End it; see `Victim`."""
        self._process.kill()
        self._process.join()
        return self._process.exitcode

    def outcome(self, code: int | None) -> Outcome:
        """What it printed."""
        return Outcome(code, err=self._output.read_text(errors="replace"))


def _command(place: str, words: list[str], output: str) -> None:
    """Run `runner` in this process, as its console script does; its streams go to a file."""
    from runner.__main__ import main

    stream = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(stream, number)
    os.close(stream)
    os.chdir(place)
    sys.argv = ["runner", *words]
    main()
