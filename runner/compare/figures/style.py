"""What all figures share: panels, palette, axes of measures, legend, small print.

On screen a figure is 7 inches wide; for a paper it is a column of 3.3 inches, with the panels below
each other. Letters have 7 and 8 points. Colors remain distinguishable with a red-green deficiency
(Okabe & Ito 2008; for numbers the scale `viridis`) and, for a paper, lines also differ in their
dashes and markers.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from runner.compare.grouping import Group, is_number
from runner.compare.look import PLAIN, Look
from runner.measures import CLIPPED, ErrorKind

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
DASHES = ("-", "--", ":", "-.")
MARKERS = "os^Dv<>P"
LABEL_SIZE, TICK_SIZE, NOTE_SIZE = 8, 7, 7
"""Sizes of letters, in points."""

CROSS_HEIGHT = 0.97
"""Where in a panel a cross marks what has no value, relative to its height."""

MEANS = {False: "mean", True: "geometric mean"}
"""What is drawn on a linear and on a logarithmic axis."""

_WIDTH_OF_LETTER = 0.56
"""Of an average letter, in units of its size."""

_LIGHTEST = 0.85
"""How far the scale of colors goes, so that its end is visible on white paper."""

_THINNEST, _WIDEST = 1.0, 1.9
COLUMN = 3.3
"""The width of a column of a paper, in inches."""

_UNDERSTOOD = ("optimizer", "regularization", "gradient")
"""Groups whose keys are understood without them: `learning rate`, `dropout rate`."""

_ERROR_SPAN = 10.0
"""Errors whose largest value is this many times the least have a logarithmic axis."""


def empty_panels(count: int, look: Look = PLAIN, sharey: bool = True) -> tuple[Figure, list[Axes]]:
    """Make a figure with panels: side by side on screen, below each other for a paper.

    Args:
        count: the number of panels.
        look: the style and, unless it is empty, the size.
        sharey: whether all panels have the same vertical axis.
    """
    from matplotlib.figure import Figure

    usual = (COLUMN, 0.5 + 1.9 * count) if look.is_paper else (7 if count > 1 else 4.5, 2.8)
    width, height = look.size or usual
    figure = Figure(figsize=(width, height), layout="constrained")
    shape = (count, 1) if look.is_paper else (1, count)
    panels = figure.subplots(*shape, sharey=sharey, squeeze=False).ravel().tolist()
    for panel in panels:
        panel.tick_params(which="both", labelsize=TICK_SIZE)
        panel.grid(alpha=0.25, lw=0.5)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, panels


def line_styles(count: int, look: Look = PLAIN) -> list[dict[str, Any]]:
    """A color of the palette for each line, and other dashes beyond it or for a paper.

    The last are wider and below the others, so that lines that coincide are all visible.
    """
    dashes = [i if look.is_paper else i // len(OKABE_ITO) for i in range(count)]
    return [
        {
            "color": OKABE_ITO[i % len(OKABE_ITO)],
            "ls": DASHES[dashes[i] % len(DASHES)],
            "lw": _THINNEST if count < 2 else _THINNEST + (_WIDEST - _THINNEST) * i / (count - 1),
            "zorder": 3 - i / count,
            **_markers(i, count, look),
        }
        for i in range(count)
    ]


def group_styles(groups: Sequence[Group], look: Look = PLAIN) -> list[dict[str, Any]]:
    """A style for each group: colors of a scale if they differ in one number, else the palette."""
    styles = line_styles(len(groups), look)
    if are_on_scale(groups):
        from matplotlib import colormaps

        scale = colormaps["viridis"]
        for i, style in enumerate(styles):
            style["color"] = scale(_LIGHTEST * i / (len(groups) - 1))
            style["ls"] = style["ls"] if look.is_paper else "-"
    return styles


def are_on_scale(groups: Sequence[Group]) -> bool:
    """Whether several groups differ in one number alone, or in a batch size with `full`."""
    values = [list(group.settings.values()) for group in groups]
    return len(groups) > 2 and all(
        len(own) == 1 and (is_number(own[0]) or own[0] == "full") for own in values
    )


def _markers(place: int, count: int, look: Look) -> dict[str, Any]:
    """Markers at places along the line that differ from line to line."""
    if not look.is_paper:
        return {}
    every = (0.2 * (place + 0.5) / count, 0.2)
    return {"marker": MARKERS[place % len(MARKERS)], "ms": 3, "markevery": every}


def legend_beside(figure: Figure, panel: Axes, title: str, look: Look = PLAIN) -> None:
    """Put a panel's legend beside or, for a paper, above all panels, where it covers nothing.

    Args:
        figure: the figure.
        panel: the panel whose lines it explains.
        title: above the legend; may be empty.
        look: its style decides where the legend is.
    """
    handles, labels = panel.get_legend_handles_labels()
    columns = 1
    if look.is_paper and labels:
        letters = _letters(figure, TICK_SIZE)
        columns = max(1, min(len(labels), letters // (max(map(len, labels)) + 6)))
    figure.legend(
        handles,
        labels,
        title=title or None,
        loc="outside upper left" if look.is_paper else "outside right upper",
        ncols=columns,
        fontsize=TICK_SIZE,
        title_fontsize=TICK_SIZE,
        columnspacing=1.2,
        alignment="left",
        frameon=False,
    )


def _letters(figure: Figure, size: float) -> int:
    """How many letters fit into a line across the figure."""
    return int(figure.get_figwidth() * 72 / (size * _WIDTH_OF_LETTER))


def small_print(figure: Figure, text: str) -> None:
    """Write a note below the panels that says what is drawn, such as what a band is."""
    width = _letters(figure, NOTE_SIZE)
    lines = [textwrap.fill(line, width, break_on_hyphens=False) for line in text.split("\n")]
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=NOTE_SIZE, color="0.35")


def add_to_small_print(figure: Figure, text: str) -> None:
    """Add a line to the note below the panels; nothing if it is empty."""
    if not text:
        return
    before = figure.get_supxlabel()
    small_print(figure, "\n".join(filter(None, (before, text))))
    if figure.get_layout_engine() is None:
        lines = figure.get_supxlabel().count("\n") - before.count("\n") + (not before)
        _raise(figure, 1.5 * NOTE_SIZE / 72 * lines)


def _raise(figure: Figure, room: float) -> None:
    """Make room, in inches, below panels and texts that have fixed places."""
    width, height = figure.get_size_inches()
    total = height + room
    figure.set_size_inches(width, total)
    for panel in figure.axes:
        x0, y0, across, up = panel.get_position().bounds
        panel.set_position((x0, (y0 * height + room) / total, across, up * height / total))
    for text in figure.texts:
        if text.get_text() != figure.get_supxlabel():
            text.set_y((text.get_position()[1] * height + room) / total)


def cross_at_top(panel: Axes, x: float, color: Any, size: float = 5) -> None:
    """Mark at the top of a panel a place where there is no value.

    Args:
        panel: the panel.
        x: the place on its horizontal axis.
        color: the color of the cross.
        size: the size of the cross, in points.
    """
    top = panel.get_xaxis_transform()
    panel.plot([x], [CROSS_HEIGHT], "x", ms=size, zorder=1, transform=top, color=color)


def readable(key: str) -> str:
    """The name of a setting as people read it: `batch size`, `learning rate`, `warmup length`."""
    for group in _UNDERSTOOD:
        key = key.removeprefix(f"{group}.")
    return key.replace(".", " ").replace("_", " ")


def title_of(keys: Iterable[str]) -> str:
    """The title of a legend whose labels are the values of some settings."""
    return ", ".join(map(readable, keys))


def is_log_measure(measure: str, values: Iterable[npt.ArrayLike], look: Look = PLAIN) -> bool:
    """Whether a measure belongs on a logarithmic axis.

    A loss or a norm does if it is never negative (the losses of some functions are), and an error
    if it is never 0 and its largest value is ten times the least.

    Args:
        measure: the name of the measure.
        values: what is drawn of it, in arrays.
        look: a scale that is chosen there is taken.
    """
    if look.yscale != "auto":
        return look.yscale == "log"
    least, largest = math.inf, -math.inf
    for own in values:  # one after the other: a curve may have millions of values
        known = np.ravel(np.asarray(own))
        known = known[np.isfinite(known)]
        if len(known):
            least, largest = min(least, float(known.min())), max(largest, float(known.max()))
    if least < 0 or largest <= 0:
        return False
    if measure.endswith("error"):
        return 0 < _ERROR_SPAN * least < largest
    return measure.endswith(("loss", "norm"))


def is_rate(groups: Sequence[Group], measure: str) -> bool:
    """Whether a measure is a share, which is shown in percent: an error rate, the share clipped."""
    kinds = {run.error_kind for group in groups for run in group.runs}
    are_rates = all(ErrorKind(kind).is_percentage for kind in kinds)
    return measure == CLIPPED or (measure.endswith("error") and are_rates)


def number_ticks(panel: Axes, is_percentage: bool, axis: str = "y") -> None:
    """Write the numbers of an axis as they are read: `0.1` on a logarithmic axis, `5 %` of a rate.

    Args:
        panel: the panel.
        is_percentage: whether the values are shares.
        axis: `x` or `y`.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    def text(value: float, _: int = 0) -> str:
        return f"{100 * value:.4g} %" if is_percentage else f"{value:.6g}"

    shown = panel.yaxis if axis == "y" else panel.xaxis
    low, high = sorted(shown.get_view_interval())
    if shown.get_scale() == "log" and low > 0:
        decades = math.log10(high / low)
        if decades > 5 and not is_percentage:
            return
        subs = (1.0, 2.0, 5.0) if decades < 2.2 else (1.0, 3.0) if decades < 3 else (1.0,)
        shown.set_major_locator(LogLocator(subs=subs))
        shown.set_minor_formatter(NullFormatter())
        shown.set_major_formatter(FuncFormatter(text))
    elif is_percentage or (shown.get_scale() == "symlog" and max(abs(low), abs(high)) < 1e6):
        shown.set_major_formatter(FuncFormatter(text))


def mean_on_axis(values: Sequence[float], is_log: bool) -> float:
    """The mean; on a logarithmic axis the geometric mean, if all values are positive."""
    if is_log and min(values) > 0:
        return math.exp(np.log(values).mean())
    return float(np.mean(values))


def save(figure: Figure, file: Path, dpi: float = 200) -> None:
    """Write a figure in the format that the ending of the file's name says.

    Letters in a .pdf are TrueType fonts, which journals accept, and not of Type 3.

    Args:
        figure: the figure.
        file: the file.
        dpi: dots per inch, where the format has dots.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib import rc_context

    with rc_context({"pdf.fonttype": 42, "ps.fonttype": 42}):
        figure.savefig(file, dpi=dpi)
    figure.set_layout_engine("none")  # it has its layout now; for another file it takes as long
