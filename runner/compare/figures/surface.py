"""The figure of paths: the path of each optimizer over the contours of a surface.

A panel for each surface, a line for each optimizer, in one color in all panels. Dots at equal
distances in time show the speed: where they are close the optimizer is slow. Contours are spaced in
equal ratios above the minimum; the darker, the lower. A function of one number is drawn as the
curve that it is, in a panel for each line, with a dot for every iterate.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runner import files
from runner.compare.figures.look_ahead import draw_look_ahead
from runner.compare.figures.style import COLUMN, OKABE_ITO, TICK_SIZE, line_styles, readable
from runner.compare.figures.surface_background import draw_landscape
from runner.compare.figures.trace import Trace
from runner.compare.grouping import Group, format_setting, is_number
from runner.compare.look import PLAIN, Look
from runner.compare.runs import Run
from runner.compare.surface_paths import (
    Window,
    choose_window,
    finite_points,
    surface_of,
    visible_path,
)
from runner.data.curve import Curve
from runner.data.surface import Surface
from runner.errors import ConfigError
from runner.status import Status

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MOST_LINES = len(OKABE_ITO)
_SURFACE, _RATE = "data", "optimizer.learning_rate"
_LANDMARK: dict[str, Any] = {"mfc": "white", "mec": "black", "zorder": 6}
_LETTERS_PER_INCH = 8.0
"""How long a label may be, for an inch of the panel, so that two fit beside each other."""

_FOOT, _NOTE_LINE = 0.18, 0.12
"""Room for the first line of the note below the panels and for each further one, in inches."""

_NOTE_LETTERS = 17.0
"""How many letters of the note fit into an inch."""

_LONGEST_NOTE = 110

_DOTS = 10
"""About how many dots a path has."""

_LEGEND: dict[str, Any] = {
    "loc": "upper center",
    "fontsize": TICK_SIZE,
    "frameon": False,
    "handlelength": 1.2,
    "handletextpad": 0.5,
    "columnspacing": 1.0,
    "labelspacing": 0.3,
    "borderaxespad": 0,
    "borderpad": 0,
}


def suits(groups: Sequence[Group], tune: Sequence[str] = ()) -> bool:
    """Whether all runs left a path on a surface, and few enough lines to be distinguished."""
    if not all(surface_of(run) and len(run.path) for group in groups for run in group.runs):
        return False
    return 0 < len({_line_key(group, tune) for group in groups}) <= MOST_LINES


class SurfaceFigure:
    """The figure, with the means to show it as it was after any number of steps.

    Args:
        groups: the groups; each has a line in the panel of its surface.
        tune: settings that were tuned, which do not make a line of their own color.
        look: for a paper the panels are below each other.

    Attributes:
        figure: the figure.
        steps: the length of the longest path.

    Raises:
        ConfigError: a run was on no surface, or none left a path.
    """

    def __init__(
        self, groups: Sequence[Group], tune: Sequence[str] = (), look: Look = PLAIN
    ) -> None:
        panels, self._without_path = _panels(groups, tune)
        lines = list(dict.fromkeys(_line_key(group, tune) for group in groups))
        self._styles = dict(zip(lines, line_styles(len(lines)), strict=True))
        self._tune = tune
        self._look = look
        self.steps = max(len(run.path) for group in groups for run in group.runs) - 1
        self._every = _round_number(self.steps / _DOTS)
        self._traces: list[Trace] = []
        self._landmarks: list[Line2D] = []
        self._arrows: list[tuple[int, list[Artist]]] = []
        self._on_curve = any(line for _, line in panels)
        self.figure = self._draw(panels)
        self.show(self.steps)

    def show(self, step: float) -> None:
        """Let every path end after some steps."""
        for trace in self._traces:
            trace.show(step)
        for taken, arrows in self._arrows:
            for arrow in arrows:
                arrow.set_visible(taken < step)

    @property
    def moving(self) -> list[Artist]:
        """The artists that `show` changes, and those above them."""
        walked = [artist for trace in self._traces for artist in trace.artists]
        walked += [arrow for _, arrows in self._arrows for arrow in arrows]
        return sorted([*walked, *self._landmarks], key=lambda artist: artist.get_zorder())

    def _draw(self, panels: Mapping[tuple[str, str], Sequence[Group]]) -> Figure:
        from matplotlib.figure import Figure

        columns = len(panels) if len(panels) <= 3 else math.ceil(len(panels) / 2)
        columns = 1 if self._look.is_paper else columns
        rows = math.ceil(len(panels) / columns)
        labels = [_label(group) for groups in panels.values() for group in groups]
        usual = COLUMN if self._look.is_paper else 7.0 if columns > 1 else 4.5
        width, left, between, right = (*self._look.size, usual)[0], 0.4, 0.38, 0.1
        side = (width - left - right - between * (columns - 1)) / columns
        beside = 2 if max(map(len, labels)) <= _LETTERS_PER_INCH * side else 1
        lines = math.ceil(max(map(len, panels.values())) / beside)
        above, height, below = 0.3, min(side * 1.05, 3.2), 0.28 + 0.13 * lines
        foot = _FOOT + _NOTE_LINE * (_NOTE_LETTERS * width < _LONGEST_NOTE)
        total = rows * (above + height + below) + foot
        figure = Figure(figsize=(width, total))
        windows = _windows(panels)
        for index, ((name, _), groups) in enumerate(panels.items()):
            row, column = divmod(index, columns)
            x = left + column * (side + between)
            y = total - (row + 1) * (above + height) - row * below
            panel = figure.add_axes((x / width, y / total, side / width, height / total))
            self._fill(panel, groups, windows[name])
            panel.set_title(name, fontsize=9)
            panel.legend(ncols=beside, bbox_to_anchor=(0.5, -0.23 / height), **_LEGEND)
        words: dict[str, Any] = {"fontsize": 7, "color": "0.3", "ha": "center", "va": "bottom"}
        note = textwrap.fill(self._note(), int(_NOTE_LETTERS * width))
        figure.text(0.5, 0.06 / total, note, **words)
        return figure

    def _note(self) -> str:
        every = 1 if self._on_curve else self._every
        dots = "a dot every step" if every == 1 else f"a dot every {every} steps"
        words = [f"{self.steps} steps from the ring, {dots}; star: minimum"]
        if any(trace.lost for trace in self._traces):
            words.append("cross: left for good")
        if self._arrows:
            words.append("arrows: the gradient's step, then (dotted) the velocity's")
        if self._without_path:
            words.append(f"not shown: {self._without_path} without {files.PATH}")
        return "; ".join(words)

    def _fill(self, panel: Axes, groups: Sequence[Group], window: Window) -> None:
        """The contours of a surface or a curve, its landmarks, and the paths on it."""
        surfaces = _surfaces(groups)
        draw_landscape(panel, surfaces[0], window)
        for group in groups:
            style = self._styles[_line_key(group, self._tune)]
            for number, run in enumerate(group.runs):
                path = visible_path(finite_points(run), window, run.status == Status.DIVERGED)
                trace = Trace(panel, path, self._every, style, surfaces[0])
                self._traces.append(trace)
                self._arrows += draw_look_ahead(panel, run, surfaces[0], window)
                if number == 0:
                    trace.line.set_label(_label(group))
        for surface in {one.first: one for one in surfaces}.values():
            start = surface.drawn(*surface.first)
            self._landmarks += panel.plot(*start, "o", ms=5.5, mew=1, **_LANDMARK)
        for minimum in (surfaces[0].drawn(*point) for point in surfaces[0].minima):
            self._landmarks += panel.plot(*minimum, "*", ms=10, mew=0.8, **_LANDMARK)
        panel.set_xlim(window.low[0], window.high[0])
        panel.set_ylim(window.low[1], window.high[1])
        panel.tick_params(labelsize=TICK_SIZE, length=2)


def _surfaces(groups: Sequence[Group]) -> list[Surface]:
    """The surface of each run, with its start."""
    runs = [run for group in groups for run in group.runs]
    return [surface for run in runs if (surface := surface_of(run))]


def _windows(panels: Mapping[tuple[str, str], Sequence[Group]]) -> dict[str, Window]:
    """What is shown of each surface, the same in all its panels."""
    groups: dict[str, list[Group]] = {}
    for (name, _), members in panels.items():
        groups.setdefault(name, []).extend(members)
    return {
        name: choose_window(
            _surfaces(members), [finite_points(run) for group in members for run in group.runs]
        )
        for name, members in groups.items()
    }


def _panels(
    groups: Sequence[Group], tune: Sequence[str]
) -> tuple[dict[tuple[str, str], list[Group]], int]:
    """Group by surface the runs that left a path, and count those that left none.

    The key of a panel is the name of the surface and, on a curve, where lines would hide each
    other, what its line is called.

    Raises:
        ConfigError: a run was on no surface, or none left a path.
    """
    panels: dict[tuple[str, str], list[Group]] = {}
    without_path = 0
    for group in groups:
        with_path: dict[str, list[Run]] = {}
        for run in group.runs:
            name = str(run.settings.get(_SURFACE))
            if surface_of(run) is None:
                raise ConfigError(
                    "the figure surface needs runs on a surface or a curve (data=ravine, "
                    f"data=double_well and the like); {run.directory} is on data={name}"
                )
            if len(run.path):
                with_path.setdefault(name, []).append(run)
            else:
                without_path += 1
        for name, runs in with_path.items():
            is_curve = isinstance(surface_of(runs[0]), Curve)
            line = _line_key(group, tune) if is_curve else ""
            panels.setdefault((name, line), []).append(Group(group.settings, runs))
    if not panels:
        raise ConfigError(f"the figure surface needs paths; none of these runs has a {files.PATH}")
    return panels, without_path


def _line_key(group: Group, tune: Sequence[str]) -> str:
    """What has one color in all panels: the settings but the surface and what is tuned."""
    return group.label_without((_SURFACE, *tune))


def _label(group: Group) -> str:
    """The settings but the surface, and the learning rate if all runs have the same."""
    settings = {key: value for key, value in group.settings.items() if key != _SURFACE}
    if not settings:
        settings["optimizer"] = group.runs[0].settings.get("optimizer", "")
    rates = {run.settings.get(_RATE) for run in group.runs}
    if len(rates) == 1 and None not in rates:
        settings.setdefault(_RATE, rates.pop())
    settings = {
        key: f"{readable(key).split()[-1]} {format_setting(value)}"
        if is_number(value) and key != _RATE
        else value
        for key, value in settings.items()
        if value != "none"
    }
    return Group(settings, group.runs).label


def _round_number(number: float) -> int:
    """The nearest of 1, 2, 5, 10, 20, 50, ..."""
    choices = [factor * 10**power for power in range(7) for factor in (1, 2, 5)]
    return min(choices, key=lambda choice: abs(math.log(choice / max(number, 1))))
