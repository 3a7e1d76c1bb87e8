"""The numbers that a figure draws, as a CSV file beside it.

Each line of the file is a point of the figure. A mean has the ends of its band in the same line.
The first line is a comment, the command that draws the figure again.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from runner.compare.escapes import in_spreadsheet
from runner.compare.figures.chosen_look import panels_of
from runner.errors import one_line
from runner.whole_files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_BAND = "_band: "


class Point(NamedTuple):
    """A line of the file.

    Attributes:
        panel: the number of the panel, from 1.
        x_axis: what is on its horizontal axis.
        y_axis: what is on its vertical axis.
        line: the name of the line, as in the legend before it is renamed; of pixels the example.
        shows: `line`, `mean` (a line without a name), `raw` (single steps), `runs` (single runs),
            `diverged`, `stopped` (where runs did), `rest` (runs after the mean), `best`, `final`,
            `pixels`, `surface` or `path`.
        x: its place on the horizontal axis.
        y: its place on the vertical axis.
        low: the lower end of the band, if there is one.
        high: the upper end of the band, if there is one.
        value: what its color shows, if it shows something.
    """

    panel: int
    x_axis: str
    y_axis: str
    line: str
    shows: str
    x: Any
    y: Any
    low: Any = ""
    high: Any = ""
    value: Any = ""


def points_of(figure: Figure) -> Iterator[Point]:
    """Yield every point of a figure, panel by panel."""
    for number, panel in enumerate(panels_of(figure), start=1):
        labels = number, panel.get_xlabel(), panel.get_ylabel()
        bands = dict(_bands(panel))
        for line in panel.get_lines():
            name, shows = _meaning(str(line.get_label()))
            if not shows:
                continue
            x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
            low, high = bands.get(name, ([], [])) if shows == "line" else ([], [])
            for i in range(len(x)):
                ends = (low[i], high[i]) if len(low) == len(x) else ("", "")
                yield Point(*labels, name, shows, x[i], y[i], *ends)
        for dots in panel.collections:
            if dots.get_label() == "_final":
                for (x, y), value in zip(
                    _array(dots.get_offsets()), _array(dots.get_array()), strict=True
                ):
                    yield Point(*labels, "", "final", x, y, value=value)
        for image in panel.get_images():
            yield from _cells(image, panel, labels)


def _cells(image: AxesImage, panel: Axes, labels: tuple[int, str, str]) -> Iterator[Point]:
    """The pixels of a picture, or the cells of a heat map, whose places are in its ticks."""
    name, shows = _meaning(str(image.get_label()))
    if shows == "surface":
        yield from _places(image, labels)
        return
    across = [text.get_text() for text in panel.get_xticklabels()]
    up = [text.get_text() for text in panel.get_yticklabels()]
    for (row, column, *channel), value in np.ndenumerate(_array(image.get_array())):
        if shows == "pixels":
            which = " ".join(map(str, (name, *channel)))
            yield Point(*labels, which, shows, column, row, value=value)
        else:
            yield Point(*labels, name, shows or "final", across[column], up[row], value=value)


def _places(image: AxesImage, labels: tuple[int, str, str]) -> Iterator[Point]:
    """The points of a surface, the outermost of which lie on the edges of the panel."""
    values = _array(image.get_array())
    left, right, low, high = image.get_extent()
    x, y = np.linspace(left, right, values.shape[1]), np.linspace(low, high, values.shape[0])
    for (row, column), value in np.ndenumerate(values):
        yield Point(*labels, "", "surface", x[column], y[row], value=value)


def _array(values: Any) -> np.ndarray:
    """The values as a plain array, NaN where they are masked."""
    return np.asarray(np.ma.filled(values, np.nan), float)


def _meaning(label: str) -> tuple[str, str]:
    """The name of a line and what it shows, from its label; nothing for what is no data.

    Matplotlib leaves labels that start with `_` out of legends, and calls what has none `_child0`.
    """
    if not label.startswith("_"):
        return label, "line"
    shows, _, name = label[1:].partition(": ")
    return name, "" if shows.startswith("child") else shows


def _bands(panel: Axes) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """The lower and the upper ends of each band, by the name of its line.

    The outline of a band of n points goes from the first upper end along the n lower ends, and from
    the last upper end back along the upper ends.
    """
    for shade in panel.collections:
        label = str(shade.get_label())
        if label.startswith(_BAND):
            heights = np.asarray(shade.get_paths()[0].vertices)[:, 1]
            count = (len(heights) - 3) // 2
            low, high = heights[1 : count + 1], heights[count + 2 : 2 * count + 2][::-1]
            yield label.removeprefix(_BAND), (np.minimum(low, high), np.maximum(low, high))


def write_numbers(figure: Figure, file: Path, command: str) -> None:
    """Write the numbers of a figure.

    Args:
        figure: the figure.
        file: the file.
        command: draws the figure again.

    Raises:
        OSError: the file cannot be written.
    """
    with (
        replacing(file) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        stream.write(f"# {one_line(command)}\n")
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(Point._fields)
        for point in points_of(figure):
            numbers = (f"{value:.7g}" if isinstance(value, float) else value for value in point)
            writer.writerow(map(in_spreadsheet, numbers))
