"""The figure of histograms: what each layer computes, at the start and at the end of a run.

A ridge for each layer, from the input above to the logits below, as in Glorot & Bengio 2010.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from runner.compare.curve import measure_label
from runner.compare.figures.inside import name_layers, panels_of_layers, shown
from runner.compare.figures.style import LABEL_SIZE, OKABE_ITO, small_print
from runner.compare.grouping import Group
from runner.compare.look import PLAIN, Look
from runner.options.diagnostics.layers import HISTOGRAMS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = HISTOGRAMS
DEFAULT = HISTOGRAMS[-1]

_HEIGHT = 0.9
"""Of a ridge, relative to the distance of two."""


def histograms_figure(groups: Sequence[Group], measure: str, look: Look = PLAIN) -> Figure:
    """Draw the distribution of the numbers in each layer over the probe batch.

    Every ridge is scaled to the same height: a distribution at one point would hide all others.
    The logits have no activation, and are shown among the pre-activations.

    Args:
        groups: the groups; of each the run with the least seed is shown.
        measure: one of `MEASURES`.
        look: how the figure looks.

    Raises:
        ConfigError: no run has such diagnostics.
    """
    runs, note = shown(groups, "layers", "histograms")
    figure, panels = panels_of_layers(runs, look)
    if measure == DEFAULT:
        runs = [run._replace(names=run.names[:-1], rows=run.rows[:, :-1]) for run in runs]
    for panel, run in zip(panels, runs, strict=True):
        for place, name in enumerate(run.names):
            of_layer = run.rows[:, place]
            _ridge(panel, of_layer[-1], measure, -place, f"_end: {name}")
            if len(of_layer) > 1:
                _ridge(panel, of_layer[0], measure, -place, f"_start: {name}")
            panel.axhline(-place, color="0.8", lw=0.5, zorder=0)
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(axis="y", length=0)
        panel.locator_params("x", nbins=5)  # as many labels as a narrow panel has room for
        panel.set_xlabel(measure_label(measure), fontsize=LABEL_SIZE)
    name_layers(panels, runs, range(0, -max(len(run.names) for run in runs), -1))
    words = [f"line: epoch {runs[0].epochs[0]}, filled: the last evaluation", "each to one height"]
    small_print(figure, "; ".join(filter(None, [*words, note])))
    return figure


def _ridge(panel: Axes, row: npt.NDArray, measure: str, base: float, label: str) -> None:
    """Draw one histogram on its base line, filled at the end; nothing if it is not finite."""
    low, high, counts = (row[f"{measure}_{part}"] for part in ("low", "high", "histogram"))
    if not (np.isfinite(low) and np.isfinite(high)) or not counts.max() > 0:
        return
    edges = np.repeat(np.linspace(low, high, len(counts) + 1), 2)
    heights = base + _HEIGHT * np.pad(np.repeat(counts, 2), 1) / counts.max()
    is_end = label.startswith("_end")
    color = OKABE_ITO[0] if is_end else "black"
    panel.plot(edges, heights, color=color, lw=0.8, label=label, zorder=2 - is_end)
    if is_end:
        panel.fill_between(edges, base, heights, color=color, alpha=0.5, lw=0)
