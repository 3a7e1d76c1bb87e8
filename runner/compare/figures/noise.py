"""The figure of gradient noise: how far the gradient of a batch is from that of all examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from runner.compare.figures.inside import measured, note, panels_for
from runner.compare.figures.style import (
    LABEL_SIZE,
    NOTE_SIZE,
    OKABE_ITO,
    number_ticks,
    small_print,
)
from runner.compare.grouping import Group
from runner.compare.look import PLAIN, Look
from runner.options.diagnostics.noise import ALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = ("deviation",)
DEFAULT = "deviation"

_MOST_PANELS = 4
_HEIGHT = 2.8


def noise_figure(groups: Sequence[Group], measure: str, look: Look = PLAIN) -> Figure:
    """Draw the standard deviation of the gradients of batches against their size.

    Dots are measured, the dashed line is sigma / sqrt(B), and the dotted line the norm of the
    gradient. They cross at the noise scale: the size of the batch whose noise is as large as the
    gradient. Drawn are the first evaluation and the last one.

    Args:
        groups: the groups; of each the run with the least seed is shown.
        measure: one of `MEASURES`.
        look: how the figure looks.

    Raises:
        ConfigError: no run has such diagnostics.
    """
    found = measured(groups, "noise", "noise", "diagnostics=noise")
    labels = [group.label for group, _ in found[:_MOST_PANELS]]
    figure, panels = panels_for(labels, look, _HEIGHT)
    for panel, (_, rows) in zip(panels, found, strict=False):
        rows = rows[rows["name"] == ALL]
        _evaluation(panel, rows[0], "black", "s")
        if len(rows) > 1:
            _evaluation(panel, rows[-1], OKABE_ITO[0], "o")
        panel.set_xscale("log")
        panel.set_yscale("log")
        for axis in "xy":
            number_ticks(panel, is_percentage=False, axis=axis)
        panel.set_xlabel("batch size", fontsize=LABEL_SIZE)
        panel.legend(fontsize=NOTE_SIZE, framealpha=0.9, edgecolor="none")
    panels[0].set_ylabel("standard deviation of the gradient", fontsize=LABEL_SIZE)
    words = "dashed: sigma / sqrt(batch size); dotted: norm of the gradient; on the probe batch"
    left_out = note(groups, len(found), _MOST_PANELS)
    small_print(figure, "; ".join(filter(None, [words, left_out])))
    return figure


def _evaluation(panel: Axes, row: npt.NDArray, color: Any, marker: str) -> None:
    """Draw one evaluation, with its noise scale in the legend; nothing that is not finite."""
    deviation, scale, epoch = row["deviation"], float(row["noise_scale"]), int(row["epoch"])
    if not np.isfinite(deviation).all():
        return
    sizes = 2.0 ** np.arange(len(deviation))
    is_known = np.isfinite(scale)
    words = f"noise scale {scale:.3g}" if is_known else "gradient not seen in the noise"
    panel.plot(sizes, deviation, marker, ms=3.5, color=color, label=f"epoch {epoch}: {words}")
    ends = np.array([1.0, max(sizes[-1], min(scale, 100 * sizes[-1]) if is_known else 1.0)])
    lines = {"lw": 1.0, "color": color}
    panel.plot(ends, deviation[0] / np.sqrt(ends), "--", **lines, label=f"_law: epoch {epoch}")
    if is_known:
        norm = np.full(2, np.sqrt(row["signal"]))
        panel.plot(ends, norm, ":", **lines, label=f"_norm: epoch {epoch}")
