"""Means of a step measure over a fixed number of examples, the same for every batch size.

A loss that is measured on each step's batch is noisy, the more so the smaller the batch. Its first
crossing of a target, and its least value, are early and low by luck, and more so for small batches,
unless all are averaged over equally many examples. So each value is the mean over the steps that
take `EXAMPLES` examples (one epoch, if it has fewer), and it is counted at the middle of them: at
their end the times would be late by half of the window, which is many steps of a small batch.

Measured with SGD on the digits (20 seeds, batches of 4 to 256, targets from 0.2 to 1.5): the times
are within 8 % of those of the mean over seeds, but 13 % late with batches of 4 at the target 1.5,
which takes a hundred steps. With a window of 2 % of the points, batches of 4 reached 0.2 too early
by 22 %.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from runner.compare.curve import position, rows_of
from runner.compare.runs import Run
from runner.compare.surface_paths import surface_of
from runner.measures import STEP_MEASURES, is_minimized

EXAMPLES = 1000
"""The number of examples of which losses and errors of steps are means."""


def basis(measure: str) -> str:
    """What a value of a measure is, in words: a mean over examples, or an evaluation."""
    if measure in STEP_MEASURES and is_minimized(measure):
        return f"mean over {EXAMPLES:,} examples, or an epoch if it is shorter"
    return "at evaluations" if measure not in STEP_MEASURES else ""


def example_means(run: Run, measure: str) -> tuple[npt.NDArray, npt.NDArray]:
    """Average a measure of every step over a fixed number of examples.

    Args:
        run: the run.
        measure: the name of the measure. One of evaluations, or one that is no loss or error, is
            not averaged; nor are losses on a surface, which are exact.

    Returns:
        The rows at the middle of each window [n] (see `runner.compare.curve.rows_of`) and the means
        [n]. Values that are not finite are left out before.
    """
    rows = rows_of(run, measure)
    rows = rows[np.isfinite(rows[measure])]
    values = np.asarray(rows[measure], float)
    averaged = measure in STEP_MEASURES and is_minimized(measure) and surface_of(run) is None
    if not averaged or len(rows) < 2:
        return rows, values
    seen = position(run, rows, "examples")
    window = min(EXAMPLES, float(run.summary["train_examples"]))
    # The examples of the last step are not recorded: as many as those of the step before.
    ends = np.append(seen[1:], 2 * seen[-1] - seen[-2])
    # Whole steps, rounded; a batch that is larger than the window is one step.
    first = np.arange(len(rows))
    last = np.maximum(np.searchsorted(ends, seen + window - (ends - seen) / 2), first)
    inside = last < len(rows)
    inside[0] = True  # all steps, where they take fewer examples than a window
    first, last = first[inside], np.minimum(last[inside], len(rows) - 1)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    means = (sums[last + 1] - sums[first]) / (last + 1 - first)
    return rows[(first + last + 1) // 2], means
