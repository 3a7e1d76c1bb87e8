"""Numbers, durations and paths as the terminal shows them."""

from __future__ import annotations

import shlex
from pathlib import Path


def number(value: float | None, *, percent: bool) -> str:
    """A measure as text: a rate in percent, `-` where there is none."""
    if value is None or value != value:
        return "-"
    return f"{100 * value:.2f} %" if percent else f"{value:.4g}"


def duration(seconds: float) -> str:
    """Seconds as `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def readable(path: Path) -> str:
    """A path relative to where the user is, if it lies below, ready to be pasted into a shell."""
    path = path.absolute()
    below = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return shlex.quote(str(below))
