"""The figure of steps to a target against the size of the batch, with the critical batch size.

On log-log axes: the median over seeds of the steps until a measure first reached the target, the
single runs faint behind it, the line of perfect scaling (twice the batch, half the steps) and the
fit of `runner.statistics.critical_batch_size`. A cross at the top marks a median run that never
got there.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from runner.compare.figures.curves import empty_panels, line_styles
from runner.compare.grouping import Group, is_number, shown
from runner.compare.reading import read
from runner.errors import ConfigError
from runner.statistics.critical_batch_size import FEWEST, Fit, fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KEY = "batch_size"


class Point(NamedTuple):
    """One size of batch: the steps of each run to the target, infinite if it never got there."""

    size: float
    steps: list[float]

    @property
    def median(self) -> float:
        """Infinite if half of the runs or more never got there."""
        return statistics.median_high(self.steps)


def scaling_figure(
    groups: Sequence[Group], measure: str, target: float, tuned: Sequence[str] = ()
) -> Figure:
    """Steps to the target against the size of the batch, a line for each of the other settings.

    Raises:
        ConfigError: the runs do not differ in the size of their batches, a batch has no one size,
            or the target was met before training.
    """
    figure, (panel,) = empty_panels(1)
    lines: dict[str, list[Point]] = {}
    for group in groups:
        others = [shown(v) for key, v in group.settings.items() if key not in (KEY, *tuned)]
        lines.setdefault(", ".join(others), []).append(point(group, measure, target))
    if all(math.isinf(point.median) for points in lines.values() for point in points):
        raise ConfigError(f"no run got to the target {target:g} of {measure}; choose more")
    for (label, points), style in zip(lines.items(), line_styles(len(lines)), strict=True):
        _line(panel, label, sorted(points), style["color"])
    sizes = sorted({point.size for points in lines.values() for point in points})
    panel.set_xscale("log")
    panel.set_yscale("log")
    shown_sizes = sizes[:: math.ceil(len(sizes) / 8)]
    panel.set_xticks(shown_sizes, [f"{size:g}" for size in shown_sizes])
    panel.minorticks_off()
    panel.set_xlabel("batch size", fontsize=8)
    panel.set_ylabel(f"steps to {measure.replace('_', ' ')} {target:g}", fontsize=8)
    panel.legend(fontsize=6, frameon=False)
    return figure


def point(group: Group, measure: str, target: float) -> Point:
    """The steps of a group's runs to the target.

    Raises:
        ConfigError: see `scaling_figure`.
    """
    if KEY not in group.settings:
        raise ConfigError("the figure critical_batch_size needs runs that differ in batch_size")
    size = group.settings[KEY]
    if size == "full":
        size = group.runs[0].summary.get("train_examples")
    size = 1 if size == "stochastic" else size
    if not is_number(size):
        raise ConfigError(
            f"the figure critical_batch_size needs batches of one size; batch_size={size} has more"
        )
    steps = [read(run, measure, target).steps for run in group.runs]
    found = Point(float(size), [math.inf if math.isnan(value) else value for value in steps])
    if found.median == 0:
        raise ConfigError(f"the target {target:g} of {measure} is met before training; choose less")
    return found


def _line(panel: Axes, label: str, points: Sequence[Point], colour: Any) -> None:
    """One line: its points, the fit of their medians, and perfect scaling."""
    reached = [point for point in points if math.isfinite(point.median)]
    for each in points:
        known = [value for value in each.steps if 0 < value < math.inf]
        panel.plot([each.size] * len(known), known, ".", ms=3, alpha=0.4, color=colour)
    missed = [each.size for each in points if not math.isfinite(each.median)]
    if missed:
        top = panel.get_xaxis_transform()
        heights = [0.97] * len(missed)
        panel.plot(missed, heights, "x", ms=5, transform=top, color=colour, label="not reached")
    if not reached:
        return
    sizes = [each.size for each in reached]
    medians = [each.median for each in reached]
    found = fit(sizes, medians)
    panel.plot(sizes, medians, "o", ms=4, color=colour, label=label or "measured (median)")
    _perfect(panel, points, medians, found if found and found.means_something else None, colour)
    if found is None:
        few = f"{len(sizes)} sizes: too few for a fit ({FEWEST})"
        panel.plot([], [], " ", label=few)
    elif not found.means_something:
        panel.plot([], [], " ", label=found.verdict)
    else:
        x = np.geomspace(sizes[0], sizes[-1], 200)
        fitted = found.least_steps * (1 + found.critical / x)
        panel.plot(x, fitted, "-", lw=1.2, color=colour, label=found.verdict)
        panel.axvspan(found.low, found.high, alpha=0.08, lw=0, color=colour)
        panel.axvline(found.critical, ls=":", lw=1, color=colour)


def _perfect(
    panel: Axes, points: Sequence[Point], medians: Sequence[float], found: Fit | None, colour: Any
) -> None:
    """Steps inversely proportional to the size: the fit's asymptote, else from the first point."""
    reached = next(each for each in points if math.isfinite(each.median))
    examples = found.least_steps * found.critical if found else reached.size * reached.median
    least = 0.5 * min(medians)
    x = np.array([points[0].size, min(points[-1].size, examples / least)])
    is_first = "perfect scaling" not in panel.get_legend_handles_labels()[1]
    label = "perfect scaling" if is_first else None
    panel.plot(x, examples / x, "--", lw=1, color=colour, alpha=0.6, label=label)
