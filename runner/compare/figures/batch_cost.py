"""The figure of what a batch costs and buys, against its size, on log-log axes.

Up to three panels: the examples a second (dots: runs; line: their median; bar: their range), the
memory of a step as the compiler plans it, and the error of the gradient: its standard deviation
over batches at the start of training, with the line sigma / sqrt(batch size) and the norm of the
gradient, of runs with `diagnostics=noise`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from runner.compare.batch_costs import KEY, batch_size_of, examples_per_second, planned_memory
from runner.compare.curve_summary import are_shares
from runner.compare.figures.style import (
    LABEL_SIZE,
    empty_panels,
    legend_beside,
    line_styles,
    number_ticks,
    small_print,
    title_of,
)
from runner.compare.grouping import Group
from runner.compare.look import PLAIN, Look
from runner.errors import ConfigError
from runner.options.diagnostics.noise import ALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = ("all", "throughput", "memory", "gradient_error")
DEFAULT = "all"

_MEGABYTE = 1e6
_DASHED: dict[str, Any] = {"ls": "--", "lw": 0.8}
_DOTTED: dict[str, Any] = {"ls": ":", "lw": 1.0}


class _Line(NamedTuple):
    """Groups that differ in the size of their batches alone, by size."""

    label: str
    sizes: list[float]
    groups: list[Group]
    style: dict[str, Any]


def batch_cost_figure(groups: Sequence[Group], measure: str, look: Look = PLAIN) -> Figure:
    """Draw what batches cost and buy against their size, a line for each of the other settings.

    Args:
        groups: the groups, which differ in `batch_size`.
        measure: one of `MEASURES`.
        look: how the figure looks.

    Raises:
        ConfigError: the runs do not differ in batch size, a run has batches of several sizes, no
            run has what is asked for, or the data are not on this machine.
        DataError: the data cannot be read.
    """
    lines = _lines(groups, look)
    asked = list(_PANELS) if measure == DEFAULT else [measure]
    if measure == DEFAULT and not any(map(_noise, groups)):
        asked.remove("gradient_error")
    figure, panels = empty_panels(len(asked), look, sharey=False)
    notes = []
    for panel, name in zip(panels, asked, strict=True):
        label, draw = _PANELS[name]
        notes.append(draw(panel, lines))
        panel.set_ylabel(label, fontsize=LABEL_SIZE)
        panel.set_xlabel("batch size", fontsize=LABEL_SIZE)
        panel.set_xscale("log")
        panel.set_yscale("log")
        for axis in "xy":
            number_ticks(panel, is_percentage=False, axis=axis)
    if len(lines) > 1:
        legend_beside(figure, panels[0], title_of(k for k in groups[0].settings if k != KEY), look)
    small_print(figure, "; ".join(notes))
    return figure


def _lines(groups: Sequence[Group], look: Look) -> list[_Line]:
    """The lines of the figure.

    Raises:
        ConfigError: a group has no one batch size.
    """
    found: dict[str, list[tuple[float, int]]] = {}
    for place, group in enumerate(groups):
        size = batch_size_of(group, "batch_cost")
        found.setdefault(group.label_without((KEY,)), []).append((size, place))
    styles = line_styles(len(found), look)
    return [
        _Line(
            label,
            [size for size, _ in sorted(members)],
            [groups[place] for _, place in sorted(members)],
            {**style, "marker": "o", "ms": 3, "markevery": None},
        )
        for (label, members), style in zip(found.items(), styles, strict=True)
    ]


def _throughput(panel: Axes, lines: Sequence[_Line]) -> str:
    for line in lines:
        points = []
        for size, group in zip(line.sizes, line.groups, strict=True):
            speeds = [examples_per_second(run) for run in group.runs]
            known = [speed for speed in speeds if math.isfinite(speed)]
            if known:
                points.append((size, statistics.median(known), min(known), max(known)))
            at, name = [size] * len(known), f"_runs: {line.label}"
            panel.plot(at, known, ".", ms=3, alpha=0.4, color=line.style["color"], label=name)
        if points:
            sizes, medians, low, high = np.array(points).T
            panel.plot(sizes, medians, label=line.label or "_median", **line.style)
            panel.vlines(sizes, low, high, color=line.style["color"], lw=1)
    groups = [group for line in lines for group in line.groups]
    beside = ", trained side by side" if are_shares(groups) else ""
    return f"speed: median and range over the runs{beside}"


def _memory(panel: Axes, lines: Sequence[_Line]) -> str:
    import jax

    in_turn = iter(planned_memory([group for line in lines for group in line.groups]))
    for line in lines:
        planned = [next(in_turn) for _ in line.groups]
        peaks = [each.peak / _MEGABYTE for each in planned]
        states = [each.state / _MEGABYTE for each in planned]
        panel.plot(line.sizes, peaks, label=line.label or "_peak", **line.style)
        color = line.style["color"]
        panel.plot(line.sizes, states, **_DOTTED, color=color, label=f"_state: {line.label}")
    platform = jax.devices()[0].platform
    return (
        f"memory: of a step beside the data, as the compiler plans it ({platform}), dotted what "
        "stays between steps"
    )


def _gradient_error(panel: Axes, lines: Sequence[_Line]) -> str:
    """Draw how far gradients of batches are from their mean.

    Raises:
        ConfigError: no run has measured it.
    """
    drawn = 0
    for line in lines:
        row = next(filter(None, map(_noise, line.groups)), None)
        if row is None:
            continue
        drawn += 1
        deviation, norm = row
        sizes, color = 2.0 ** np.arange(len(deviation)), line.style["color"]
        ends = np.array([1.0, max(sizes[-1], *line.sizes)])
        dots = {**line.style, "ls": "none", "label": line.label or "_deviation"}
        panel.plot(sizes, deviation, **dots)
        law = deviation[0] / np.sqrt(ends)
        panel.plot(ends, law, **_DASHED, color=color, label=f"_law: {line.label}")
        norms = np.full(2, norm)
        panel.plot(ends, norms, **_DOTTED, color=color, label=f"_norm: {line.label}")
    if not drawn:
        raise ConfigError("gradient_error needs runs with diagnostics=noise; there is none")
    return (
        "error: standard deviation of the gradient of a batch at the start, dashed sigma / "
        "sqrt(batch size), dotted the norm of the gradient"
    )


def _noise(group: Group) -> tuple[np.ndarray, float] | None:
    """The deviations of batches of 1, 2, 4, ... at the first evaluation, and the gradient's norm.

    None if no run has measured them.
    """
    for run in sorted(group.runs, key=lambda run: run.seed):
        rows = run.diagnostics("noise")
        rows = rows[rows["name"] == ALL] if len(rows) else rows
        if len(rows) and np.isfinite(rows[0]["deviation"]).all():
            return np.asarray(rows[0]["deviation"], float), math.sqrt(max(rows[0]["signal"], 0.0))
    return None


_PANELS: dict[str, tuple[str, Callable[[Axes, Sequence[_Line]], str]]] = {
    "throughput": ("examples a second", _throughput),
    "memory": ("memory of a step (MB)", _memory),
    "gradient_error": ("error of the gradient", _gradient_error),
}
"""For each measure the label of its axis and what draws it, which returns a note."""
