"""A process that runs one command after the other, which saves the imports of each.

`Worker` is the side of the attacker. A command that does not end is killed, with the process.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import resource
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.torture.outcome import Outcome

ROOT = Path(__file__).parent.parent.parent
_SECONDS = 60
_MEMORY = 8 * 2**30


class Worker:
    """Runs commands in a process of its own, in a folder.

    Args:
        directory: the folder.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._end()

    def __call__(self, program: str, *words: str) -> Outcome:
        """Run `runner` or `runner-compare`; what it makes in the folder is in the outcome."""
        process = self._process or self._start()
        assert process.stdin
        assert process.stdout
        before = _content(self._directory)
        process.stdin.write(json.dumps([program, *words]).encode() + b"\n")
        process.stdin.flush()
        answer = _line(process.stdout, _SECONDS)
        made = tuple(sorted(_content(self._directory) - before))
        if answer is None or not answer:
            code = None if answer is None else process.wait()
            self._end()
            return Outcome(code, made=made)
        code, out, err, raised = json.loads(answer)
        return Outcome(code, out, err, raised, made)

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.worker", str(self._directory)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        return self._process

    def _end(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _line(stream: IO[bytes], seconds: float) -> bytes | None:
    """The next line; empty if the stream has ended, None if none came in time."""
    ready, _, _ = select.select([stream], [], [], seconds)
    return stream.readline() if ready else None


def _content(directory: Path) -> set[str]:
    """The names of all files and folders below a folder."""
    found = set()
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if name != "__pycache__"]
        place = Path(folder).relative_to(directory)
        found |= {str(place / name) for name in (*folders, *names)}
    return found


def _run(program: str, words: list[str]) -> list[int | str]:
    """Run a command in this process: exit code, output, standard error, unhandled exception."""
    import runner.cli
    import runner.compare.cli

    commands = {
        "runner": runner.cli.run_command_line,
        "runner-compare": runner.compare.cli.run_command_line,
    }
    out, err, raised, code = io.StringIO(), io.StringIO(), "", 1
    sys.argv = [program, *words]
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = commands[program](words)
        except BaseException as error:  # what a process would end with
            raised = f"{type(error).__name__}: {error}"[:300]
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    return [code, out.getvalue(), err.getvalue(), raised]


def main() -> None:
    """Answer each line of standard input, a command, with a line, its outcome."""
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what is printed past sys.stdout is no answer
    os.chdir(sys.argv[1])
    for line in sys.stdin:
        program, *words = json.loads(line)
        answers.write(json.dumps(_run(program, words)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
