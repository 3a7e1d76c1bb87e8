"""The figure of curvature: a measure of the Hessian of the objective against epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from runner.compare.curve import measure_label
from runner.compare.figures.inside import MOST_PANELS, measured, note, title_of_panel
from runner.compare.figures.style import (
    LABEL_SIZE,
    OKABE_ITO,
    empty_panels,
    group_styles,
    legend_beside,
    line_styles,
    number_ticks,
    small_print,
    title_of,
)
from runner.compare.grouping import Group
from runner.compare.look import PLAIN, Look
from runner.options.diagnostics.curvature import CURVATURE_MEASURES, TABLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SADDLE = "saddle_index"

_PAIRS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "ill_conditioning": (("first", "$\\eta\\, g^T g$"), ("second", "$\\eta^2 g^T H g\\, /\\, 2$")),
    "gains": (("gain", "gained"), ("predicted_gain", "predicted")),
}
"""Two measures in one panel, each with its name there."""

MEASURES = (*CURVATURE_MEASURES, *_PAIRS, _SADDLE)
DEFAULT = "largest"

_MOST_LINES = len(OKABE_ITO)
_SPAN = 10.0
"""Positive values whose largest is this many times the least have a logarithmic axis."""

_BLACK: dict[str, Any] = {"color": "black", "lw": 0.8}


def curvature_figure(groups: Sequence[Group], measure: str, look: Look = PLAIN) -> Figure:
    """Draw a measure of the curvature against epochs.

    Args:
        groups: the groups; of each the run with the least seed is shown.
        measure: one of `MEASURES`. `ill_conditioning` and `gains` have a panel for each group with
            two lines; `saddle_index` is the objective against the share of negative eigenvalues.
        look: how the figure looks.

    Raises:
        ConfigError: no run has such diagnostics.
    """
    found = measured(groups, TABLE, "curvature", "diagnostics=curvature")
    if measure in _PAIRS:
        return _pairs(found, measure, groups, look)
    shown = found[:_MOST_LINES]
    figure, (panel,) = empty_panels(1, look)
    styles = group_styles([group for group, _ in shown], look)
    is_saddle = measure == _SADDLE
    for (group, rows), style in zip(shown, styles, strict=True):
        x, y = ("negative_share", "objective") if is_saddle else ("epoch", measure)
        label = group.label or measure_label(measure)
        own: dict[str, Any] = {"marker": "o", "ms": 2.5} | style
        panel.plot(rows[x], rows[y], label=label, **own)
        if is_saddle:
            panel.plot(rows[x][:1], rows[y][:1], "s", ms=5, mfc="white", mec=style["color"])
    values = np.concatenate([rows["objective" if is_saddle else measure] for _, rows in shown])
    notes = ["square: before the first step"] * is_saddle
    if measure == "sharpness_product":
        notes += _limits(panel, [rows for _, rows in shown])
    _scale(panel, values, look, is_share=measure == "negative_share")
    if is_saddle:
        number_ticks(panel, is_percentage=True, axis="x")
        panel.set_xlabel("negative eigenvalues", fontsize=LABEL_SIZE)
    else:
        _epochs(panel)
    panel.set_ylabel(measure_label("objective" if is_saddle else measure), fontsize=LABEL_SIZE)
    if len(shown) > 1 or panel.get_legend_handles_labels()[1][1:]:
        legend_beside(figure, panel, title_of(shown[0][0].settings), look)
    notes += ["of the probe batch", note(groups, len(found), _MOST_LINES)]
    small_print(figure, "; ".join(filter(None, notes)))
    return figure


def _pairs(
    found: Sequence[tuple[Group, npt.NDArray]], measure: str, groups: Sequence[Group], look: Look
) -> Figure:
    """A panel for each group with two lines."""
    shown = found[:MOST_PANELS]
    figure, panels = empty_panels(len(shown), look)
    everything = []
    for panel, (group, rows) in zip(panels, shown, strict=True):
        styles = line_styles(len(_PAIRS[measure]), look)
        for (name, label), style in zip(_PAIRS[measure], styles, strict=True):
            values = _terms(rows)[name] if name in ("first", "second") else rows[name]
            everything.append(values)
            panel.plot(rows["epoch"], values, label=label, **style | {"lw": 1.2})
        _epochs(panel)
        if len(shown) > 1:
            panel.set_title(title_of_panel(group), fontsize=LABEL_SIZE)
    _scale(panels[0], np.concatenate(everything), look)
    panels[0].set_ylabel("change of objective", fontsize=LABEL_SIZE)
    legend_beside(figure, panels[0], "", look)
    says = {
        "ill_conditioning": "where the second term is larger a step along the gradient g goes up",
        "gains": "of a step along the gradient on the probe batch; predicted by a parabola",
    }
    small_print(figure, "; ".join(filter(None, [says[measure], note(groups, len(found))])))
    return figure


def _epochs(panel: Axes) -> None:
    """The horizontal axis: whole epochs, after which evaluations are."""
    from matplotlib.ticker import MaxNLocator

    panel.set_xlabel("epochs", fontsize=LABEL_SIZE)
    panel.xaxis.set_major_locator(MaxNLocator("auto", integer=True))


def _terms(rows: npt.NDArray) -> dict[str, npt.NDArray]:
    """The two terms of the change that is predicted for a step along the gradient."""
    rate = rows["line_steps"][:, rows["line_steps"].shape[1] // 2]
    first = rate * rows["gradient_square"]
    return {"first": first, "second": rate**2 * rows["gradient_curvature"] / 2}


def _limits(panel: Axes, tables: Sequence[npt.NDArray]) -> list[str]:
    """Draw the limits of the sharpness, each once."""
    limits = {float(limit) for rows in tables for limit in rows["sharpness_limit"]}
    known = sorted(limit for limit in limits if np.isfinite(limit))
    for limit in known:
        panel.axhline(limit, ls="--", label="_child", **_BLACK)
    return ["dashed: the limit of stability on a quadratic"] * bool(known)


def _scale(panel: Axes, values: npt.NDArray, look: Look, *, is_share: bool = False) -> None:
    """The vertical axis: logarithmic for positive values over a wide range."""
    known = values[np.isfinite(values)]
    if look.yscale != "auto":
        panel.set_yscale(look.yscale)
    elif len(known) and not is_share and known.min() > 0 and known.max() > _SPAN * known.min():
        panel.set_yscale("log")
    elif len(known) and known.min() < 0 and np.abs(known).max() > _SPAN**2 * np.median(abs(known)):
        panel.set_yscale("symlog", linthresh=float(np.median(abs(known))) or 1.0)
    if is_share:
        number_ticks(panel, is_percentage=True)
