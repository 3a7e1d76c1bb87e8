"""The figure of layers: a measure of diagnostics by layer over time, as a heat map for each run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from runner.compare.curve import measure_label
from runner.compare.figures.inside import Inside, name_layers, panels_of_layers, shown
from runner.compare.figures.style import LABEL_SIZE, TICK_SIZE, number_ticks, small_print
from runner.compare.grouping import Group
from runner.compare.look import PLAIN, Look
from runner.options.diagnostics.layers import LAYER_MEASURES, PARAMETER_MEASURES, SHARES
from runner.options.diagnostics.noise import NOISE_MEASURES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_TABLES = {"layers": LAYER_MEASURES, "parameters": PARAMETER_MEASURES, "noise": NOISE_MEASURES}
MEASURES = tuple(measure for measures in _TABLES.values() for measure in measures)
DEFAULT = "gradient_norm"

_SPAN = 10.0
"""Values whose largest is this many times the least have a logarithmic scale of colors."""

_MOST_TICKS = 6
_NOTHING = "0.85"
"""The gray of what has no color."""


def layers_figure(groups: Sequence[Group], measure: str, look: Look = PLAIN) -> Figure:
    """Draw a measure by layer, from the input below to the logits above, against epochs.

    All panels have one scale of colors.

    Args:
        groups: the groups; of each the run with the least seed is shown.
        measure: one of `MEASURES`; those of parameters are shown of kernels.
        look: how the figure looks.

    Raises:
        ConfigError: no run has such diagnostics.
    """
    table = next(table for table, measures in _TABLES.items() if measure in measures)
    needs = "diagnostics=noise" if table == "noise" else "diagnostics=layers"
    runs, note = shown(groups, table, "layers", needs)
    values = [np.asarray(run.rows[measure], float).T for run in runs]
    norm = _norm(measure, np.concatenate([each.ravel() for each in values]))
    figure, panels = panels_of_layers(runs, look)
    images = [_cells(*each, norm) for each in zip(panels, runs, values, strict=True)]
    name_layers(panels, runs, range(max(len(run.names) for run in runs)))
    bar = figure.colorbar(images[0], ax=panels, pad=0.02)
    bar.set_label(measure_label(measure), fontsize=LABEL_SIZE)
    bar.ax.tick_params(which="both", labelsize=TICK_SIZE)
    if measure in SHARES:
        number_ticks(bar.ax, is_percentage=True)
    notes = ["at evaluations, on the probe batch", "kernels" * (table != "layers")]
    small_print(figure, "; ".join(filter(None, [*notes, _gray(norm, values), note])))
    return figure


def _cells(panel: Axes, run: Inside, values: npt.NDArray, norm: Normalize) -> AxesImage:
    """Draw the values `(layers, evaluations)` of a run."""
    from matplotlib.colors import CenteredNorm

    panel.set_facecolor(_NOTHING)
    image = panel.imshow(
        np.ma.masked_invalid(values),
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap="RdBu_r" if isinstance(norm, CenteredNorm) else "viridis",
        norm=norm,
        label=f"_evaluation: {run.label}",
    )
    panel.set_xticks(range(len(run.epochs)), map(str, run.epochs), fontsize=TICK_SIZE)
    every = math.ceil(len(run.epochs) / _MOST_TICKS)
    for place, tick in enumerate(panel.xaxis.get_major_ticks()):
        tick.set_visible(place % every == 0)
    panel.set_xlabel("epochs", fontsize=LABEL_SIZE)
    return image


def _gray(norm: Normalize, values: Sequence[npt.NDArray]) -> str:
    """What is gray, in words: a logarithmic scale has no place for 0."""
    from matplotlib.colors import LogNorm

    grays = ["0"] * (isinstance(norm, LogNorm) and any((own == 0).any() for own in values))
    grays += ["not measured"] * any(np.isnan(own).any() for own in values)
    return f"gray: {' or '.join(grays)}" if grays else ""


def _norm(measure: str, values: npt.NDArray) -> Normalize:
    """The scale of colors: of shares from 0 to 1, of signed values around 0, else by ratios."""
    from matplotlib.colors import CenteredNorm, LogNorm, Normalize

    known = values[np.isfinite(values)]
    if measure in SHARES:
        return Normalize(0, 1)
    if not len(known):
        return Normalize()
    least, largest = known.min(), known.max()
    if least < 0:
        return CenteredNorm(0, max(-least, largest))
    positive = known[known > 0]
    if len(positive) and largest > _SPAN * positive.min():
        return LogNorm(positive.min(), largest)
    return Normalize(least, largest)
