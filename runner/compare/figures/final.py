"""The figure of final values against a number, for example the learning rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runner.compare.curve import label_for
from runner.compare.curve_summary import summarize
from runner.compare.figures.style import (
    LABEL_SIZE,
    MEANS,
    cross_at_top,
    empty_panels,
    is_log_measure,
    is_rate,
    legend_beside,
    line_styles,
    mean_on_axis,
    number_ticks,
    readable,
    small_print,
    title_of,
)
from runner.compare.grouping import Group, is_below, runs_of
from runner.compare.look import PLAIN, Look
from runner.compare.range_test import is_range_test, of_group
from runner.measures import LEARNING_RATE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_TICKS = 8
RATE = f"optimizer.{LEARNING_RATE}"


def final_figure(
    groups: Sequence[Group],
    measure: str,
    key: str,
    tune: Sequence[str] = (),
    look: Look = PLAIN,
) -> Figure:
    """Draw the final value against a number, a line for each combination of the other settings.

    Args:
        groups: the groups.
        measure: the name of the measure.
        key: the setting on the horizontal axis, a number in all groups.
        tune: settings that were tuned, which do not make a line of their own.
        look: how the figure looks.
    """
    figure, (panel,) = empty_panels(1, look)
    tests, groups, dropped = _range_tests(groups, key)
    finals_of = [[summarize(run, measure).final for run in group.runs] for group in groups]
    is_log = is_log_measure(measure, finals_of, look)
    lines: dict[str, list[Group]] = {}
    for group in groups:
        lines.setdefault(group.label_without((key, *tune, *dropped)), []).append(group)
    for (label, members), style in zip(lines.items(), line_styles(len(lines), look), strict=True):
        at = [float(group.settings[key]) for group in members]
        finals = [[summarize(run, measure).final for run in group.runs] for group in members]
        _line(panel, label, sorted(zip(at, finals, strict=True)), is_log, style)
        for test in tests:
            rate, name = of_group(test).rate, f"_suggested: {label}"
            if test.label_without((key, *tune, *dropped)) == label and math.isfinite(rate):
                panel.axvline(rate, ls=":", lw=1.2, color=style["color"], label=name)
    places = sorted({float(group.settings[key]) for group in groups})
    if places[0] > 0:
        panel.set_xscale("log")
    if len(places) <= MOST_TICKS:
        panel.set_xticks(places, [f"{place:g}" for place in places])
        panel.minorticks_off()
    if is_log:
        panel.set_yscale("log")
    number_ticks(panel, is_rate(groups, measure))
    panel.set_xlabel(readable(key), fontsize=LABEL_SIZE)
    panel.set_ylabel(f"final {label_for(runs_of(groups), measure)}", fontsize=LABEL_SIZE)
    if len(lines) > 1:
        others = [n for n in groups[0].settings if n not in (key, *tune, *dropped)]
        legend_beside(figure, panel, title_of(others), look)
    is_complete = all(math.isfinite(value) for finals in finals_of for value in finals)
    crosses = "" if is_complete else "; x: a run that diverged"
    tested = "; dotted: what a range test suggests" if tests else ""
    small_print(figure, f"points: runs; line: their {MEANS[is_log]}{crosses}{tested}")
    return figure


def _line(
    panel: Axes,
    label: str,
    points: Sequence[tuple[float, list[float]]],
    is_log: bool,
    style: dict[str, Any],
) -> None:
    """Draw the final values of runs at some places, and a line through their means."""
    xs, means = [], []
    for x, finals in points:
        known = [value for value in finals if math.isfinite(value)]
        at, name = [x] * len(known), f"_runs: {label}"
        panel.plot(at, known, ".", ms=3, alpha=0.4, color=style["color"], label=name)
        if len(known) < len(finals):
            cross_at_top(panel, x, style["color"])
        if known:
            xs.append(x)
            means.append(mean_on_axis(known, is_log))
    drawing = {"marker": "o", "ms": 3, **style, "markevery": None}
    panel.plot(xs, means, label=label or "_mean", **drawing)


def _range_tests(
    groups: Sequence[Group], key: str
) -> tuple[list[Group], Sequence[Group], tuple[str, ...]]:
    """Range tests, which suggest a rate and have no final value; the others; and what to leave out.

    Args:
        groups: all groups.
        key: the setting on the horizontal axis.

    Returns:
        The range tests, the other groups, and the keys of the schedule, if the others have one
        schedule. Without runs of both kinds, and on another axis, no group is a range test.
    """
    tests = [group for group in groups if all(map(is_range_test, group.runs))]
    others = [group for group in groups if group not in tests]
    schedules = {group.settings.get("schedule") for group in others}
    if key != RATE or not tests or len(schedules) != 1:
        return [], groups, ()
    names = {name for group in groups for name in group.settings}
    return tests, others, tuple(name for name in names if is_below(name, ("schedule",)))
