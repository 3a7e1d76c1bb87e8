"""A message on the terminal while something takes long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST = 60.0

PATIENCE = 1.0
"""After how many seconds the first message comes, and every next one."""


@contextmanager
def waiting(what: str, patience: float = PATIENCE) -> Iterator[None]:
    """Say on standard error what is being done, and for how long, if it takes a while.

    On a terminal it is one line, which is removed in the end.

    Args:
        what: what is being done.
        patience: the seconds before the first message and, on a terminal, between messages;
            elsewhere they become fewer.
    """
    done = threading.Event()
    thread = threading.Thread(target=_report, args=(what, patience, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _report(what: str, patience: float, done: threading.Event) -> None:
    started = time.perf_counter()
    terminal = sys.stderr.isatty()
    reported = False
    while not done.wait(patience):
        reported = True
        if not terminal:
            patience = min(2 * patience, _LONGEST)  # a log needs no line every second
        words = f"{what}: {time.perf_counter() - started:.0f} s"
        print(f"\r{words}" if terminal else words, end="" if terminal else "\n", file=sys.stderr)
        sys.stderr.flush()
    if reported and terminal:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
