"""The scatter plot: final values by color for two numbers whose values form no grid.

For example learning rates and momenta that were drawn at random.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.compare.figures.heat_map import color_bar, color_scale, median_final
from runner.compare.figures.style import (
    LABEL_SIZE,
    empty_panels,
    number_ticks,
    readable,
    small_print,
)
from runner.compare.grouping import Group
from runner.compare.look import PLAIN, Look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPAN = 20.0
"""Numbers whose largest is this many times the least have a logarithmic axis."""


def scatter(
    groups: Sequence[Group], measure: str, across: str, up: str, look: Look = PLAIN
) -> Figure:
    """Draw a point for each group in the color of its median final value, the best with a ring.

    Args:
        groups: the groups.
        measure: the name of the measure.
        across: the setting on the horizontal axis, a number in all runs.
        up: the setting on the vertical axis, a number in all runs.
        look: how the figure looks.
    """
    figure, (panel,) = empty_panels(1, look)
    points = [
        (
            float(group.runs[0].settings[across]),
            float(group.runs[0].settings[up]),
            median_final(group, measure),
        )
        for group in groups
    ]
    lost = [point for point in points if not math.isfinite(point[2])]
    # The best is drawn last, so that no other point covers it.
    known = sorted((point for point in points if math.isfinite(point[2])), key=lambda p: -p[2])
    panel.plot(
        [p[0] for p in lost], [p[1] for p in lost], "x", ms=4, color="0.5", label="_diverged"
    )
    if known:
        x, y, values = zip(*known, strict=True)
        dots = panel.scatter(
            x, y, c=values, s=22, label="_final", **color_scale(values), edgecolors="0.3", lw=0.4
        )
        panel.plot(x[-1:], y[-1:], "o", ms=9, mfc="none", mec="black", label="_best")
        color_bar(figure, panel, dots, groups, measure)
    for axis, key in (("x", across), ("y", up)):
        places = [float(group.runs[0].settings[key]) for group in groups]
        if min(places) > 0 and max(places) > _SPAN * min(places):
            panel.set(**{f"{axis}scale": "log"})
            number_ticks(panel, is_percentage=False, axis=axis)
        panel.set(**{f"{axis}label": readable(key)})
    for label in (panel.xaxis.label, panel.yaxis.label):
        label.set_fontsize(LABEL_SIZE)
    words = ["ring: the least"] * bool(known) + ["x: diverged"] * bool(lost)
    small_print(figure, "; ".join(["median over seeds", *words]))
    return figure
