"""A word on the terminal while something takes longer than one waits in silence."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 1.0
"""Seconds without a word."""


@contextmanager
def waiting(what: str, patience: float = PATIENCE) -> Iterator[None]:
    """Say on stderr what is being done, and for how long, once that is longer than a moment.

    On a terminal it is one line that is taken back in the end.
    """
    done = threading.Event()
    speaker = threading.Thread(target=_speak, args=(what, patience, done), daemon=True)
    speaker.start()
    try:
        yield
    finally:
        done.set()
        speaker.join()


def _speak(what: str, patience: float, done: threading.Event) -> None:
    begun = time.perf_counter()
    terminal = sys.stderr.isatty()
    said = False
    while not done.wait(patience):
        said = True
        words = f"{what}: {time.perf_counter() - begun:.0f} s"
        print(f"\r{words}" if terminal else words, end="" if terminal else "\n", file=sys.stderr)
        sys.stderr.flush()
    if said and terminal:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
