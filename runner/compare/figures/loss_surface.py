"""The figures of the loss surface: around a trained network, and where a path of training leads.

Above the objective as contours, below the same in three dimensions, a column for each run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from runner.compare.figures.inside import note, title_of_panel
from runner.compare.figures.style import COLUMN, LABEL_SIZE, TICK_SIZE, small_print
from runner.compare.grouping import Group
from runner.compare.look import PLAIN, Look
from runner.compare.loss_surface import POINTS, Plane, plane_around_the_end, plane_of_the_path
from runner.compare.runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

MOST_RUNS = 3
_SPAN = 10.0
"""Objectives whose largest is this many times the least have a logarithmic scale."""

_LEVELS = 12
_HIGH = 2.6
"""Of a row of panels, in inches."""

_COLORS = "viridis"


def landscape_figure(groups: Sequence[Group], look: Look = PLAIN) -> Figure:
    """Draw the objective around trained networks, in a random plane with normalized filters.

    Args:
        groups: the groups; of each the run with the least seed is shown.
        look: how the figure looks.

    Raises:
        ConfigError: a run has no weights, no network, or its data are not here.
        DataError: the data cannot be read.
    """
    words = "two random directions, each filter as long as that of the weights (Li et al. 2018)"
    names = ("first random direction", "second random direction")
    return _draw(groups, plane_around_the_end, lambda _: names, words, look)


def trajectory_figure(groups: Sequence[Group], look: Look = PLAIN) -> Figure:
    """Draw the objective in the plane in which the parameters move most, with their path.

    Args:
        groups: the groups; of each the run with the least seed is shown.
        look: how the figure looks.

    Raises:
        ConfigError: a run has no path, or its data are not here.
        DataError: the data cannot be read.
    """

    def names(plane: Plane) -> tuple[str, str]:
        assert plane.shares is not None
        return tuple(
            f"{which} component ({share:.0%})"
            for which, share in zip(("first", "second"), plane.shares, strict=True)
        )  # type: ignore[return-value]

    words = "the first two principal components of the path, with their share of its squared length"
    return _draw(groups, plane_of_the_path, names, words, look)


def _draw(
    groups: Sequence[Group],
    plane_of: Callable[[Run], Plane],
    names_of: Callable[[Plane], tuple[str, str]],
    words: str,
    look: Look,
) -> Figure:
    """Draw a column for each of the first groups; colors have one scale."""
    from matplotlib.figure import Figure

    shown = groups[:MOST_RUNS]
    planes = [plane_of(min(group.runs, key=lambda run: run.seed)) for group in shown]
    norm = _norm(np.concatenate([plane.losses.ravel() for plane in planes]))
    width = COLUMN if look.is_paper else max(4.0, 2.6 * len(planes) + 0.8)
    wide, high = look.size or (width, 2 * _HIGH)
    figure = Figure(figsize=(wide, high), layout="constrained")
    for column, (group, plane) in enumerate(zip(shown, planes, strict=True), start=1):
        panel = figure.add_subplot(2, len(planes), column)
        _contours(panel, plane, norm)
        across, up = names_of(plane)
        panel.set_xlabel(across, fontsize=LABEL_SIZE)
        panel.set_ylabel(up, fontsize=LABEL_SIZE)
        if len(planes) > 1:
            panel.set_title(title_of_panel(group), fontsize=LABEL_SIZE)
        below = figure.add_subplot(
            2, len(planes), len(planes) + column, projection="3d", computed_zorder=False
        )
        _relief(below, plane, norm)
    notes = ["the training objective of at most 1,000 examples", words, _marks(planes)]
    small_print(figure, "; ".join(filter(None, [*notes, note(groups, len(groups), MOST_RUNS)])))
    return figure


def _marks(planes: Sequence[Plane]) -> str:
    has_path = any(plane.path is not None for plane in planes)
    return "square: start, cross: end" if has_path else "cross: the trained network"


def _norm(losses: npt.NDArray) -> Normalize:
    """The scale of colors."""
    from matplotlib.colors import LogNorm, Normalize

    known = losses[np.isfinite(losses)]
    if not len(known):
        return Normalize(0, 1)
    low, high = float(known.min()), float(known.max())
    return LogNorm(low, high) if 0 < _SPAN * low < high else Normalize(low, high)


def _contours(panel: Axes, plane: Plane, norm: Normalize) -> None:
    """Draw the objective as colors with contour lines, and the path over it."""
    x, y, losses, path, _ = plane
    ends = (x[0], x[-1], y[0], y[-1])
    panel.imshow(
        np.ma.masked_invalid(losses),
        origin="lower",
        extent=ends,
        aspect="auto",
        interpolation="bilinear",
        cmap=_COLORS,
        norm=norm,
        label="_surface: ",
    )
    levels = np.asarray(norm.inverse(np.linspace(0, 1, _LEVELS + 2)[1:-1]))
    lines = panel.contour(x, y, losses, levels=levels, colors="white", linewidths=0.5)
    panel.clabel(lines, levels[::3], fontsize=TICK_SIZE - 1, fmt="%.3g")
    panel.tick_params(labelsize=TICK_SIZE)
    mark: dict[str, Any] = {"mfc": "white", "mec": "black", "ls": "none", "label": "_child"}
    if path is not None:
        panel.plot(*path.T, color="black", lw=1, marker=".", ms=3, label="_path: ")
        panel.plot(*path[0], "s", ms=5, **mark)
    panel.plot(0, 0, "X", ms=7, **mark)
    panel.set_xlim(ends[:2])
    panel.set_ylim(ends[2:])


def _relief(panel: Any, plane: Plane, norm: Normalize) -> None:
    """Draw the objective in three dimensions, as high as its color says, and the path on it."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm

    x, y, losses, path, _ = plane
    is_log = isinstance(norm, LogNorm)
    heights = np.log10(losses) if is_log else losses
    colors = colormaps[_COLORS](norm(losses))
    grid = np.meshgrid(x, y)
    panel.plot_surface(*grid, heights, facecolors=colors, rcount=POINTS, ccount=POINTS, lw=0)
    if path is not None:
        places = [np.abs(axis[:, None] - path[:, i]).argmin(0) for i, axis in enumerate((x, y))]
        up = heights[places[1], places[0]]
        panel.plot(*path.T, up, "k.-", lw=1, ms=3, label="_child", zorder=9)
    panel.tick_params(labelsize=TICK_SIZE - 1, pad=-2)
    panel.locator_params(nbins=4)
    panel.set_title("log10 objective" if is_log else "objective", fontsize=TICK_SIZE, y=0.95)
    panel.view_init(elev=35, azim=-60)
