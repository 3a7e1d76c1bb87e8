"""The figure that a sweep ends with, in its own folder and, for TensorBoard, its own event file."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import matplotlib.backends.backend_agg
import matplotlib.backends.backend_svg
import matplotlib.figure  # noqa: F401 - imported while programs compile, for drawing later

from runner import files
from runner.compare.figures.numbers import write_numbers
from runner.compare.figures.style import save
from runner.compare.runs import Run
from runner.compare.view import View, command_of
from runner.record.sweep_events import show_in_tensorboard
from runner.whole_files import replacing


def draw(runs: Sequence[Run], folder: Path, view: View) -> Path | None:
    """Draw the figure of a sweep.

    Args:
        runs: its runs, as they were recorded.
        folder: where the figure goes, in the formats of `runner.files`.
        view: what is drawn.

    Returns:
        The figure as a file; None if there are not two runs to compare.

    Raises:
        OSError: a file cannot be written.
        ConfigError: this kind of figure cannot be drawn of these runs.
    """
    numbers = (folder / files.SWEEP_FIGURES[0]).with_suffix(files.FIGURE_NUMBERS)
    for name in (*files.SWEEP_FIGURES, files.SWEEP_ANIMATION, numbers.name):
        (folder / name).unlink(missing_ok=True)  # an earlier figure shows other runs
    if len(runs) < 2:
        return None
    groups = view.groups(runs)
    figure = view.draw(groups)
    for name in files.SWEEP_FIGURES:
        with replacing(folder / name) as temporary:
            save(figure, temporary, view.dpi)
    write_numbers(figure, numbers, command_of(view, [folder]))
    if view.can_be_animated(groups):
        with replacing(folder / files.SWEEP_ANIMATION) as temporary:
            view.animate(groups, temporary)
    with contextlib.suppress(OSError):  # the files of the figure exist
        show_in_tensorboard(folder / files.SWEEP_FIGURES[0])
    return folder / files.SWEEP_FIGURES[0]
