"""The figure of paths: the path of each optimizer over the contours of a surface.

A panel for each surface, a line for each optimizer, in one color in all panels. Dots at equal
distances in time show the speed: where they are close the optimizer is slow. Contours are spaced in
equal ratios above the minimum; the darker, the lower.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from runner import files
from runner.compare.figures.style import COLUMN, OKABE_ITO, TICK_SIZE, line_styles
from runner.compare.grouping import Group
from runner.compare.look import PLAIN, Look
from runner.compare.runs import Run
from runner.compare.surface_paths import (
    VisiblePath,
    Window,
    choose_window,
    contour_levels,
    evaluate_on_grid,
    finite_points,
    surface_of,
    visible_path,
)
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
_LOW, _HIGH = "#aab4c4", "#fafbfd"
_LANDMARK: dict[str, Any] = {"mfc": "white", "mec": "black", "zorder": 6}
_LETTERS_PER_INCH = 8.0
"""How long a label may be, for an inch of the panel, so that two fit beside each other."""

_FOOT = 0.18
"""Room for the note below the panels, in inches."""

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
        panels, self._without_path = _panels(groups)
        lines = list(dict.fromkeys(_line_key(group, tune) for group in groups))
        self._styles = dict(zip(lines, line_styles(len(lines)), strict=True))
        self._tune = tune
        self._look = look
        self.steps = max(len(run.path) for group in groups for run in group.runs) - 1
        self._every = _round_number(self.steps / _DOTS)
        self._traces: list[_Trace] = []
        self._landmarks: list[Line2D] = []
        self.figure = self._draw(panels)
        self.show(self.steps)

    def show(self, step: float) -> None:
        """Let every path end after some steps."""
        for trace in self._traces:
            trace.show(step)

    @property
    def moving(self) -> list[Artist]:
        """The artists that `show` changes, and those above them."""
        walked = [artist for trace in self._traces for artist in trace.artists]
        return sorted([*walked, *self._landmarks], key=lambda artist: artist.get_zorder())

    def _draw(self, panels: Mapping[str, Sequence[Group]]) -> Figure:
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
        total = rows * (above + height + below) + _FOOT
        figure = Figure(figsize=(width, total))
        for index, (name, groups) in enumerate(panels.items()):
            row, column = divmod(index, columns)
            x = left + column * (side + between)
            y = total - (row + 1) * (above + height) - row * below
            panel = figure.add_axes((x / width, y / total, side / width, height / total))
            self._fill(panel, groups)
            panel.set_title(name, fontsize=9)
            panel.legend(ncols=beside, bbox_to_anchor=(0.5, -0.23 / height), **_LEGEND)
        figure.text(0.5, 0.08 / total, self._note(), fontsize=7, color="0.3", ha="center")
        return figure

    def _note(self) -> str:
        dots = "a dot every step" if self._every == 1 else f"a dot every {self._every} steps"
        words = [f"{self.steps} steps from the ring, {dots}; star: minimum"]
        if any(trace.lost for trace in self._traces):
            words.append("cross: left for good")
        if self._without_path:
            words.append(f"not shown: {self._without_path} without {files.PATH}")
        return "; ".join(words)

    def _fill(self, panel: Axes, groups: Sequence[Group]) -> None:
        """The contours of a surface, its landmarks, and the paths on it."""
        runs = [run for group in groups for run in group.runs]
        surfaces = [surface for run in runs if (surface := surface_of(run))]
        window = choose_window(surfaces, map(finite_points, runs))
        _contours(panel, surfaces[0], window)
        for group in groups:
            style = self._styles[_line_key(group, self._tune)]
            for number, run in enumerate(group.runs):
                path = visible_path(finite_points(run), window, run.status == Status.DIVERGED)
                trace = _Trace(panel, path, self._every, style, escapes=not surfaces[0].minima)
                self._traces.append(trace)
                if number == 0:
                    trace.line.set_label(_label(group))
        for surface in {(one.x, one.y): one for one in surfaces}.values():
            self._landmarks += panel.plot(surface.x, surface.y, "o", ms=5.5, mew=1, **_LANDMARK)
        for minimum in surfaces[0].minima:
            self._landmarks += panel.plot(*minimum, "*", ms=10, mew=0.8, **_LANDMARK)
        panel.set_xlim(window.low[0], window.high[0])
        panel.set_ylim(window.low[1], window.high[1])
        panel.tick_params(labelsize=TICK_SIZE, length=2)


class _Trace:
    """One path in a panel: a line, dots, a head, and a cross where it left the window for good.

    Args:
        panel: the panel.
        path: the path.
        every: a dot marks each step that is a multiple of this.
        style: the color and dashes of the line.
        escapes: there is no minimum, so that a path that leaves has no cross.
    """

    def __init__(
        self, panel: Axes, path: VisiblePath, every: int, style: dict[str, Any], *, escapes: bool
    ) -> None:
        from matplotlib.patheffects import Normal, withStroke

        self._path = path
        self.lost = path.left and len(path.steps) > 0 and not escapes
        self._marked = (path.steps % every == 0) & (path.steps > 0)
        halo = [withStroke(linewidth=2.6, foreground="white", alpha=0.75), Normal()]
        plain = {"color": style["color"], "ls": "none", "zorder": 5}
        self.line: Line2D
        (self.line,) = panel.plot([], [], path_effects=halo, **{**style, "lw": 1.3, "zorder": 4})
        (self._dots,) = panel.plot([], [], "o", ms=2.8, **plain)
        (self._head,) = panel.plot([], [], "o", ms=4.6, mec="white", mew=0.7, **plain)
        (self._cross,) = panel.plot([], [], "x", ms=6, mew=1.6, clip_on=False, **plain)

    @property
    def artists(self) -> list[Artist]:
        return [self.line, self._dots, self._head, self._cross]

    def show(self, step: float) -> None:
        """End the path after some steps; within a step it is a straight line."""
        steps, points = self._path.steps, self._path.points
        until = int(np.searchsorted(steps, step, side="right"))
        gone = self._path.left and until == len(steps)
        seen = points[:until]
        self._dots.set_data(*seen[self._marked[:until]].T)
        if 0 < until < len(steps):
            part = (step - steps[until - 1]) / (steps[until] - steps[until - 1])
            here = points[until - 1] + part * (points[until] - points[until - 1])
            seen = np.vstack([seen, here])
        self.line.set_data(*seen.T)
        self._head.set_data(*(seen[:0] if gone else seen[-1:]).T)
        self._cross.set_data(*(seen[-1:] if gone and self.lost else seen[:0]).T)


def _contours(panel: Axes, surface: Surface, window: Window) -> None:
    """Draw filled contours, in grays that leave the colors to the paths."""
    from matplotlib.colors import LinearSegmentedColormap

    x, y, values = evaluate_on_grid(surface, window)
    least = (
        min(float(surface.value(*point)) for point in surface.minima) if surface.minima else None
    )
    lines = contour_levels(values, least)
    scale = LinearSegmentedColormap.from_list("heights", [_LOW, _HIGH])
    colors = scale(np.linspace(0, 1, len(lines) + 1))
    filled = panel.contourf(x, y, values, lines, colors=colors, extend="both")
    filled.set_rasterized(True)
    panel.contour(x, y, values, lines, colors="#7d899c", linewidths=0.35, linestyles="solid")


def _panels(groups: Sequence[Group]) -> tuple[dict[str, list[Group]], int]:
    """Group by surface the runs that left a path, and count those that left none.

    Raises:
        ConfigError: a run was on no surface, or none left a path.
    """
    panels: dict[str, list[Group]] = {}
    without_path = 0
    for group in groups:
        with_path: dict[str, list[Run]] = {}
        for run in group.runs:
            name = str(run.settings.get(_SURFACE))
            if surface_of(run) is None:
                raise ConfigError(
                    "the figure surface needs runs on a surface in the plane (data=ravine, "
                    f"data=beale and the like); {run.directory} is on data={name}"
                )
            if len(run.path):
                with_path.setdefault(name, []).append(run)
            else:
                without_path += 1
        for name, runs in with_path.items():
            panels.setdefault(name, []).append(Group(group.settings, runs))
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
    return Group(settings, group.runs).label


def _round_number(number: float) -> int:
    """The nearest of 1, 2, 5, 10, 20, 50, ..."""
    choices = [factor * 10**power for power in range(7) for factor in (1, 2, 5)]
    return min(choices, key=lambda choice: abs(math.log(choice / max(number, 1))))
