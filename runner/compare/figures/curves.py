"""Figures of a comparison: curves, a final value against a number, or a heat map of two.

Made for the column of a paper: 7 inches wide, labels of 8 points, colours that people who do not
tell red from green can tell apart (Okabe & Ito 2008; for numbers the scale `viridis`). Behind every
smoothed line its raw values lie faint; what has diverged is marked where it ended.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runner.compare.curve import band, curve, rows_of, smoothed, thinned
from runner.compare.grouping import Group, is_number
from runner.compare.reading import read
from runner.compare.runs import Run
from runner.measures import STEP_MEASURES
from runner.status import Status

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
STYLES = ("-", "--", ":", "-.")
FEW_LINES, MOST_LINES = 6, 12
MOST_TICKS = 8
RAW_POINTS = 100
"""Curves of more points are smoothed, with raw ones behind them."""
MEANS = {False: "mean", True: "geometric mean"}
"""What is drawn on a linear and on a logarithmic axis."""
AXIS_LABELS = {
    "iteration": "iterations",
    "epoch": "epochs",
    "examples": "examples seen",
    "seconds": "seconds",
}


def curves_figure(groups: Sequence[Group], measure: str, axes: Sequence[str]) -> Figure:
    """A panel for each axis, a line for each group."""
    return _curves(groups, [(measure, axis) for axis in axes])


def generalization_figure(groups: Sequence[Group], measure: str) -> Figure:
    """A panel for training and one for validation, by epoch, each on its own scale."""
    kind = "error" if measure.endswith("error") else "loss"
    return _curves(groups, [(f"{split}_{kind}", "epoch") for split in ("train", "validation")])


def _curves(groups: Sequence[Group], drawn: Sequence[tuple[str, str]]) -> Figure:
    """A panel for each measure and axis, a line for each group; one scale for one measure."""
    first = drawn[0][0]
    alike = all(measure == first for measure, _ in drawn)
    figure, panels = empty_panels(len(drawn), sharey=alike)
    is_log = _is_loss(first) and not any(_any_negative(groups, measure) for measure, _ in drawn)
    for panel, (measure, axis) in zip(panels, drawn, strict=True):
        if is_log:
            panel.set_yscale("log")
        for group, style in zip(groups, _styles(groups), strict=True):
            _line(panel, group, measure, axis, style, raw=len(groups) <= FEW_LINES)
        panel.set_xlabel(AXIS_LABELS[axis], fontsize=8)
        if axis in ("iteration", "examples"):
            if measure in STEP_MEASURES or _of_very_different_lengths(groups):
                panel.set_xscale("symlog", linthresh=1.0, linscale=0.3, subs=range(2, 10))
        elif axis == "seconds":
            panel.set_xscale("log")
        if panel is panels[0] or not alike:
            panel.set_ylabel(measure.replace("_", " "), fontsize=8)
    for panel in panels[: 1 if alike else None]:
        _fit(panel)
    small_print(figure, _explained(groups, first, is_log))
    legend_beside(figure, panels[0], ", ".join(groups[0].settings))
    return figure


def sweep_figure(groups: Sequence[Group], measure: str) -> Figure:
    """The figure that suits what was swept.

    Curves by iteration and by epoch where they are few; a heat map for two numbers; where a number
    has many values the final measure against it; else the first curves.
    """
    keys = list(groups[0].settings)
    numeric = [key for key in keys if all(is_number(group.settings[key]) for group in groups)]
    if len(numeric) == 2 == len(keys) and all(_many(groups, key) for key in keys):
        return heat_map(groups, measure, keys[0], keys[1])
    if numeric and len(groups) > FEW_LINES and _many(groups, numeric[0]):
        return final_figure(groups, measure, numeric[0])
    return curves_figure(groups[:MOST_LINES], _per_step(measure), ("iteration", "epoch"))


def final_figure(groups: Sequence[Group], measure: str, key: str) -> Figure:
    """The final value against a number, a line for each combination of the other settings."""
    figure, (panel,) = empty_panels(1)
    is_log = _is_loss(measure) and not _any_negative(groups, measure)
    lines: dict[str, list[Group]] = {}
    for group in groups:
        others = [str(value) for name, value in group.settings.items() if name != key]
        lines.setdefault(", ".join(others), []).append(group)
    for (label, members), colour in zip(lines.items(), line_styles(len(lines)), strict=True):
        xs, means = [], []
        for group in members:
            x = float(group.settings[key])
            finals = [read(run, measure).final for run in group.runs]
            known = [value for value in finals if math.isfinite(value)]
            panel.plot([x] * len(known), known, ".", ms=3, alpha=0.4, color=colour["color"])
            if len(known) < len(finals):
                top = panel.get_xaxis_transform()
                panel.plot([x], [0.97], "x", ms=5, transform=top, color=colour["color"])
            if known:
                xs.append(x)
                means.append(_mean(known, is_log))
        panel.plot(xs, means, marker="o", ms=3, lw=1.2, label=label or None, **colour)
    if all(float(group.settings[key]) > 0 for group in groups):
        panel.set_xscale("log")
    places = sorted({float(group.settings[key]) for group in groups})
    if len(places) <= MOST_TICKS:
        panel.set_xticks(places, [f"{place:g}" for place in places])
        panel.minorticks_off()
    if is_log:
        panel.set_yscale("log")
    panel.set_xlabel(key, fontsize=8)
    panel.set_ylabel(f"final {measure.replace('_', ' ')}", fontsize=8)
    if len(lines) > 1:
        legend_beside(figure, panel, ", ".join(name for name in groups[0].settings if name != key))
    small_print(figure, f"points: runs; line: their {MEANS[is_log]}; x: a run that diverged")
    return figure


def heat_map(groups: Sequence[Group], measure: str, across: str, up: str) -> Figure:
    """The median final value for two numbers; a cross where all runs diverged."""
    xs = sorted({float(group.settings[across]) for group in groups})
    ys = sorted({float(group.settings[up]) for group in groups})
    values = np.full((len(ys), len(xs)), math.nan)
    for group in groups:
        finals = [read(run, measure).final for run in group.runs]
        place = ys.index(float(group.settings[up])), xs.index(float(group.settings[across]))
        values[place] = float(np.median(finals)) if finals else math.nan
    figure, (panel,) = empty_panels(1)
    shown = np.where(np.isfinite(values), values, math.nan)
    image = panel.imshow(shown, origin="lower", aspect="auto", cmap="viridis_r")
    panel.set_xticks(range(len(xs)), [f"{x:g}" for x in xs], fontsize=7)
    panel.set_yticks(range(len(ys)), [f"{y:g}" for y in ys], fontsize=7)
    panel.set_xlabel(across, fontsize=8)
    panel.set_ylabel(up, fontsize=8)
    for row, column in zip(*np.nonzero(np.isinf(values)), strict=True):
        panel.text(column, row, "x", ha="center", va="center", fontsize=8)
    panel.grid(False)
    bar = figure.colorbar(image, ax=panel)
    bar.set_label(f"final {measure.replace('_', ' ')} (x: diverged)", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def save(figure: Figure, file: Path) -> None:
    """Write a figure in the format of the file's name.

    Raises:
        OSError: the file cannot be written.
    """
    figure.savefig(file, dpi=200)


def small_print(figure: Figure, text: str) -> None:
    """Say below the panels what is drawn, so that nobody has to guess what a band is."""
    figure.supxlabel(text, x=0.01, ha="left", fontsize=6, color="0.35")


def _explained(groups: Sequence[Group], measure: str, is_log: bool) -> str:
    """What the lines and bands of curves are."""
    ends = [[run.status for run in group.runs if _has(run, measure)] for group in groups]
    counts = sorted({sum(end != Status.DIVERGED for end in own) for own in ends} - {0})
    parts = []
    if counts and counts[-1] > 1:
        seeds = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
        parts.append(f"{MEANS[is_log]} of {seeds} seeds")
        parts += ["band: 95 % interval of the mean"] if counts[-1] > 2 else []
        parts += ["band of 2 seeds: from one to the other"] if 2 in counts else []
    if max(len(rows_of(run, measure)) for group in groups for run in group.runs) > RAW_POINTS:
        parts.append("smoothed over 2 % of the points")
        parts += ["faint: one run, raw"] if len(groups) <= FEW_LINES else []
    if any(Status.DIVERGED in own for own in ends):
        parts.append("x: diverged")
    return "; ".join(parts)


def _line(
    panel: Axes, group: Group, measure: str, axis: str, style: dict[str, Any], raw: bool
) -> None:
    """A group: the mean over seeds with its band, one run's raw values faint behind it.

    What diverged is drawn by itself, with a cross at the top where it ended.
    """
    lines = [curve(run, measure, axis) for run in group.runs]
    noisy = next((line for line in lines if raw and len(line.x) > RAW_POINTS), None)
    if noisy is not None:
        panel.plot(*thinned(noisy.x, noisy.y), lw=0.4, alpha=0.2, color=style["color"], zorder=0.5)
    for line in lines:
        if line.diverged is not None and len(line.y):
            drawn = thinned(line.x, smoothed(line.y, narrow_start=True))
            panel.plot(*drawn, lw=1, zorder=0.8, **style)
            cross = {"color": style["color"], "transform": panel.get_xaxis_transform()}
            panel.plot(line.diverged, 0.97, "x", ms=6, zorder=1, **cross)
    mean = band(lines, log=panel.get_yscale() == "log")
    if mean is None:
        why = "diverged" if any(line.diverged is not None for line in lines) else "no values"
        panel.plot([], [], lw=1.3, label=f"{group.label} ({why})", **style)
        return
    panel.plot(mean.x, mean.mean, lw=1.3, label=group.label, **style)
    if mean.low is not None and mean.high is not None:
        panel.fill_between(mean.x, mean.low, mean.high, alpha=0.2, lw=0, color=style["color"])


def legend_beside(figure: Figure, panel: Axes, title: str) -> None:
    """The panel's legend beside all panels, where it hides nothing."""
    figure.legend(
        *panel.get_legend_handles_labels(),
        title=title or None,
        loc="outside right upper",
        fontsize=7,
        title_fontsize=7,
        frameon=False,
    )


def _fit(panel: Axes) -> None:
    """Let the smoothed lines fill the panel; the noise behind them may be cut off."""
    drawn = [line for line in panel.get_lines() if line.get_zorder() > 1]
    values = np.concatenate([np.zeros(0), *(np.asarray(x.get_ydata(), float) for x in drawn)])
    is_log = panel.get_yscale() == "log"
    values = values[np.isfinite(values) & ((values > 0) | (not is_log))]
    if len(values) and values.min() < values.max():
        low, high = values.min(), values.max()
        if is_log:
            room = (high / low) ** 0.08
            panel.set_ylim(low / room, high * room)
        else:
            panel.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))


def empty_panels(count: int, sharey: bool = True) -> tuple[Figure, list[Axes]]:
    """A figure of the width of a column, or of a page, with so many panels side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7 if count > 1 else 4.5, 2.8), layout="constrained")
    panels = figure.subplots(1, count, sharey=sharey, squeeze=False)[0].tolist()
    for panel in panels:
        panel.tick_params(which="both", labelsize=7)
        panel.grid(alpha=0.25, lw=0.5)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, panels


def _styles(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """A colour for each group: of a scale if a number tells them apart, else of the palette."""
    numbers = [list(group.settings.values()) for group in groups]
    if len(groups) > 2 and all(
        len(n) == 1 and (is_number(n[0]) or n[0] == "full") for n in numbers
    ):
        from matplotlib import colormaps

        scale = colormaps["viridis"]
        return [{"color": scale(0.92 * i / (len(groups) - 1))} for i in range(len(groups))]
    return line_styles(len(groups))


def line_styles(count: int) -> list[dict[str, Any]]:
    """Colours of the palette, and when they are used up the same with other dashes."""
    return [
        {"color": OKABE_ITO[i % len(OKABE_ITO)], "ls": STYLES[i // len(OKABE_ITO) % len(STYLES)]}
        for i in range(count)
    ]


def _many(groups: Sequence[Group], key: str) -> bool:
    return len({group.settings[key] for group in groups}) > 2


def _of_very_different_lengths(groups: Sequence[Group]) -> bool:
    """Whether one run has ten times as many steps as another, so that a linear axis hides it."""
    lengths = [run.summary.get("total_steps", 0) for group in groups for run in group.runs]
    return max(lengths) > 10 * min(lengths)


def _is_loss(measure: str) -> bool:
    return measure.endswith(("loss", "norm"))


def _mean(values: Sequence[float], is_log: bool) -> float:
    if is_log and min(values) > 0:
        return math.exp(np.log(values).mean())
    return float(np.mean(values))


def _any_negative(groups: Sequence[Group], measure: str) -> bool:
    """Losses of a problem may be."""
    runs = (run for group in groups for run in group.runs)
    return any((rows_of(run, measure)[measure] < 0).any() for run in runs)


def _has(run: Run, measure: str) -> bool:
    return bool(np.isfinite(rows_of(run, measure)[measure]).any())


def _per_step(measure: str) -> str:
    """What is drawn as curves for a measure of epochs: the training loss of every step."""
    return "train_loss" if measure.startswith("validation") else measure
