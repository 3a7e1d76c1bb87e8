"""Pure-Python wheels from a folder, for an interpreter that lacks a package."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import zipfile
from pathlib import Path

NEEDED = ("jax", "numpy", "optax", "absl")
MOST_BYTES = 20 * 2**20
_unpacked = tempfile.TemporaryDirectory(prefix="wheels-")


class UnusableError(Exception):
    """The interpreter or the folder of wheels cannot be used; the message says why."""


def use(folder: Path | None) -> None:
    """Make the wheels in a folder importable, after all that is installed.

    They are unpacked into a temporary folder that ends with this process; nothing is installed.

    Args:
        folder: holds the wheels; None: only what is installed is used.

    Raises:
        UnusableError: the folder holds no wheels, wheels of compiled code or more than 20 MiB, or a
            package is still missing.
    """
    if folder is not None:
        for wheel in _pure(folder):
            with zipfile.ZipFile(wheel) as content:
                content.extractall(_unpacked.name)
        sys.path.append(_unpacked.name)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UnusableError(
            f"{sys.executable} has no {', '.join(missing)}: install it there, or name a folder "
            "with pure-Python wheels: WHEELS=folder (absl is in the wheel of absl-py)"
        )


def _pure(folder: Path) -> list[Path]:
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise UnusableError(f"WHEELS={folder}: there is no wheel in this folder")
    compiled = [wheel.name for wheel in wheels if not wheel.name.endswith("-none-any.whl")]
    if compiled:
        raise UnusableError(f"WHEELS={folder}: not pure Python: {', '.join(compiled)}")
    size = sum(wheel.stat().st_size for wheel in wheels)
    if size > MOST_BYTES:
        raise UnusableError(f"WHEELS={folder}: {size / 2**20:.0f} MiB; at most 20 MiB are used")
    return wheels
