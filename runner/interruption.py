"""Ctrl-C, SIGTERM and SIGHUP: acknowledged at once, obeyed where nothing is lost.

The command runs in a worker thread, and the main thread only waits, so that it can handle a signal
also while the worker compiles or computes. A handler raises nothing: an exception that appears
inside a library may be swallowed there, or leave it in a state that crashes. While there is
something to save (`deferred`), the first signal is remembered and the worker raises a
`KeyboardInterrupt` at its next `check`; otherwise, and at a second signal, the process ends.

What the parent of the process told it to ignore (nohup, background jobs of a shell) is ignored.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

INTERRUPTED = 130
"""The exit code of a command that a signal ended; shells have it for Ctrl-C."""

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_SAME_SIGNAL = 0.2
"""The same signal within these seconds comes from two senders: the terminal and a parent."""
_WAKES = 0.1
"""The seconds after which the main thread wakes: a signal may have come to another thread."""
_STACK_BYTES = 64 * 2**20
"""Room for deep recursion, as the main thread has; only what is used is allocated."""

_Result = TypeVar("_Result")


class _Signals:
    """What has been received so far, and what is to be saved."""

    program = "runner"
    received: float | None = None
    """When the last signal came."""
    deferrals = 0


_last_acts: list[Callable[[], None]] = []


def handle_signals(program: str) -> None:
    """Handle the signals from now on.

    Args:
        program: the name that starts what is said on standard error.
    """
    _Signals.program = program
    for name in _SIGNALS:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)


def in_worker(command: Callable[[], _Result]) -> _Result:
    """Run a command in a worker thread and wait for it.

    Args:
        command: the command.

    Returns:
        What it returns.

    Raises:
        BaseException: what the command raised.
    """
    result: list[_Result] = []
    raised: list[BaseException] = []
    done = threading.Event()

    def work() -> None:
        try:
            result.append(command())
        except BaseException as error:  # raised again below
            raised.append(error)
        finally:
            done.set()

    before = threading.stack_size(_STACK_BYTES)
    threading.Thread(target=work, name="command", daemon=True).start()
    threading.stack_size(before)
    while not done.wait(_WAKES):
        pass
    if raised:
        raise raised[0]
    return result[0]


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Have something to save: a first signal is obeyed at the next `check`, and at the end."""
    _Signals.deferrals += 1
    try:
        yield
        check()
    finally:
        _Signals.deferrals -= 1


@contextlib.contextmanager
def handled_here() -> Iterator[None]:
    """Handle Ctrl-C during a call from Python, and leave the handler as it was.

    A first one is obeyed at the next `check`, a second one at once. In other threads than the main
    one, where Python handles no signals, nothing is changed.
    """
    before = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or before in (signal.SIG_IGN, None):
        yield
        return
    _Signals.received = None
    signal.signal(signal.SIGINT, _remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _Signals.received = None


def _remember(number: int, frame: Any) -> None:
    """Remember a first signal.

    Raises:
        KeyboardInterrupt: it is not the first one.
    """
    before, _Signals.received = _Signals.received, time.monotonic()
    if before is None:
        _say("interrupted: ends when what is running now is done (again: at once)")
    elif _Signals.received - before >= _SAME_SIGNAL:
        raise KeyboardInterrupt


def check() -> None:
    """Obey a signal that came before.

    Raises:
        KeyboardInterrupt: there was one.
    """
    if was_received():
        raise KeyboardInterrupt


def was_received() -> bool:
    """Whether a signal has come."""
    return _Signals.received is not None


def before_leaving(act: Callable[[], None]) -> None:
    """Have something done where the process ends at once; it must be quick."""
    _last_acts.append(act)


def _handle(number: int, frame: Any) -> None:
    before, _Signals.received = _Signals.received, time.monotonic()
    if before is not None and _Signals.received - before < _SAME_SIGNAL:
        return
    if before is None and _Signals.deferrals:
        _say("interrupted: saving when what is running now is done (again: leave at once)")
        return
    _say("interrupted" if before is None else "left at once; what was written stays readable")
    _leave()


def _say(words: str) -> None:
    """Write a line; not by `print`, whose lock the worker may hold."""
    line = f"{_Signals.program}: {words}\n"
    with contextlib.suppress(OSError):
        os.write(2, (f"\r\033[K{line}" if os.isatty(2) else line).encode())


def _leave() -> NoReturn:
    for act in _last_acts:
        act()
    os._exit(INTERRUPTED)
