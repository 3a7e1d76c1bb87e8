"""What TensorBoard shows of diagnostics: a scalar for each measure and name, and histograms.

A tag is `TABLE MEASURE/NUMBER_NAME`: `layers dead/02_hidden_2`. TensorBoard puts the tags before
the slash together, and the number keeps the layers in their order, which `hidden_10` would not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from tensorboard.compat.proto.summary_pb2 import Summary

from runner.record.dashboards import histogram
from runner.record.events import EventFile

HISTOGRAM, LOW, HIGH = "_histogram", "_low", "_high"
"""The endings of the columns that a histogram consists of: counts, where its bins start and end."""


def write_table(
    events: EventFile,
    table: str,
    rows: npt.NDArray,
    wall_times: Callable[[npt.NDArray], npt.NDArray],
    axis: str = "epoch",
) -> None:
    """Write what was measured at some evaluations. What is not finite has no point.

    Args:
        events: the event file.
        table: the name of the table.
        rows: a row for each evaluation and name (see `runner.engine.tables.named_rows`).
        wall_times: when a number of steps was taken.
        axis: the column that TensorBoard shows the table against.
    """
    if not len(rows):
        return
    names = rows["name"][: np.count_nonzero(rows["step"] == rows["step"][0])].tolist()
    digits = len(str(len(names)))
    by_evaluation = rows.reshape(-1, len(names))
    times = wall_times(by_evaluation["step"][:, 0])
    for row, time in zip(by_evaluation, times, strict=True):
        values = {}
        for measure in scalar_measures(rows.dtype):
            for number, (name, value) in enumerate(zip(names, row[measure], strict=True), 1):
                if np.isfinite(value):
                    values[f"{table} {measure}/{number:0{digits}}_{name}"] = value
        at = row[axis][:1]
        events.scalars(list(values), at, time[None], np.array([[*values.values()]]))
        events.at_step(int(at[0]), float(time), *_histograms(table, row, digits))


def scalar_measures(dtype: np.dtype) -> list[str]:
    """The columns of a table that are a curve: numbers that are no end of a histogram."""
    return [
        name
        for name in dtype.names or ()
        if name not in ("epoch", "step", "name")
        and not dtype[name].shape
        and not name.endswith((LOW, HIGH))
    ]


def histogram_measures(dtype: np.dtype) -> list[str]:
    """What a table has histograms of, without the ending of its columns."""
    names = dtype.names or ()
    return [name.removesuffix(HISTOGRAM) for name in names if name.endswith(HISTOGRAM)]


def _histograms(table: str, row: npt.NDArray, digits: int) -> list[Summary.Value]:
    """The histograms of one evaluation."""
    return [
        histogram(
            f"{table} {measure}/{number:0{digits}}_{of['name']}",
            float(of[measure + LOW]),
            float(of[measure + HIGH]),
            of[measure + HISTOGRAM],
        )
        for measure in histogram_measures(row.dtype)
        for number, of in enumerate(row, 1)
        if np.isfinite(of[measure + LOW]) and np.isfinite(of[measure + HIGH])
    ]
