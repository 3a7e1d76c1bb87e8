"""Figures of curves: one measure against several axes, or training beside validation.

The raw values of one run are drawn faintly behind each smoothed line; a run that diverged has a
cross where it ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from runner.compare.curve import (
    AXES,
    band,
    curve,
    measure_label,
    rows_of,
    smoothed,
    thinned,
)
from runner.compare.figures.style import (
    LABEL_SIZE,
    MEANS,
    cross_at_top,
    empty_panels,
    group_styles,
    is_log_measure,
    legend_beside,
    small_print,
)
from runner.compare.grouping import Group, format_range
from runner.compare.runs import Run
from runner.measures import STEP_MEASURES
from runner.status import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW_LINES = 6
"""Up to this many lines have raw values behind them."""

MOST_LINES = 12
"""More lines than this cannot be distinguished."""

RAW_POINTS = 100
"""Curves of more points are smoothed, with raw values behind them."""


def curves_figure(groups: Sequence[Group], measure: str, axes: Sequence[str]) -> Figure:
    """Draw a measure: a panel for each axis, a line for each group.

    Args:
        groups: the groups.
        measure: the name of the measure.
        axes: some of `AXES`.
    """
    return _figure(groups, [(measure, axis) for axis in axes])


def generalization_figure(groups: Sequence[Group], measure: str) -> Figure:
    """Draw training beside validation by epoch, each in a panel with its own scale.

    Args:
        groups: the groups.
        measure: a loss or an error; the same is drawn of both.
    """
    kind = "error" if measure.endswith("error") else "loss"
    return _figure(groups, [(f"{split}_{kind}", "epoch") for split in ("train", "validation")])


def _figure(groups: Sequence[Group], panels_of: Sequence[tuple[str, str]]) -> Figure:
    """A panel for each measure and axis, a line for each group; one scale for one measure."""
    first = panels_of[0][0]
    is_one_measure = all(measure == first for measure, _ in panels_of)
    figure, panels = empty_panels(len(panels_of), sharey=is_one_measure)
    is_log = all(is_log_measure(groups, measure) for measure in {m for m, _ in panels_of})
    for panel, (measure, axis) in zip(panels, panels_of, strict=True):
        if is_log:
            panel.set_yscale("log")
        for group, style in zip(groups, group_styles(groups), strict=True):
            _line(panel, group, measure, axis, style, raw=len(groups) <= FEW_LINES)
        panel.set_xlabel(AXES[axis].label, fontsize=LABEL_SIZE)
        if axis in ("iteration", "examples"):
            if measure in STEP_MEASURES or _have_very_different_lengths(groups):
                panel.set_xscale("symlog", linthresh=1.0, linscale=0.3, subs=range(2, 10))
        elif axis == "seconds":
            panel.set_xscale("log")
        if panel is panels[0] or not is_one_measure:
            panel.set_ylabel(measure_label(measure), fontsize=LABEL_SIZE)
    for panel in panels[: 1 if is_one_measure else None]:
        _fit_to_lines(panel)
    small_print(figure, _explanation(groups, first, is_log))
    legend_beside(figure, panels[0], ", ".join(groups[0].settings))
    return figure


def _line(
    panel: Axes, group: Group, measure: str, axis: str, style: dict[str, Any], raw: bool
) -> None:
    """A group: the mean over seeds with its band, the raw values of one run faint behind it.

    A run that diverged is drawn separately, with a cross at the top where it ended.
    """
    lines = [curve(run, measure, axis) for run in group.runs]
    noisy = next((line for line in lines if raw and len(line.x) > RAW_POINTS), None)
    if noisy is not None:
        panel.plot(*thinned(noisy.x, noisy.y), lw=0.4, alpha=0.2, color=style["color"], zorder=0.5)
    for line in lines:
        if line.diverged is not None and len(line.y):
            drawn = thinned(line.x, smoothed(line.y, narrow_start=True))
            panel.plot(*drawn, lw=1, zorder=0.8, **style)
            cross_at_top(panel, line.diverged, style["color"], size=6)
    mean = band(lines, log=panel.get_yscale() == "log")
    if mean is None:
        why = Status.DIVERGED if any(line.diverged is not None for line in lines) else "no values"
        panel.plot([], [], lw=1.3, label=f"{group.label} ({why})", **style)
        return
    panel.plot(mean.x, mean.mean, lw=1.3, label=group.label, **style)
    if mean.low is not None and mean.high is not None:
        panel.fill_between(mean.x, mean.low, mean.high, alpha=0.2, lw=0, color=style["color"])


def _explanation(groups: Sequence[Group], measure: str, is_log: bool) -> str:
    """What the lines and bands are."""
    ends = [[run.status for run in group.runs if _has(run, measure)] for group in groups]
    counts = sorted({sum(end != Status.DIVERGED for end in own) for own in ends} - {0})
    parts = []
    if counts and counts[-1] > 1:
        parts.append(f"{MEANS[is_log]} of {format_range(counts)} seeds")
        parts += ["band: 95 % interval of the mean"] if counts[-1] > 2 else []
        parts += ["band of 2 seeds: from one to the other"] if 2 in counts else []
    if max(len(rows_of(run, measure)) for group in groups for run in group.runs) > RAW_POINTS:
        parts.append("smoothed over 2 % of the points")
        parts += ["faint: one run, raw"] if len(groups) <= FEW_LINES else []
    if any(Status.DIVERGED in own for own in ends):
        parts.append("x: diverged")
    return "; ".join(parts)


def _fit_to_lines(panel: Axes) -> None:
    """Let the smoothed lines fill the panel; the noise behind them may be cut off."""
    drawn = [line for line in panel.get_lines() if line.get_zorder() > 1]
    values = np.concatenate([np.zeros(0), *(np.asarray(x.get_ydata(), float) for x in drawn)])
    is_log = panel.get_yscale() == "log"
    values = values[np.isfinite(values) & ((values > 0) | (not is_log))]
    if len(values) and values.min() < values.max():
        low, high = values.min(), values.max()
        if is_log:
            room = (high / low) ** 0.08
            panel.set_ylim(low / room, high * room)
        else:
            panel.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))


def _have_very_different_lengths(groups: Sequence[Group]) -> bool:
    """Whether one run has ten times as many steps as another, so that a linear axis hides it."""
    lengths = [run.summary.get("total_steps", 0) for group in groups for run in group.runs]
    return max(lengths) > 10 * min(lengths)


def _has(run: Run, measure: str) -> bool:
    return bool(np.isfinite(rows_of(run, measure)[measure]).any())
