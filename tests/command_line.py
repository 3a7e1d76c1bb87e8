"""The commands as a user types them, run in this process or in one of their own."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import absl.logging

import runner.cli
import runner.compare.cli
import runner.new.cli

# When Hydra configures logging, the handler of absl (a dependency of TensorBoard) closes its stream
# unless that is the standard error. At import it took what pytest had put in its place.
absl.logging.get_absl_handler().python_handler.setStream(sys.__stderr__)

Completed = subprocess.CompletedProcess[str]


class CommandLine:
    """Calls `runner` and `runner-compare` in a directory.

    This process has imported JAX and Hydra already and keeps the programs that it compiled, which
    saves most of the time of a call. What needs signals, a pipe or other variables of JAX, which
    reads them when it is imported, needs a process of its own.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, *arguments: str, **environment: str) -> Completed:
        """Run `runner ARGUMENTS`, with some variables of the environment changed."""
        with mock.patch.dict(os.environ, environment):
            return self._here("runner", runner.cli.run_command_line, arguments)

    def compare(self, *arguments: str) -> Completed:
        """Run `runner-compare ARGUMENTS`."""
        return self._here("runner-compare", runner.compare.cli.run_command_line, arguments)

    def new(self, *arguments: str) -> Completed:
        """Run `runner-new ARGUMENTS`."""
        return self._here("runner-new", runner.new.cli.run_command_line, arguments)

    def process(self, *arguments: str) -> Completed:
        """Run `runner ARGUMENTS` in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "runner", *arguments],
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def start(self, *arguments: str, ignores_sigint: bool = False) -> subprocess.Popen[bytes]:
        """Start `runner ARGUMENTS` in a process of its own, with its standard error in a pipe.

        A process inherits from its parent whether it ignores SIGINT, and the parent of the tests
        may do so (a background job of a shell, nohup). So it is set here.
        """
        handler = "SIG_IGN" if ignores_sigint else "default_int_handler"
        code = (
            f"import signal; signal.signal(signal.SIGINT, signal.{handler}); "
            "from runner.__main__ import main; main()"
        )
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=self.directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def _here(
        self, program: str, run: Callable[[list[str]], int], arguments: tuple[str, ...]
    ) -> Completed:
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.directory),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            _state_of_the_process(),
        ):
            sys.argv = [program, *arguments]
            code = run(list(arguments))
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _state_of_the_process() -> Iterator[None]:
    """Restore what a command changes for good: argv, handlers of signals and of the root logger."""
    argv = sys.argv
    terminate, root = signal.getsignal(signal.SIGTERM), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        sys.argv = argv
        signal.signal(signal.SIGTERM, terminate)
        for handler in set(root.handlers) - set(handlers):
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
