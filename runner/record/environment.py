"""What a run was computed with: the command line, the state of the code, the machine, its threads.

Where the numbers of two runs differ though their configs are equal, the reason is among these and
the versions of the packages.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from runner.config.locations import config_directory
from runner.lazy import jax

_THREADS = ("PJRT_NPROC", "NPROC")
"""The environment variables by which XLA chooses the number of its threads, the first one first."""

_command: ContextVar[str | None] = ContextVar("command", default=None)

_PATIENCE = 10.0
"""How many seconds git may take; it was started before JAX, and has long answered."""


@contextlib.contextmanager
def started_by(line: str) -> Iterator[None]:
    """Record a command that does the same as what is called from Python meanwhile."""
    token = _command.set(line)
    try:
        yield
    finally:
        _command.reset(token)


def command_line() -> str:
    """The command that started this process, ready to paste into a shell."""
    if (line := _command.get()) is not None:
        return line
    program = Path(sys.argv[0])
    name = program.parent.name if program.stem == "__main__" else program.name
    return shlex.join([name, *sys.argv[1:]])


@functools.cache
def environment() -> dict[str, Any]:
    """What else may change a number of a run, as its summary has it; found out once a process.

    Returns:
        `commit` and `changed` (whether the code has changes that are in no commit), both None
        unless the package lies in a checkout; `cpu`, its name; `cores`, how many this process may
        use; `threads`, among how many XLA divides an operation on the CPU.
    """
    commit, changed = _state_of_code()
    return {
        "commit": commit,
        "changed": changed,
        "cpu": _cpu(),
        "cores": usable_cores(),
        "threads": _threads(),
    }


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def ask_for_commit() -> subprocess.Popen[str] | None:
    """Start asking git for the state of the code, once a process, without waiting for the answer.

    Returns:
        The process of git; None where the package does not lie in a checkout, or there is no git.
    """
    package = Path(__file__).parent.parent
    checkout = package.parent
    if not (checkout / ".git").exists():
        return None
    # A hook of git that starts a run has set variables that name another repository.
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    line = ["git", "-C", str(checkout), "status", "--porcelain=v2", "--branch", "--"]
    try:
        return subprocess.Popen(
            [*line, str(package), str(config_directory())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**own, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except OSError:
        return None


def _state_of_code() -> tuple[str | None, bool | None]:
    """The commit of the code, and whether it has changes that are in no commit."""
    asked = ask_for_commit()
    if asked is None:
        return None, None
    try:
        answer, _ = asked.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        asked.kill()
        asked.communicate()
        return None, None
    return parse_state(answer)


def parse_state(answer: str) -> tuple[str | None, bool | None]:
    """Read the commit, and whether anything has changed since, from `git status --porcelain=v2`.

    Args:
        answer: what git printed; empty where it failed.

    Returns:
        Two None where there is no commit.
    """
    lines = answer.splitlines()
    commits = [line.split()[-1] for line in lines if line.startswith("# branch.oid ")]
    if not commits or commits[0] == "(initial)":
        return None, None
    return commits[0], any(not line.startswith("#") for line in lines)


def _cpu() -> str:
    """The name of the CPU."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line)
    return next(names, platform.machine())


def _threads() -> int:
    """Among how many threads XLA divides an operation on the CPU: at least one for each device."""
    given = next(filter(None, map(os.environ.get, _THREADS)), "")
    own = int(given) if given.isdigit() else 0
    return max(own or usable_cores(), jax.local_device_count("cpu"))
