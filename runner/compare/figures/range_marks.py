"""The marks of learning-rate range tests, in figures of curves against the learning rate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from runner.compare.grouping import Group
from runner.compare.range_test import of_group

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MARKS = (
    "triangle: the loss is halfway back from its least value to its start; dot: a tenth of that "
    "rate, which is suggested"
)
"""What the marks mean, for the note below a figure."""


def draw_marks(
    panel: Axes, group: Group, x: npt.NDArray, y: npt.NDArray, style: dict[str, Any]
) -> None:
    """Mark on the line of a group the rate that is suggested and that at which the loss diverges.

    Args:
        panel: the panel, of the training loss against the learning rate.
        group: a group of range tests.
        x: the rates of its line [n], ascending.
        y: its losses [n].
        style: how the line is drawn.
    """
    found = of_group(group)
    for rate, marker, size in ((found.rate, "o", 6), (found.diverges, "^", 5)):
        if math.isnan(rate) or not len(x):
            continue
        at = float(np.interp(math.log(rate), np.log(x), y))
        label = f"_{'suggested' if marker == 'o' else 'diverges'}: {group.label}"
        look = {"ms": size, "color": style["color"], "mec": "white", "zorder": 3, "label": label}
        panel.plot([rate], [at], marker, **look)
