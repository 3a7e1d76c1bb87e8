"""TensorBoard's event files, written in batches.

An event file is a sequence of records (see `runner.record.scalars`), each an `Event`, a protocol
buffer. TensorBoard's own writer makes them one by one; here a whole chunk is written at once, so
that what a reader (or kill -9) finds ends after a whole record.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy.typing as npt
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from runner.record.scalars import record, scalar_records

_numbers = count()


class EventFile:
    """One event file of a run."""

    def __init__(self, directory: Path) -> None:
        now = time.time()
        name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}"
        self._file = (directory / f"{name}.{next(_numbers)}").open("wb")
        self._write(Event(wall_time=now, file_version="brain.Event:2"))

    def scalars(
        self, tags: Sequence[str], steps: npt.NDArray, wall_times: npt.NDArray, values: npt.NDArray
    ) -> None:
        """Write one event a row: its step, its wall time and a value for each tag."""
        self._file.write(scalar_records(tags, steps, wall_times, values))
        self._file.flush()

    def hyperparameters(self, settings: Mapping[str, Any], started: float) -> None:
        """Tell the HPARAMS tab with which settings the run was started.

        Numbers and booleans keep their type; everything else is shown as text.
        """
        from tensorboard.plugins.hparams.plugin_data_pb2 import SessionStartInfo

        session = SessionStartInfo(start_time_secs=started)
        for key, setting in settings.items():
            if isinstance(setting, bool):
                session.hparams[key].bool_value = setting
            elif isinstance(setting, int | float):
                session.hparams[key].number_value = setting
            else:
                session.hparams[key].string_value = str(setting)
        self._hparams("_hparams_/session_start_info", session_start_info=session)

    def end_of_session(self, succeeded: bool, ended: float) -> None:
        """Tell the HPARAMS tab how the run ended."""
        from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
        from tensorboard.plugins.hparams.plugin_data_pb2 import SessionEndInfo

        status = STATUS_SUCCESS if succeeded else STATUS_FAILURE
        session = SessionEndInfo(status=status, end_time_secs=ended)
        self._hparams("_hparams_/session_end_info", session_end_info=session)

    def close(self) -> None:
        """Close the file; nothing is pending."""
        self._file.close()

    def _hparams(self, tag: str, **content: Any) -> None:
        from tensorboard.plugins.hparams import metadata
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

        value = Summary.Value(
            tag=tag,
            tensor=metadata.NULL_TENSOR,
            metadata=metadata.create_summary_metadata(HParamsPluginData(**content)),
        )
        self._write(Event(wall_time=time.time(), summary=Summary(value=[value])))

    def _write(self, event: Event) -> None:
        self._file.write(record(event.SerializeToString()))
        self._file.flush()
