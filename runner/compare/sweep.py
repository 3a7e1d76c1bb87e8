"""The figure that a sweep ends with, in its own folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import matplotlib.backends.backend_agg
import matplotlib.backends.backend_svg  # noqa: F401 - what `save` is going to need

from runner.compare.figure import save, sweep_figure
from runner.compare.grouping import grouped
from runner.compare.runs import find
from runner.errors import ConfigError

FILES = ("sweep.png", "sweep.svg")
MEASURE = "validation_error"
"""What a sweep is judged by, as in its table."""


def draw(directories: Iterable[Path], folder: Path) -> Path | None:
    """Draw the runs in some directories into a folder.

    Returns:
        The picture; None where there is nothing to compare.

    Raises:
        OSError: it cannot be written.
    """
    try:
        groups = grouped(find(directories).runs)
    except ConfigError:
        return None
    if len(groups) < 2:
        return None
    figure = sweep_figure(groups, MEASURE)
    for name in FILES:
        save(figure, folder / name)
    return folder / FILES[0]
