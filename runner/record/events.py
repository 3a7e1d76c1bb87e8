"""TensorBoard's event files, written in batches.

An event file is a sequence of records (see `runner.record.scalars`); each holds an `Event`, a
protocol buffer. TensorBoard's own writer writes them one by one; here the records of a whole chunk
are written at once, so that a file always ends after a whole record, also after kill -9.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from io import FileIO
from itertools import count
from pathlib import Path

import numpy.typing as npt
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from runner import files
from runner.record.scalars import record, scalar_records
from runner.whole_files import open_no_link, write_all

_numbers = count()


class EventFile:
    """An event file. It is open only in `flush`, which writes what was added.

    Args:
        directory: where the file is made; to TensorBoard it is a run.
        ending: the end of the file's name.
    """

    def __init__(self, directory: Path, ending: str = "") -> None:
        now = time.time()
        name = f"{files.EVENTS}{int(now):010d}.{socket.gethostname()}.{os.getpid()}"
        self._path = directory / f"{name}.{next(_numbers)}{ending}"
        self._pending = [_record_of(Event(wall_time=now, file_version="brain.Event:2"))]

    def scalars(
        self, tags: Sequence[str], steps: npt.NDArray, wall_times: npt.NDArray, values: npt.NDArray
    ) -> None:
        """Add an event for each row.

        Args:
            tags: a name for each column of `values`.
            steps: shape `(rows,)`.
            wall_times: shape `(rows,)`, in seconds since 1970.
            values: shape `(rows, tags)`.
        """
        self._pending.append(scalar_records(tags, steps, wall_times, values))

    def summaries(self, *values: Summary.Value) -> None:
        """Add what is no scalar; see `runner.record.dashboards`."""
        event = Event(wall_time=time.time(), summary=Summary(value=values))
        self._pending.append(_record_of(event))

    def at_step(self, step: int, wall_time: float, *values: Summary.Value) -> None:
        """Add what is no scalar and belongs to a step.

        Args:
            step: what TensorBoard calls the step.
            wall_time: in seconds since 1970.
            *values: see `runner.record.dashboards`.
        """
        event = Event(wall_time=wall_time, step=step, summary=Summary(value=values))
        self._pending.append(_record_of(event))

    def flush(self) -> None:
        """Write what was added since the last time."""
        records = b"".join(self._pending)
        self._pending.clear()
        with FileIO(self._path, "a", opener=open_no_link) as file:
            write_all(file, records)


def _record_of(event: Event) -> bytes:
    return record(event.SerializeToString())
