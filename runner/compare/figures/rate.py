"""The figure of rates of convergence: the excess over the known minimum, and how fast it falls.

Two panels show the excess against the steps, on a linear axis, where a factor a step is a straight
line, and on a logarithmic one, where a power of the steps is. The fit is dashed where it is
straight. If a number differs between the groups, the figure shows the fitted rates against it: how
many steps divide the excess by ten. Thin lines are what `runner.compare.rate_theory` knows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from runner.compare.curve import band, kept_points, measure_label
from runner.compare.figures.style import (
    LABEL_SIZE,
    cross_at_top,
    empty_panels,
    legend_beside,
    line_styles,
    number_ticks,
    readable,
    small_print,
    title_of,
)
from runner.compare.grouping import Group
from runner.compare.look import PLAIN, Look
from runner.compare.rate_theory import factor_in_theory
from runner.compare.rates import excess, group_rate
from runner.statistics.rates import FROM, Rate, steps_per_tenth, usable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_THEORY = "theory, at the rate and the momentum of the run"
_THIN: dict[str, Any] = {"lw": 0.8, "color": "black", "zorder": 5}

_SCALES = {"linear": "linear", "sublinear": "log"}
"""The horizontal scale on which a law is a straight line."""


def rate_figure(
    groups: Sequence[Group], measure: str, key: str | None = None, look: Look = PLAIN
) -> Figure:
    """Draw how fast a loss approaches its least value.

    Args:
        groups: the groups.
        measure: a loss.
        key: a number that differs between the groups, to be the horizontal axis; None: the excess
            is drawn against the steps.
        look: how the figure looks.

    Raises:
        ConfigError: the least value of the loss is not known.
    """
    return _excess(groups, measure, look) if key is None else _against(groups, measure, key, look)


def _excess(groups: Sequence[Group], measure: str, look: Look) -> Figure:
    figure, panels = empty_panels(2, look)
    for panel, scale in zip(panels, _SCALES.values(), strict=True):
        panel.set_yscale("log")
        panel.set_xscale(scale)
        panel.set_xlabel("iterations", fontsize=LABEL_SIZE)
    panels[0].set_ylabel(f"excess of the {measure_label(measure)}", fontsize=LABEL_SIZE)
    for group, style in zip(groups, line_styles(len(groups), look), strict=True):
        _draw(panels, group, measure, style)
    has_theory = [_draw_theory(panels[0], group, measure) for group in groups]
    for panel in panels:
        number_ticks(panel, is_percentage=False)
        number_ticks(panel, is_percentage=False, axis="x")
    small_print(
        figure,
        "loss minus its known least value; dashed: fit to the last three quarters of the steps "
        "down to 1e-12 of the start, in the panel where it is straight; in brackets its 95 % "
        "interval; k: steps" + f"; thin: {_THEORY}" * any(has_theory),
    )
    legend_beside(figure, panels[0], title_of(groups[0].settings), look)
    return figure


def _draw(panels: Sequence[Axes], group: Group, measure: str, style: dict[str, Any]) -> None:
    """The excess of a group in both panels, and its fit in one."""
    curves = [excess(run, measure) for run in group.runs]
    found, mean = group_rate(group, measure), band(curves, log=True)
    if mean is None:
        return
    known = np.flatnonzero(mean.mean > 0)
    x, y = mean.x[known], mean.mean[known]
    words = f"{group.label}: {found}" if found else group.label
    for panel in panels:
        at = (x > 0) | (panel.get_xscale() == "linear")
        xs, ys = x[at], y[at]
        some = kept_points(len(xs))
        panel.plot(xs[some], ys[some], label=words, **style)
    x, y = usable(x, y)
    if found is not None and found.is_falling and len(x):
        panel = panels[list(_SCALES).index(found.law)]
        ends = np.geomspace(FROM * x[-1], x[-1], 50)
        fitted = _law(found, ends)
        scale = math.exp(float(np.mean(np.log(np.interp(ends, x, y) / fitted))))
        drawn: dict[str, Any] = {"ls": "--", "lw": 1, "color": "black", "zorder": 4}
        panel.plot(ends, scale * fitted, label=f"_fit: {group.label}", **drawn)


def _draw_theory(panel: Axes, group: Group, measure: str) -> bool:
    """Draw from the start of a group the factor a step that theory knows; whether it knows one."""
    factor = factor_in_theory(group.runs[0], measure)
    mean = band([excess(run, measure) for run in group.runs], log=True)
    if not factor or mean is None or not len(mean.x):  # 0: no line on a logarithmic axis
        return False
    low, first = panel.get_ylim()[0], mean.mean[0]
    ends = np.linspace(0.0, min(mean.x[-1], max(math.log(low / first) / math.log(factor), 0.0)), 2)
    panel.plot(ends, first * factor**ends, label=f"_theory: {group.label}", **_THIN)
    return True


def _law(found: Rate, steps: np.ndarray) -> np.ndarray:
    """The excess after some steps, but for a factor that keeps it near 1."""
    if found.law == "linear":
        return np.asarray(found.value ** (steps - steps[-1]))
    return np.asarray((steps / steps[-1]) ** -found.value)


def _against(groups: Sequence[Group], measure: str, key: str, look: Look) -> Figure:
    figure, (panel,) = empty_panels(1, look)
    lines: dict[str, list[Group]] = {}
    for group in groups:
        lines.setdefault(group.label_without((key,)), []).append(group)
    styles = line_styles(len(lines), look)
    has_theory = [
        _line(panel, label, members, (measure, key), style)
        for (label, members), style in zip(lines.items(), styles, strict=True)
    ]
    places = sorted({float(group.settings[key]) for group in groups})
    if places[0] > 0:
        panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xticks(places, [f"{place:g}" for place in places])
    panel.minorticks_off()
    number_ticks(panel, is_percentage=False)
    panel.set_xlabel(readable(key), fontsize=LABEL_SIZE)
    panel.set_ylabel("steps to a tenth of the excess", fontsize=LABEL_SIZE)
    if len(lines) > 1:
        legend_beside(figure, panel, title_of(n for n in groups[0].settings if n != key), look)
    small_print(
        figure,
        f"from the factor a step of the {measure_label(measure)} above its least value, fitted to "
        "the last three quarters of the steps down to 1e-12 of the start; bars: 95 % intervals; "
        "x: no factor fits" + f"; thin: {_THEORY}" * any(has_theory),
    )
    return figure


def _line(
    panel: Axes,
    label: str,
    groups: Sequence[Group],
    shown: tuple[str, str],
    style: dict[str, Any],
) -> bool:
    """Draw the rates of a measure against a number, and those of theory; whether it knows any."""
    measure, key = shown
    points, expected = [], []
    for group in sorted(groups, key=lambda group: float(group.settings[key])):
        x, found = float(group.settings[key]), group_rate(group, measure)
        if (factor := factor_in_theory(group.runs[0], measure)) is not None:
            expected.append((x, steps_per_tenth(factor)))
        if found is None or math.isinf(found.steps_per_tenth):
            cross_at_top(panel, x, style["color"])
            continue
        ends = [found._replace(value=end).steps_per_tenth for end in (found.low, found.high)]
        points.append((x, found.steps_per_tenth, *ends))
    if points:
        xs, ys, low, high = np.array(points).T
        drawing: dict[str, Any] = {"marker": "o", "ms": 3, **style, "markevery": None}
        panel.plot(xs, ys, label=label or "_rates", **drawing)
        known = np.isfinite(high)
        panel.vlines(xs[known], low[known], high[known], color=style["color"], lw=1)
    if expected:
        panel.plot(*np.array(expected).T, label=f"_theory: {label}", **_THIN)
    return bool(expected)
