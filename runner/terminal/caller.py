"""Who reads what is said: a person at a terminal, a log, a notebook, or a program that wants none.

The command line tells what it does and ends with a table. A call from Python returns its results
instead, and shows its progress where that is wanted.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Literal

Reader = Literal["terminal", "lines", "notebook", "nobody"]

_progress: ContextVar[bool | None] = ContextVar("progress", default=None)
"""Of a call from Python whether it shows its progress; None on the command line."""


@contextlib.contextmanager
def called_from_python(*, progress: bool) -> Iterator[None]:
    """Return results instead of telling them, while the context is open.

    Args:
        progress: whether progress is shown.
    """
    token = _progress.set(progress)
    try:
        yield
    finally:
        _progress.reset(token)


def is_command_line() -> bool:
    """Whether results are told, and not returned."""
    return _progress.get() is None


def tell(line: str) -> None:
    """Print a line on standard error, on the command line."""
    if is_command_line():
        print(line, file=sys.stderr, flush=True)


def reader_of_progress() -> Reader:
    """Who reads the progress."""
    if _progress.get() is False or sys.stderr is None:
        return "nobody"
    if not is_command_line() and in_notebook():
        return "notebook"
    return "terminal" if sys.stderr.isatty() else "lines"


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None
