"""Files that are replaced as a whole: a reader sees the old one or the new one, never a part."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def replace(file: Path, write: Callable[[Path], object], *, durable: bool = False) -> None:
    """Write a file under another name, then give it its own.

    Args:
        file: the file; there need be none yet.
        write: writes a file of the given path.
        durable: wait until the disk has it, so that it outlives a loss of power as well.

    Raises:
        OSError: it cannot be written; the file is as before, and nothing else is left.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        write(temporary)
        if durable:
            synchronize(temporary)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        synchronize(file.parent)


def synchronize(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder.

    Raises:
        OSError: it cannot be written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
