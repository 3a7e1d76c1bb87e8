"""The figure of updates: what the optimizer makes of the gradient, against steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from runner.compare.curve import Curve, measure_label
from runner.compare.figures.inside import measured, note
from runner.compare.figures.style import (
    LABEL_SIZE,
    empty_panels,
    group_styles,
    legend_beside,
    number_ticks,
    small_print,
    title_of,
)
from runner.compare.grouping import Group
from runner.compare.look import PLAIN, Look
from runner.compare.smoothing import smoothed_curve
from runner.options.diagnostics.update import ALL, UPDATE_MEASURES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = UPDATE_MEASURES
DEFAULT = "cosine"

MOST_LINES = 8
_LABELS = {
    "effective_step": "effective step |u| / |g|",
    "step_spread": "spread of the effective step (decades)",
    "cosine": "cosine of step and -gradient",
    "gradient_cosine": "cosine of successive gradients",
    "decrease_ratio": "actual / predicted decrease",
    "distance": "distance from the start",
}
_LOGARITHMIC = ("effective_step", "path_length", "distance")
_SMOOTH = ("path_length", "distance", "momentum")
"""What does not vary from step to step by chance."""

_MOST_DOTS = 300


def updates_figure(groups: Sequence[Group], measure: str, look: Look = PLAIN) -> Figure:
    """Draw a measure of all parameters together against steps, a line for each run.

    Lines are means over a window, with single steps faint behind a run alone. The effective step
    has a band of one standard deviation over the parameters to each side.

    Args:
        groups: the groups; of each the run with the least seed is shown.
        measure: one of `MEASURES`.
        look: how the figure looks.

    Raises:
        ConfigError: no run has such diagnostics.
    """
    found = measured(groups, "updates", "updates", "diagnostics=update")
    found = found[:MOST_LINES]
    figure, (panel,) = empty_panels(1, look)
    if not look.size and not look.is_paper:
        figure.set_size_inches(5.5, 2.8)
    curves = [rows[rows["name"] == ALL] for _, rows in found]
    is_log = measure in _LOGARITHMIC if look.yscale == "auto" else look.yscale == "log"
    if is_log:
        panel.set_yscale("log")
    window = 0.0 if measure in _SMOOTH else look.smoothing
    for (group, _), rows, style in zip(
        found, curves, group_styles(groups, look)[: len(found)], strict=True
    ):
        if window and len(found) == 1:
            every = max(1, len(rows) // _MOST_DOTS)
            dots = rows[::every]
            raw = {"color": style["color"], "alpha": 0.35, "ms": 2, "label": f"_raw: {group.label}"}
            panel.plot(dots["step"], _shown(dots[measure], is_log), ".", **raw)
        _line(panel, rows, measure, group.label, style, window, is_log)
    if not is_log:
        number_ticks(panel, is_percentage=False)
    panel.set_xlabel("iterations", fontsize=LABEL_SIZE)
    panel.set_ylabel(_LABELS.get(measure, measure_label(measure)), fontsize=LABEL_SIZE)
    words = [f"means over {look.smoothing:.0%} of the axis" * bool(window)]
    words += ["band: one standard deviation over the parameters" * (measure == "effective_step")]
    small_print(figure, "; ".join(filter(None, [*words, note(groups)])))
    if len(found) > 1:
        legend_beside(figure, panel, title_of(groups[0].settings), look)
    return figure


def _line(
    panel: Axes,
    rows: npt.NDArray,
    measure: str,
    label: str,
    style: dict[str, Any],
    window: float,
    is_log: bool,
) -> None:
    """Draw one run, and the band of its effective step."""
    line = _smoothed(rows, _shown(rows[measure], is_log), window, is_log)
    if not len(line.x):
        return
    panel.plot(line.x, line.y, **style, label=label)
    if measure != "effective_step":
        return
    spread = 10 ** _smoothed(rows, rows["step_spread"], window, is_log=False).y
    if len(spread) == len(line.y):
        ends = line.y / spread, line.y * spread
        band = {"color": style["color"], "alpha": 0.15, "lw": 0, "label": f"_band: {label}"}
        panel.fill_between(line.x, *ends, **band)


def _smoothed(rows: npt.NDArray, values: npt.NDArray, window: float, is_log: bool) -> Curve:
    """A curve of what is finite, averaged on the axis that is drawn."""
    known = np.isfinite(values)
    x, y = rows["step"][known].astype(float), values[known].astype(float)
    if not len(x):
        return Curve(x, y, None)
    line = Curve(x, np.log(y) if is_log else y, None)
    smooth = smoothed_curve(line, x, window * (x[-1] - x[0]))
    return smooth._replace(y=np.exp(smooth.y)) if is_log else smooth


def _shown(values: npt.NDArray, is_log: bool) -> npt.NDArray:
    """The values that have a place on the axis; NaN for the others."""
    return np.where(values > 0, values, np.nan) if is_log else values
