"""Figures of curves: one measure against several axes, or training beside validation.

Noisy curves are smoothed, with the values of some steps faint behind a single run; a run that
diverged has a cross where it ended, and one that stopped early a bar.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from runner.compare.curve import OWN_AXES, Band, Curve, band, curve, label_for, position, rows_of
from runner.compare.figures.range_marks import MARKS, draw_marks
from runner.compare.figures.stops import RESTS, STOPS, draw_stops
from runner.compare.figures.style import (
    LABEL_SIZE,
    MEANS,
    cross_at_top,
    empty_panels,
    group_styles,
    is_log_measure,
    is_rate,
    legend_beside,
    number_ticks,
    small_print,
    title_of,
)
from runner.compare.grouping import Group, format_range, runs_of
from runner.compare.look import PLAIN, Look
from runner.compare.range_test import grows_linearly
from runner.compare.runs import Run
from runner.compare.smoothing import is_noisy, smoothed_curve
from runner.measures import LEARNING_RATE, STEP_MEASURES, TRAIN_LOSS
from runner.status import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW_LINES = 6
"""Up to this many lines have raw values behind them."""

MOST_LINES = 12
"""More lines than this cannot be distinguished."""

RAW_POINTS = 300
"""At most this many values of steps are drawn behind a smoothed line; more would hide it."""


def curves_figure(
    groups: Sequence[Group], measure: str, axes: Sequence[str], look: Look = PLAIN
) -> Figure:
    """Draw a measure: a panel for each axis, a line for each group.

    Where all runs take at least the same number of steps (`min_steps`), the panel against
    iterations ends there and the one against epochs at `epochs`, so that both are full.

    Args:
        groups: the groups.
        measure: the name of the measure.
        axes: some of `OWN_AXES`.
        look: how the figure looks.

    Raises:
        ConfigError: the chosen limits do not suit the number of panels or their scales.
    """
    return _figure(groups, [(measure, axis) for axis in axes], look)


def generalization_figure(groups: Sequence[Group], measure: str, look: Look = PLAIN) -> Figure:
    """Draw training beside validation by epoch, each in a panel with its own scale.

    Args:
        groups: the groups.
        measure: a loss or an error; the same is drawn of both.
        look: how the figure looks.

    Raises:
        ConfigError: the chosen limits do not suit the number of panels or their scales.
    """
    kind = "error" if measure.endswith("error") else "loss"
    return _figure(
        groups, [(f"{split}_{kind}", "epoch") for split in ("train", "validation")], look
    )


def _figure(groups: Sequence[Group], panels_of: Sequence[tuple[str, str]], look: Look) -> Figure:
    """A panel for each measure and axis, a line for each group; one scale for one measure."""
    first = panels_of[0][0]
    is_one_measure = all(measure == first for measure, _ in panels_of)
    figure, panels = empty_panels(len(panels_of), look, sharey=is_one_measure)
    runs = [run for group in groups for run in group.runs]
    is_log = all(
        is_log_measure(measure, (rows_of(run, measure)[measure] for run in runs), look)
        for measure in {m for m, _ in panels_of}
    )
    for number, (panel, (measure, axis)) in enumerate(zip(panels, panels_of, strict=True)):
        if is_log:
            panel.set_yscale("log")
        end = _common_end(runs, axis)
        panel.set_xscale(**_horizontal_scale(runs, measure, axis, look, end))
        chosen = look.limits("xlim", number, len(panels), panel.get_xscale())
        limits = chosen or (end and (0.0, end))
        _fill(panel, groups, (measure, axis), look, limits or None)
        panel.set_xlabel(OWN_AXES[axis].label, fontsize=LABEL_SIZE)
        if panel is panels[0] or not is_one_measure or look.is_paper:
            panel.set_ylabel(label_for(runs_of(groups), measure), fontsize=LABEL_SIZE)
    for number, (panel, (measure, _)) in enumerate(zip(panels, panels_of, strict=True)):
        _fit_to_lines(panel, panels if is_one_measure else [panel])
        panel.set_ylim(look.limits("ylim", number, len(panels), panel.get_yscale()))
        number_ticks(panel, is_rate(groups, measure))
        number_ticks(panel, is_percentage=False, axis="x")
    words = _explanation(groups, first, is_log, look)
    marked = MARKS if (TRAIN_LOSS, LEARNING_RATE) in panels_of else ""
    small_print(figure, "; ".join(filter(None, (words, marked))))
    legend_beside(figure, panels[0], title_of(groups[0].settings), look)
    return figure


def _common_end(runs: Sequence[Run], axis: str) -> float | None:
    """Where a panel ends if all runs have the same `min_steps` and `epochs`; None if not."""
    keys = ("min_steps", "epochs", "steps")
    lengths = {tuple(run.settings.get(key) for key in keys) for run in runs}
    if len(lengths) > 1:
        return None
    ((min_steps, epochs, steps),) = lengths
    end = {"iteration": min_steps, "epoch": epochs}.get(axis)
    return float(end) if min_steps and end and steps is None else None


def _horizontal_scale(
    runs: Sequence[Run], measure: str, axis: str, look: Look, end: float | None
) -> dict[str, Any]:
    """The arguments of `set_xscale`."""
    lengths = [run.summary.get("total_steps", 0) for run in runs]
    chosen = look.xscale
    if chosen == "auto":
        is_even = axis != "seconds" and (axis != LEARNING_RATE or all(map(grows_linearly, runs)))
        chosen = "linear" if is_even else "log"
        differ = max(lengths) > 10 * min(lengths)  # a linear axis hides the shortest
        if axis in ("iteration", "examples") and (measure in STEP_MEASURES or differ):
            chosen = "linear" if end else "symlog"
    if chosen == "symlog":
        return {"value": "symlog", "linthresh": 1.0, "linscale": 0.3, "subs": range(2, 10)}
    return {"value": chosen}


class _Line(NamedTuple):
    """A curve, where its points are on the axis as it is drawn, and whether it is noisy."""

    curve: Curve
    place: npt.NDArray
    noisy: bool

    def between(self, low: float, high: float) -> _Line:
        """The part between two places on the axis."""
        kept = (self.place >= low) & (self.place <= high)
        line = self.curve._replace(x=self.curve.x[kept], y=self.curve.y[kept])
        return self._replace(curve=line, place=self.place[kept])


def _fill(
    panel: Axes,
    groups: Sequence[Group],
    shown: tuple[str, str],
    look: Look,
    limits: tuple[float, float] | None,
) -> None:
    """The lines of all groups: of one measure against one axis, between the limits."""
    to_place = panel.xaxis.get_transform().transform
    is_log = panel.get_xscale() == "log"
    low, high = to_place(np.asarray(limits or _ends(groups, *shown, is_log)))
    width = look.smoothing * max(high - low, 0.0)
    with_raw = len(groups) <= FEW_LINES
    for group, style in zip(groups, group_styles(groups, look), strict=True):
        own = [_read(run, *shown, is_log, to_place) for run in group.runs]
        visible = [line.between(low - width, high + width) for line in own]
        if with_raw and len(own) == 1 and own[0].noisy and width:
            _raw(panel, group, visible[0].between(low, high), style)
        mean = _line(panel, group, visible, width, style, is_stepped=shown[0] == LEARNING_RATE)
        if mean is not None and shown == (TRAIN_LOSS, LEARNING_RATE):
            draw_marks(panel, group, mean.x, mean.mean, style)
    if limits:
        panel.set_xlim(*limits)


def _ends(groups: Sequence[Group], measure: str, axis: str, is_log: bool) -> tuple[float, float]:
    """The least and the largest place of all runs on an axis, in its unit."""
    runs = [(run, rows_of(run, measure)) for group in groups for run in group.runs]
    ends = [
        position(run, rows[[0, min(1, len(rows) - 1), -1]], axis) for run, rows in runs if len(rows)
    ]
    x = np.ravel(ends)
    x = x[x > 0] if is_log else x
    return (float(x.min()), float(x.max())) if len(x) else (1.0, 1.0)


def _read(run: Run, measure: str, axis: str, is_log: bool, to_place: Any) -> _Line:
    line = curve(run, measure, axis)
    if is_log:
        line = line._replace(x=line.x[line.x > 0], y=line.y[line.x > 0])
    return _Line(line, np.asarray(to_place(line.x), float), is_noisy(run, measure))


def _raw(panel: Axes, group: Group, line: _Line, style: dict[str, Any]) -> None:
    """Single values of a run, faint, at equal distances on the axis."""
    if not len(line.place):
        return
    evenly = np.linspace(line.place[0], line.place[-1], RAW_POINTS)
    at = np.unique(np.searchsorted(line.place, evenly).clip(0, len(line.place) - 1))
    x, y = line.curve.x[at], line.curve.y[at]
    label = f"_raw: {group.label}"
    panel.plot(x, y, lw=0.4, alpha=0.3, color=style["color"], zorder=0.5, label=label)


def _line(
    panel: Axes,
    group: Group,
    lines: Sequence[_Line],
    width: float,
    style: dict[str, Any],
    is_stepped: bool,
) -> Band | None:
    """A group: the mean over seeds with its band, crosses and bars where single runs ended.

    Returns:
        The mean; None if there is none.
    """
    smoothed = [
        smoothed_curve(line.curve, line.place, width if line.noisy else 0.0) for line in lines
    ]
    drawing = {"drawstyle": "steps-post", **style} if is_stepped else style
    for line in smoothed:
        if line.diverged is not None and len(line.y):
            own = {**drawing, "lw": 1, "zorder": 0.8, "label": f"_diverged: {group.label}"}
            panel.plot(line.x, line.y, **own)
            cross_at_top(panel, line.diverged, style["color"], size=6)
    mean = band(smoothed, log=panel.get_yscale() == "log")
    if mean is None:
        why = (
            Status.DIVERGED if any(line.diverged is not None for line in smoothed) else "no values"
        )
        panel.plot([], [], label=f"{group.label} ({why})", **style)
        return None
    panel.plot(mean.x, mean.mean, label=group.label, **drawing)
    draw_stops(panel, smoothed, mean, drawing, group.label)
    if mean.low is not None and mean.high is not None:
        step: Any = "post" if is_stepped else None
        label = f"_band: {group.label}"
        shade = {"alpha": 0.2, "lw": 0, "color": style["color"], "step": step, "label": label}
        panel.fill_between(mean.x, mean.low, mean.high, **shade)
    return mean


def _explanation(groups: Sequence[Group], measure: str, is_log: bool, look: Look) -> str:
    """What the lines and bands are."""
    ends = [[run.status for run in group.runs if _has(run, measure)] for group in groups]
    counts = sorted({sum(end != Status.DIVERGED for end in own) for own in ends} - {0})
    parts = []
    if counts and counts[-1] > 1:
        parts.append(f"{MEANS[is_log]} of {format_range(counts)} seeds")
        parts += ["band: 95 % interval of the mean"] if counts[-1] > 2 else []
        parts += ["band of 2 seeds: from one to the other"] if 2 in counts else []
    noisy = [[is_noisy(run, measure) for run in group.runs] for group in groups]
    if look.smoothing and any(map(any, noisy)):
        but = "" if all(map(all, noisy)) else ", except full batches"
        parts.append(f"smoothed over {100 * look.smoothing:g} % of the axis{but}")
        has_raw = any(len(own) == 1 and own[0] for own in noisy) and len(groups) <= FEW_LINES
        parts += [f"faint: single steps, at most {RAW_POINTS} of a run"] if has_raw else []
    if any(Status.DIVERGED in own for own in ends):
        parts.append("x: diverged")
    stopped = [own for own in ends if Status.STOPPED in own]
    parts += [STOPS] * bool(stopped) + [RESTS] * any(len(own) > 1 for own in stopped)
    return "; ".join(parts)


def _fit_to_lines(panel: Axes, panels: Sequence[Axes]) -> None:
    """Let the smoothed lines of some panels fill one; the noise behind them may be cut off."""
    values = np.zeros(0)
    for line in [line for one in panels for line in one.get_lines() if line.get_zorder() > 1]:
        x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        low, high = line.axes.get_xlim() if line.axes else (-np.inf, np.inf)
        values = np.append(values, y[(x >= low) & (x <= high)])
    is_log = panel.get_yscale() == "log"
    values = values[np.isfinite(values) & ((values > 0) | (not is_log))]
    if len(values) and values.min() < values.max():
        low, high = values.min(), values.max()
        if is_log:
            room = (high / low) ** 0.08
            panel.set_ylim(low / room, high * room)
        else:
            panel.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))


def _has(run: Run, measure: str) -> bool:
    return bool(np.isfinite(rows_of(run, measure)[measure]).any())
