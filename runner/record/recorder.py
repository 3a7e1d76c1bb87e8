"""The recorder of one run: hands every chunk to the curves, the event file and the summary.

What goes where: the run's own files hold every step. The event file holds at most
`POINTS_PER_TAG` of them, evenly spaced and as they were measured (the noise of small batches is
what one wants to see, so nothing is averaged): TensorBoard shows a thousand points of a curve
whatever it was given, and needs seconds to load a million.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runner import files
from runner.config.keys import hyperparameters
from runner.engine.chunk import EPOCH_DTYPE, PATH_DTYPE, STEP_DTYPE, Chunk
from runner.errors import RecordError
from runner.measures import EPOCH_MEASURES, METRIC, STEP_MEASURES
from runner.record.curves import CurveFile
from runner.record.dashboards import layout, session_end, session_start
from runner.record.events import EventFile
from runner.record.summary import final_and_best, timestamp, versions, write_summary
from runner.status import Status

POINTS_PER_TAG = 2000

BEST_MEASURES = (METRIC, "validation_loss")
"""Their least values so far are curves too, for HPARAMS: it knows the last value of a curve only,
and shows the first five by name."""


class Recorder:
    """Writes one run's directory.

    Args:
        directory: where the record goes; it is created.
        config: the resolved config.
        seed: the run's seed.
        train_examples: how many examples an epoch has.
        total_steps: the planned number of steps.
        total_epochs: the planned number of epochs.
        device: what the run is computed on, in words.
        lanes: how many runs are computed side by side.
        batch_size: how many examples the first step takes; None: as the config says.
        clips: whether gradients may be clipped, and how often that happened is of interest.
        error_is_a_rate: whether errors are fractions of examples (else distances).

    Raises:
        RecordError: here and in every method, if the disk does not take what is written. What was
            written before stays readable.
    """

    def __init__(
        self,
        directory: Path,
        *,
        config: Mapping[str, Any],
        seed: int,
        train_examples: int,
        total_steps: int,
        total_epochs: float,
        device: str,
        lanes: int = 1,
        batch_size: int | None = None,
        clips: bool = False,
        error_is_a_rate: bool = True,
    ) -> None:
        self.diverged_at: int | None = None
        self._directory = directory
        self._total_steps = total_steps
        self._total_epochs = total_epochs
        self._tags = [name for name in STEP_MEASURES if clips or name != "clipped"]
        self._clips, self._clipped_steps = clips, 0
        self._steps = 0
        self._epochs = 0.0
        self._seconds = 0.0
        self._best: dict[str, float] = {}
        self._epoch_rows: list[npt.NDArray] = [np.zeros(0, EPOCH_DTYPE)]
        self._facts = {
            "seed": seed,
            "device": device,
            "lanes": lanes,
            "train_examples": train_examples,
            "total_steps": total_steps,
            "total_epochs": total_epochs,
            "error": "0-1 error" if error_is_a_rate else "distance from the nearest minimum",
            "started": timestamp(time.time()),
            "versions": versions(),
            "config": config,
        }
        with self._writing():
            directory.mkdir(parents=True, exist_ok=True)
            _discard_earlier(directory)
            self._path: CurveFile | None = None
            self._step_curve = CurveFile(directory / files.STEPS, STEP_DTYPE)
            self._epoch_curve = CurveFile(directory / files.EPOCHS, EPOCH_DTYPE)
            self._events = EventFile(directory)
            settings = hyperparameters(config, batch_size)
            self._events.summaries(session_start(directory.name, settings, time.time()), layout())
            write_summary(directory, {"status": Status.RUNNING, **self._facts})

    def write(self, chunk: Chunk) -> None:
        """Record a chunk."""
        steps, epochs = chunk.steps, chunk.epochs
        first, count = int(steps["step"][0]), len(steps)
        elapsed = chunk.ended - chunk.begun
        done = {"step": (np.arange(count) + 1) / count, "epoch": (epochs["step"] - first) / count}
        steps["seconds"] = self._seconds + chunk.share * elapsed * done["step"]
        epochs["seconds"] = self._seconds + chunk.share * elapsed * done["epoch"]
        self._steps += count
        self._epochs = chunk.epochs_taken
        self._clipped_steps += int(steps["clipped"].sum())
        self._seconds += chunk.share * elapsed
        self._epoch_rows.append(epochs)
        bad = np.flatnonzero(~np.isfinite(steps["train_loss"]))
        if len(bad) and self.diverged_at is None:
            self.diverged_at = int(steps["step"][bad[0]])
        with self._writing():
            self._step_curve.append(steps)
            self._epoch_curve.append(epochs)
            self._write_path(chunk.path)
            self._write_step_events(steps, chunk.begun + elapsed * done["step"])
            self._write_epoch_events(epochs, chunk.begun + elapsed * done["epoch"])

    def close(
        self,
        status: Status,
        *,
        reason: str | None = None,
        compile_seconds: float = 0.0,
    ) -> dict[str, Any]:
        """Finish the record and return the summary.

        Args:
            status: `finished`, `diverged`, `interrupted` or `failed`.
            reason: why it failed.
            compile_seconds: how long compiling took, outside the run's own time.
        """
        summary = {
            "status": status,
            "reason": reason,
            "diverged_at": self.diverged_at,
            **final_and_best(np.concatenate(self._epoch_rows)),
            "steps": self._steps,
            "epochs": self._epochs,
            "seconds": self._seconds,
            "compile_seconds": compile_seconds,
            "steps_per_second": self._steps / self._seconds if self._seconds else None,
            "clipped": self._clipped_steps / max(self._steps, 1) if self._clips else None,
            "ended": timestamp(time.time()),
            **self._facts,
        }
        with self._writing():
            self._events.summaries(session_end(status == Status.FINISHED, time.time()))
            for file in (self._events, self._step_curve, self._epoch_curve, self._path):
                if file is not None:
                    file.close()
            write_summary(self._directory, summary)
        return summary

    def _write_path(self, path: npt.NDArray | None) -> None:
        if path is None:
            return
        self._path = self._path or CurveFile(self._directory / files.PATH, PATH_DTYPE)
        self._path.append(path)

    def _write_step_events(self, steps: npt.NDArray, times: npt.NDArray) -> None:
        stride = math.ceil(self._total_steps / POINTS_PER_TAG)
        last = steps["step"] == self._total_steps - 1
        kept = (steps["step"] % stride == 0) | last | ~np.isfinite(steps["train_loss"])
        self._write_events("iteration", self._tags, steps["step"][kept], times[kept], steps, kept)

    def _write_epoch_events(self, epochs: npt.NDArray, times: npt.NDArray) -> None:
        stride = math.ceil(self._total_epochs / POINTS_PER_TAG)
        last = epochs["step"] == self._total_steps
        kept = (epochs["epoch"] % stride == 0) | last
        best = self._best_so_far(epochs)
        columns = {name: epochs[name] for name in EPOCH_MEASURES}
        columns |= {f"best_{name}": values for name, values in best.items()}
        # Before the first epoch there is no mean over an epoch's steps.
        begun, always = epochs["step"] > 0, np.ones(len(epochs), bool)
        known = [begun if name.startswith("train") else always for name in EPOCH_MEASURES]
        table = np.stack([*known, *map(np.isfinite, best.values())], axis=1)
        for shown in np.unique(table[kept], axis=0):
            rows = kept & (table == shown).all(axis=1)
            names = [name for name, is_known in zip(columns, shown, strict=True) if is_known]
            self._write_events("epoch", names, epochs["epoch"][rows], times[rows], columns, rows)

    def _write_events(
        self,
        axis: str,
        names: Sequence[str],
        at: npt.NDArray,
        times: npt.NDArray,
        columns: Mapping[str, npt.NDArray] | npt.NDArray,
        rows: npt.NDArray,
    ) -> None:
        values = np.stack([columns[name][rows] for name in names], axis=1)
        self._events.scalars([f"{axis}/{name}" for name in names], at, times, values)

    def _best_so_far(self, epochs: npt.NDArray) -> dict[str, npt.NDArray]:
        """The least value of a measure up to each row; infinite where there is none."""
        best = {}
        for name in BEST_MEASURES:
            known = np.where(np.isfinite(epochs[name]), epochs[name], math.inf)
            earlier = np.full(1, self._best.get(name, math.inf))
            best[name] = np.minimum.accumulate(np.concatenate([earlier, known]))[1:]
            self._best[name] = best[name][-1] if len(known) else earlier[0]
        return best

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RecordError(
                f"{self._directory}: cannot be written: {error.strerror or error}; "
                "what was recorded before stays readable"
            ) from error


def _discard_earlier(directory: Path) -> None:
    """Remove what an earlier run in this directory left that would be mixed up with the new one.

    That is its event files and its path. Its other files are about to be replaced. What no run has
    written stays.
    """
    if (directory / files.SUMMARY).exists():
        for file in directory.glob(f"{files.EVENTS}*"):
            file.unlink()
        (directory / files.PATH).unlink(missing_ok=True)
