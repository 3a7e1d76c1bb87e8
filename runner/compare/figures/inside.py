"""What figures of diagnostics share: which runs they show, and of which names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from runner.compare.figures.style import COLUMN, LABEL_SIZE, TICK_SIZE, readable
from runner.compare.grouping import Group, is_number
from runner.compare.look import Look
from runner.errors import ConfigError
from runner.options.parameters import KERNEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS = 4
MOST_EVALUATIONS = 100
_ROW, _AROUND, _WIDTH = 0.19, 1.3, 2.6
"""Room in inches: for a layer, around all of them, and for a panel."""


class Inside(NamedTuple):
    """A table of the diagnostics of one run.

    Attributes:
        label: of the group of the run.
        epochs: shape `(evaluations,)`; of many evaluations some, with the first and the last.
        names: of the layers, in their order.
        rows: shape `(evaluations, layers)`, with the columns of the table.
    """

    label: str
    epochs: npt.NDArray
    names: list[str]
    rows: npt.NDArray


def shown(
    groups: Sequence[Group], table: str, kind: str, needs: str = "diagnostics=layers"
) -> tuple[list[Inside], str]:
    """The first run of each of the first groups, and a note that says so.

    Of parameters only the kernels are shown.

    Args:
        groups: the groups.
        table: the name of the table.
        kind: the name of the figure, for the error.
        needs: what a run needs to have the table, for the error.

    Raises:
        ConfigError: no run has the table.
    """
    found = measured(groups, table, kind, needs)
    inside = [_of(title_of_panel(group), rows) for group, rows in found[:MOST_PANELS]]
    return inside, note(groups, len(found))


def measured(
    groups: Sequence[Group], table: str, kind: str, needs: str
) -> list[tuple[Group, npt.NDArray]]:
    """The groups with a table of a diagnostic, each with the rows of its first run that has it.

    Args:
        groups: the groups.
        table: the name of the table.
        kind: the name of the figure, for the error.
        needs: what a run needs to have the table, for the error.

    Raises:
        ConfigError: no run has the table.
    """
    found = []
    for group in groups:
        tables = (run.diagnostics(table) for run in sorted(group.runs, key=lambda run: run.seed))
        rows = next(filter(len, tables), None)
        if rows is not None:
            found.append((group, rows))
    if not found:
        raise ConfigError(f"the figure {kind} needs runs with {needs}; there is none")
    return found


def title_of_panel(group: Group) -> str:
    """The label of a group, after the name of its setting if it is a single number."""
    match list(group.settings.items()):
        case [(key, value)] if is_number(value):
            return f"{readable(key)} {group.label}"
    return group.label


def note(groups: Sequence[Group], found: int = 0, most: int = MOST_PANELS) -> str:
    """What is left out of a figure, in words.

    Args:
        groups: the groups.
        found: how many of them could be shown.
        most: how many are shown at most.
    """
    notes = ["the run with the least seed"] * any(len(group.runs) > 1 for group in groups)
    notes += [f"the first {most} of {found} groups"] * (found > most)
    return "; ".join(notes)


def _of(label: str, rows: npt.NDArray) -> Inside:
    kernels = np.char.endswith(rows["name"], KERNEL)
    rows = rows[kernels] if kernels.any() else rows
    count = np.count_nonzero(rows["step"] == rows["step"][0])
    rows = rows[: len(rows) // count * count].reshape(-1, count)
    evenly = np.linspace(0, len(rows) - 1, min(len(rows), MOST_EVALUATIONS)).astype(int)
    rows = rows[evenly]
    return Inside(label, rows["epoch"][:, 0], _shortened(rows["name"][0].tolist()), rows)


def _shortened(names: Sequence[str]) -> list[str]:
    """The first part of each name, with the rest only where it is needed: `hidden 1`."""
    first = [name.partition("/")[0] for name in names]
    whole = [name.removesuffix(f"/{KERNEL}") for name in names]
    chosen = [a if first.count(a) == 1 else b for a, b in zip(first, whole, strict=True)]
    return [name.replace("_", " ").replace("/", ": ") for name in chosen]


def name_layers(panels: Sequence[Axes], runs: Sequence[Inside], places: Sequence[int]) -> None:
    """Write the names of the layers beside panels, once if they are the same in all.

    Args:
        panels: side by side, or below each other.
        runs: what each shows.
        places: where each layer is; there may be more.
    """
    is_row = len({panel.get_position().y0 for panel in panels}) == 1
    for panel, run in zip(panels, runs, strict=True):
        panel.set_yticks(list(places[: len(run.names)]), run.names, fontsize=TICK_SIZE)
        if is_row and panel is not panels[0] and run.names == runs[0].names:
            for tick in panel.yaxis.get_major_ticks():
                tick.set_visible(False)
                tick.label1.set_in_layout(False)


def panels_of_layers(runs: Sequence[Inside], look: Look) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each run, titled, high enough for its layers.

    Args:
        runs: the runs.
        look: the style and, unless it is empty, the size.
    """
    height = _AROUND + _ROW * max(len(run.names) for run in runs)
    return panels_for([run.label for run in runs], look, height)


def panels_for(labels: Sequence[str], look: Look, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each run: side by side on screen, below each other for a paper.

    Args:
        labels: of the runs; the titles where there are several.
        look: the style and, unless it is empty, the size.
        height: of the panels and what is around them, in inches.
    """
    from matplotlib.figure import Figure

    count = len(labels)
    usual = (COLUMN, height * count) if look.is_paper else (max(4.5, 1 + _WIDTH * count), height)
    wide, high = look.size or usual
    figure = Figure(figsize=(wide, high), layout="constrained")
    shape = (count, 1) if look.is_paper else (1, count)
    panels = figure.subplots(*shape, squeeze=False).ravel().tolist()
    for panel, label in zip(panels, labels, strict=True):
        panel.tick_params(which="both", labelsize=TICK_SIZE)
        if count > 1:
            panel.set_title(label, fontsize=LABEL_SIZE)
    return figure, panels
