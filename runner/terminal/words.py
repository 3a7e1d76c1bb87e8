"""Numbers, durations and paths as the terminal shows them."""

from __future__ import annotations

import math
import re
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


def several(count: int, noun: str) -> str:
    """A count with its noun: `1 run`, `2,000 runs`."""
    return f"{count:,} {noun}" + "s" * (count != 1)


def format_speed(steps_per_second: float) -> str:
    """A speed as text, `1,204 steps/s`; slow ones with two digits, `0.42 steps/s`."""
    slow = 0 < steps_per_second < 10
    return (f"{steps_per_second:.2g}" if slow else f"{steps_per_second:,.0f}") + " steps/s"


def format_epochs(count: float) -> str:
    """A number of epochs as text: `0.1778`, `3.5`, `100,000`."""
    return f"{count:.4g}" if count < 10_000 else f"{count:,.0f}"


def format_duration(seconds: float) -> str:
    """Seconds as `1:02:03`, or `2:03` below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def path_from_here(path: Path) -> Path:
    """A path, relative to the current directory if it lies below."""
    path = path.absolute()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def shell_path(path: Path) -> str:
    """The same, ready to paste into a shell."""
    return shlex.quote(str(path_from_here(path)))


def quoted_path(path: Path) -> str:
    """A path as the value of an override; Hydra's grammar refuses `=` and `,` without quotes."""
    return str(path) if re.fullmatch(r"[\w./:+-]+", str(path)) else f'"{path}"'
