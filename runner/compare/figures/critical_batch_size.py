"""The figure of steps to a target against the batch size, with the critical batch size.

On log-log axes: the median over seeds of the steps until a measure first reached the target, the
single runs faint behind it, the line of perfect scaling (twice the batch, half the steps) and the
fit of `runner.statistics.critical_batch_size`. A cross at the top marks a batch size of which at
least half of the runs did not reach the target.

Of runs with `diagnostics=noise` the simple noise scale is drawn as well, which estimates the
critical batch size from the gradients alone (McCandlish et al. 2018).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from runner.compare.batch_costs import KEY, batch_size_of
from runner.compare.curve import label_for
from runner.compare.curve_summary import summarize
from runner.compare.figures.style import (
    CROSS_HEIGHT,
    LABEL_SIZE,
    NOTE_SIZE,
    OKABE_ITO,
    empty_panels,
    line_styles,
    number_ticks,
)
from runner.compare.grouping import Group, runs_of
from runner.compare.look import PLAIN, Look
from runner.compare.runs import Run
from runner.errors import ConfigError
from runner.options.diagnostics.noise import ALL
from runner.statistics.critical_batch_size import FEWEST, Fit, fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_TICKS = 8


class Point(NamedTuple):
    """One batch size: the steps of each run to the target, infinite if it was not reached."""

    size: float
    steps: list[float]

    @property
    def median(self) -> float:
        """Infinite if at least half of the runs did not reach the target."""
        return statistics.median_high(self.steps)


def critical_batch_size_figure(
    groups: Sequence[Group],
    measure: str,
    target: float,
    tune: Sequence[str] = (),
    look: Look = PLAIN,
) -> Figure:
    """Draw steps to a target against the batch size, a line for each of the other settings.

    Args:
        groups: the groups, which differ in `batch_size`.
        measure: the name of the measure; less is better.
        target: its value to be reached.
        tune: settings that were tuned, which do not make a line of their own.
        look: how the figure looks.

    Raises:
        ConfigError: the runs do not differ in batch size, a run has batches of several sizes, or
            the target was met before training or never.
    """
    figure, (panel,) = empty_panels(1, look)
    lines: dict[str, list[Point]] = {}
    scales: dict[str, list[float]] = {}
    for group in groups:
        label = group.label_without((KEY, *tune))
        point = _point(group, measure, target)
        lines.setdefault(label, []).append(point)
        found = map(noise_scale, group.runs, point.steps)
        scales.setdefault(label, []).extend(filter(math.isfinite, found))
    if all(math.isinf(point.median) for points in lines.values() for point in points):
        raise ConfigError(f"no run reached the target {target:g} of {measure}; choose more")
    for (label, points), style in zip(lines.items(), line_styles(len(lines), look), strict=True):
        _line(panel, label, sorted(points), style["color"], style.get("marker", "o"))
        _noise_scale(panel, scales[label], style["color"] if len(lines) > 1 else OKABE_ITO[1])
    sizes = sorted({point.size for points in lines.values() for point in points})
    panel.set_xscale("log")
    panel.set_yscale("log")
    ticks = sizes[:: math.ceil(len(sizes) / _MOST_TICKS)]
    panel.set_xticks(ticks, [f"{size:g}" for size in ticks])
    panel.minorticks_off()
    number_ticks(panel, is_percentage=False)
    panel.set_xlabel("batch size", fontsize=LABEL_SIZE)
    panel.set_ylabel(
        f"steps to {label_for(runs_of(groups), measure)} {target:g}", fontsize=LABEL_SIZE
    )
    panel.legend(fontsize=NOTE_SIZE, framealpha=0.9, edgecolor="none")
    return figure


def _point(group: Group, measure: str, target: float) -> Point:
    """The steps of a group's runs to the target.

    Raises:
        ConfigError: the group has no one batch size, or met the target before training.
    """
    size = batch_size_of(group, "critical_batch_size")
    steps = [summarize(run, measure, target).steps for run in group.runs]
    found = Point(size, [math.inf if math.isnan(value) else value for value in steps])
    if found.median == 0:
        raise ConfigError(f"the target {target:g} of {measure} is met from the start; choose less")
    return found


def noise_scale(run: Run, steps: float) -> float:
    """The simple noise scale of a run on its way to the target.

    It is the mean variance of the gradient over its mean signal, over the evaluations up to the
    target; a mean of their ratios would be that of the noisiest evaluation.

    Args:
        run: the run.
        steps: its steps to the target; infinite if it was not reached.

    Returns:
        A number of examples; NaN without `diagnostics=noise`, and if there is no signal.
    """
    rows = run.diagnostics("noise")
    if not len(rows):
        return math.nan
    rows = rows[(rows["name"] == ALL) & (rows["step"] <= steps)]
    variance, signal = float(np.mean(rows["variance"])), float(np.mean(rows["signal"]))
    return variance / signal if signal > 0 else math.nan


def _noise_scale(panel: Axes, scales: Sequence[float], color: Any) -> None:
    """Mark the median of the noise scales of all runs, and their range in the legend."""
    if not scales:
        return
    median, low, high = statistics.median(scales), min(scales), max(scales)
    label = f"noise scale {median:.2g} (runs: {low:.2g} to {high:.2g})"
    panel.axvline(median, ls="-.", lw=1.2, color=color, label=label)


def _line(panel: Axes, label: str, points: Sequence[Point], color: Any, marker: str = "o") -> None:
    """One line: its points, the fit of their medians, and perfect scaling."""
    reached = [point for point in points if math.isfinite(point.median)]
    for point in points:
        known = [value for value in point.steps if 0 < value < math.inf]
        at, name = [point.size] * len(known), f"_runs: {label}"
        panel.plot(at, known, ".", ms=3, alpha=0.4, color=color, label=name)
    missed = [point.size for point in points if not math.isfinite(point.median)]
    if missed:
        top = panel.get_xaxis_transform()
        heights = [CROSS_HEIGHT] * len(missed)
        panel.plot(missed, heights, "x", ms=5, transform=top, color=color, label="not reached")
    if not reached:
        return
    sizes = [point.size for point in reached]
    medians = [point.median for point in reached]
    found = fit(sizes, medians)
    panel.plot(sizes, medians, marker, ms=4, color=color, label=label or "measured (median)")
    conclusive = found if found and found.is_conclusive else None
    _perfect_scaling(panel, points, medians, conclusive, color)
    if found is None:
        few = f"{len(sizes)} sizes: too few for a fit ({FEWEST})"
        panel.plot([], [], " ", label=few)
    elif conclusive is None:
        panel.plot([], [], " ", label=found.verdict)
    else:
        x = np.geomspace(sizes[0], sizes[-1], 200)
        fitted = found.least_steps * (1 + found.critical / x)
        panel.plot(x, fitted, "-", lw=1.2, color=color, label=found.verdict)
        panel.axvspan(found.low, found.high, alpha=0.08, lw=0, color=color)
        panel.axvline(found.critical, ls=":", lw=1, color=color)


def _perfect_scaling(
    panel: Axes, points: Sequence[Point], medians: Sequence[float], found: Fit | None, color: Any
) -> None:
    """Steps inversely proportional to the size: the asymptote of the fit, else from one point."""
    first = next(point for point in points if math.isfinite(point.median))
    examples = found.least_steps * found.critical if found else first.size * first.median
    least = 0.5 * min(medians)
    x = np.array([points[0].size, min(points[-1].size, examples / least)])
    is_first = "perfect scaling" not in panel.get_legend_handles_labels()[1]
    label = "perfect scaling" if is_first else None
    panel.plot(x, examples / x, "--", lw=1, color=color, alpha=0.6, label=label)
