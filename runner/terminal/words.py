"""Numbers, durations and paths as the terminal shows them."""

from __future__ import annotations

import math
import shlex
from pathlib import Path

from runner.measures import ErrorKind


def format_measure(value: float | None, kind: ErrorKind | None = None) -> str:
    """A measure as text, `-` where there is none.

    Args:
        value: the value of the measure.
        kind: what kind of error it is, if it is one: rates are shown in percent.
    """
    if value is None or math.isnan(value):
        return "-"
    return f"{100 * value:.2f} %" if kind and kind.is_percentage else f"{value:.4g}"


def format_duration(seconds: float) -> str:
    """Seconds as `1:02:03`, or `2:03` below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def shell_path(path: Path) -> str:
    """A path, relative to the current directory if it lies below, ready to paste into a shell."""
    path = path.absolute()
    below = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return shlex.quote(str(below))
