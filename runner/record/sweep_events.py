"""The event file of a sweep: its figure, for TensorBoard."""

from __future__ import annotations

from pathlib import Path

from runner import files
from runner.record.dashboards import picture
from runner.record.events import EventFile


def show_in_tensorboard(file: Path) -> None:
    """Put a picture under TensorBoard's IMAGES, instead of an earlier one of its folder.

    Raises:
        OSError: its event file cannot be written.
    """
    for earlier in file.parent.glob(f"{files.EVENTS}*{files.SWEEP_EVENTS_ENDING}"):
        earlier.unlink()
    events = EventFile(file.parent, files.SWEEP_EVENTS_ENDING)
    events.summaries(picture(file.stem, file.read_bytes()))
    events.flush()
