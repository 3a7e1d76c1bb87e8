"""Files that are replaced as a whole: a reader sees the old content or the new one, never a part.

The content goes to a temporary file beside it, which is then renamed. A symbolic link of that name
is replaced and not followed, so that nothing is written outside the folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from io import FileIO
from itertools import count
from pathlib import Path

from runner.interruption import before_leaving

_TEMPORARY = re.compile(r"\.\d+\.\d+\.\w+|\.tmp\w{6}")
"""The names of temporary files: the process, a number, and the suffix of the file; and those that
`safetensors` writes beside a file."""

_unfinished: set[Path] = set()
_numbers = count()


@contextlib.contextmanager
def replacing(file: Path, *, durably: bool = False) -> Iterator[Path]:
    """Replace a file by what is written to the path that this yields; not at all after an error.

    Args:
        file: the file; its folder exists.
        durably: whether the content must be on the disk before the name is.

    Yields:
        An empty file in the same folder with the same suffix.

    Raises:
        OSError: the file cannot be written; no temporary file is left.
    """
    with _temporary(file, durably) as temporary:
        new_file(temporary).close()
        yield temporary


def replace_text(file: Path, text: str, *, durably: bool = False) -> None:
    """Replace a file by a text in UTF-8; see `replacing`.

    Args:
        file: the file; its folder exists.
        text: its new content.
        durably: whether the content must be on the disk before the name is.

    Raises:
        OSError: the file cannot be written.
    """
    replace_bytes(file, text.encode(), durably=durably)


def replace_bytes(file: Path, content: bytes, *, durably: bool = False) -> None:
    """Replace a file; see `replacing`. The temporary file is opened only once.

    Args:
        file: the file; its folder exists.
        content: its new content.
        durably: whether the content must be on the disk before the name is.

    Raises:
        OSError: the file cannot be written.
    """
    with _temporary(file, durably) as temporary, new_file(temporary) as stream:
        write_all(stream, content)


@contextlib.contextmanager
def _temporary(file: Path, durably: bool) -> Iterator[Path]:
    """The name of a temporary file, which is then renamed to `file`, or removed after an error."""
    temporary = file.with_name(f".{os.getpid()}.{next(_numbers)}{file.suffix or '.part'}")
    _unfinished.add(temporary)
    try:
        yield temporary
        if durably:
            sync(temporary)
        temporary.replace(file)
        if durably:
            sync(file.parent)
    except BaseException:
        _discard(temporary)
        raise
    finally:
        _unfinished.discard(temporary)


def new_file(path: Path) -> FileIO:
    """Make a file, open for writing without a buffer; what has its name, also a link, is removed.

    Raises:
        OSError: it cannot be made.
    """
    try:
        return FileIO(path, "x")
    except FileExistsError:
        path.unlink()
        return FileIO(path, "x")


def write_all(stream: FileIO, content: bytes) -> None:
    """Write all of some bytes to a file without a buffer, which may take them in parts.

    Raises:
        OSError: the disk does not take them.
    """
    left = memoryview(content)
    while left:
        left = left[stream.write(left) :]


def link(file: Path, other: Path) -> None:
    """Give a file another name in the same folder; a copy where the file system has no such names.

    Args:
        file: the file, which nobody writes to from now on.
        other: its other name; what has had it is replaced.

    Raises:
        OSError: there is no such file, or no room for a copy.
    """
    with replacing(other) as temporary:
        temporary.unlink()
        try:
            os.link(file, temporary)
        except OSError:
            shutil.copyfile(file, temporary)


def discard_left(folder: Path, is_held: Callable[[Path], bool]) -> None:
    """Remove the temporary files that a killed process has left in a folder and below it.

    Args:
        folder: where no process writes, but in folders below that it holds.
        is_held: whether a process holds a folder below; nothing in there is touched.
    """
    for place, below, names in os.walk(folder):
        below[:] = [name for name in below if not is_held(Path(place) / name)]
        for name in filter(_TEMPORARY.fullmatch, names):
            _discard(Path(place) / name)


def open_no_link(path: str | Path, flags: int) -> int:
    """Open a file, but no symbolic link; for the argument `opener` of `open`."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def sync(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _discard(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)


@before_leaving
def _discard_unfinished() -> None:
    for file in list(_unfinished):
        _discard(file)
