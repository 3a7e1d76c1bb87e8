"""Folders that are removed again if nothing came into them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path


@contextlib.contextmanager
def made(folder: Path) -> Iterator[None]:
    """Make a folder with those above it; in the end remove what was made and is empty.

    Raises:
        OSError: it cannot be made; then nothing is left of it.
        ValueError: there is a null character in its name.
    """
    new = missing(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        remove_empty(new)


def missing(folder: Path) -> list[Path]:
    """The folder and those above it that do not exist, the innermost first."""
    return [place for place in (folder, *folder.parents) if not os.path.lexists(place)]


def remove_empty(folders: Sequence[Path]) -> None:
    """Remove those folders that are there and empty."""
    for place in folders:
        with contextlib.suppress(OSError):
            place.rmdir()
