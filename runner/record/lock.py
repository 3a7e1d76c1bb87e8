"""The lock of a folder: held by the process that writes there, and gone with it, however it ends.

It is an exclusive `flock` on the file `.lock` in the folder of a run or a sweep, and covers all
that lies below. The operating system drops it when the process ends, also after kill -9, so a run
that is marked `running` in a folder without a lock was killed. The file says who holds it; where
the file system has no locks, that process is looked for instead.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from runner import files
from runner.errors import RecordError
from runner.whole_files import discard_left

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PATIENCE = 0.3
"""For how many seconds a lock is asked for: a reader that looks at it holds it for an instant."""

_NO_LOCKS = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

_INHERITED = "RUNNER_WRITES_IN"
"""Names the folders that a process holds to those that it starts: workers of another launcher."""

_ours: set[Path] = set()


@contextlib.contextmanager
def writing_in(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which exists; nothing to do if it is held by this process.

    Raises:
        RecordError: another process holds it or one above it, or the folder cannot be written.
    """
    place = folder.resolve()
    check_free(folder)
    if any(above in _ours for above in (place, *place.parents)):
        yield
        return
    file = place / files.LOCK
    was_killed = file.exists()  # a process that ends otherwise removes it
    try:
        handle = _acquired(file)
    except BlockingIOError:
        raise _busy(folder, file) from None
    except OSError as error:
        raise RecordError(f"{folder}: cannot be written: {error.strerror}") from error
    inherited = os.environ.get(_INHERITED, "")
    os.environ[_INHERITED] = os.pathsep.join(filter(None, (inherited, str(place))))
    _ours.add(place)
    try:
        if was_killed:
            discard_left(place, lambda below: _is_held(below / files.LOCK))
        yield
    finally:
        _ours.discard(place)
        os.environ[_INHERITED] = inherited
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
        os.close(handle)


def check_free(folder: Path) -> None:
    """Check that no other process writes in a folder.

    Above a folder that this process holds, or the one that started it, nothing is looked for: that
    was done when it was locked.

    Raises:
        RecordError: another process does.
    """
    place = folder.resolve()
    known = {*_ours, *map(Path, os.environ.get(_INHERITED, "").split(os.pathsep))}
    for above in (place, *place.parents):
        if above in known:
            return
        if _is_held(above / files.LOCK, _PATIENCE):
            raise _busy(folder, above / files.LOCK)


def is_written(folder: Path) -> bool:
    """Whether another process writes in a folder.

    Not this one: what it finds in a folder that it has locked was left by another.
    """
    place = folder.resolve()
    return any(
        above not in _ours and _is_held(above / files.LOCK) for above in (place, *place.parents)
    )


def _busy(folder: Path, file: Path) -> RecordError:
    who = _owner(file)
    holder = f" ({who[1]} on {who[0]})" if who else ""
    return RecordError(
        f"{folder}: another process{holder} is writing there; wait for it, or name another folder"
    )


def _acquired(file: Path) -> int:
    """Make the file and lock it; return what it is open as.

    Raises:
        BlockingIOError: another process holds the lock.
        OSError: the file cannot be made.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | _NO_FOLLOW, 0o666)
        try:
            _lock(handle, file)
            if _is_same(handle, file):
                _sign(handle)
                return handle
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(handle)
                raise
            time.sleep(0.02)
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, file: Path) -> None:
    """Lock an open file, or see whether its process lives where files cannot be locked.

    Raises:
        BlockingIOError: another process holds the lock.
    """
    if fcntl is not None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
    if _owner_lives(file):
        raise BlockingIOError


def _is_same(handle: int, file: Path) -> bool:
    """Whether the name still belongs to the open file, and not to one that came after it."""
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(file))
    except FileNotFoundError:
        return False


def _sign(handle: int) -> None:
    """Say who holds the lock; on a full disk it is held without that."""
    with contextlib.suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{socket.gethostname()} {os.getpid()}\n".encode(), 0)


def _is_held(file: Path, patience: float = 0.0) -> bool:
    """Whether a process holds the lock.

    Args:
        file: its file; there may be none.
        patience: for how many seconds it must be held, since readers hold it for an instant.
    """
    try:
        handle = os.open(file, os.O_RDONLY | _NO_FOLLOW)
    except OSError:
        return False
    deadline = time.monotonic() + patience
    try:
        while fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return False
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return True
                time.sleep(0.02)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    return False
                break
        return _owner_lives(file)
    finally:
        os.close(handle)


def _owner(file: Path) -> tuple[str, int] | None:
    """The host and the process that hold a lock; None where the file does not say."""
    try:
        host, number = file.read_text(encoding="utf-8")[:300].split()
        return host, int(number)
    except (OSError, ValueError):
        return None


def _owner_lives(file: Path) -> bool:
    """Whether the process that a file names lives; one of another host is taken to live."""
    owner = _owner(file)
    if owner is None:
        return False
    host, number = owner
    if host != socket.gethostname():
        return True
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return number != os.getpid()
