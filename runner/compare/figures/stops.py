"""Where runs stopped early, in figures of curves.

A mean over seeds ends where the first of its runs ends. If that one stopped early, the others go on
after it, each alone: a mean of those that are left would jump.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from runner.compare.curve import Band, Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STOPS = "|: stopped early"
"""What the mark of a stop means, for the note below a figure."""

RESTS = "thin: single seeds after the first has"
"""What follows a mean, for the same."""

_SIZE, _WIDTH = 7, 1.2
_BEHIND_MEANS = 1.5


def draw_stops(
    panel: Axes, lines: Sequence[Curve], mean: Band, drawing: dict[str, Any], label: str
) -> None:
    """Mark where the runs of a group stopped early, and draw on those that outlast its mean.

    Args:
        panel: the panel.
        lines: the curves of the group's runs, as they are averaged.
        mean: their mean.
        drawing: how the mean is drawn.
        label: the name of the group.
    """
    alive = [line for line in lines if line.diverged is None and len(line.x)]
    if not any(line.stopped for line in alive):
        return
    thin = {**drawing, "lw": 0.7, "zorder": _BEHIND_MEANS, "marker": "", "label": f"_rest: {label}"}
    mark = {"ms": _SIZE, "mew": _WIDTH, "color": drawing["color"], "label": f"_stopped: {label}"}
    for line in alive:
        rest = line.x >= mean.x[-1]
        if len(alive) > 1 and rest.sum() > 1:
            panel.plot(line.x[rest], line.y[rest], **thin)
        if line.stopped:
            panel.plot(line.x[-1:], line.y[-1:], "|", **mark)
