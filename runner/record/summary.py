"""`summary.json`: how a run ended, in a small file that any tool can read.

It is strict JSON: a number that is not finite (a loss that diverged) is null. The file is replaced
as a whole, so a reader never sees a part of it; while the run goes on its status is `running`.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from runner import files
from runner.engine.chunk import Chunk
from runner.measures import EPOCH_MEASURES, METRIC, OPTIONAL_MEASURES, is_minimized
from runner.record.earlier import completed
from runner.record.foreign import read_json
from runner.record.lock import is_written
from runner.record.strict_json import in_one_line
from runner.record.valid_summary import is_summary
from runner.status import Status
from runner.version import own_version
from runner.whole_files import open_no_link, replace_text

_PACKAGES = ("jax", "jaxlib", "optax", "numpy", "hydra-core", "tensorboard")


class SummaryWriter:
    """Writes `summary.json` (see `runner.record.writer.Writer`).

    Args:
        directory: the run's.
        facts: what the summary says while the run goes on, besides its status.
    """

    def __init__(self, directory: Path, facts: Mapping[str, Any]) -> None:
        self._directory, self._facts = directory, facts
        self._lines: dict[str, str] = {}

    def start(self) -> None:
        """Say that the run goes on.

        Raises:
            OSError: the file cannot be written.
        """
        self._lines = {key: _line(key, value) for key, value in self._facts.items()}
        write_summary(self._directory, {"status": Status.RUNNING, **self._facts}, self._lines)

    def write(self, chunk: Chunk) -> None:
        """Do nothing: the summary changes only at the end."""

    def close(self, summary: Mapping[str, Any]) -> None:
        """Replace the summary.

        Raises:
            OSError: the disk takes no new file; the one that is there says `failed` from now on.
        """
        try:
            write_summary(self._directory, summary, self._lines)
        except OSError:
            with contextlib.suppress(OSError):
                _mark_failed(self._directory / files.SUMMARY)
            raise


def write_summary(
    directory: Path, summary: Mapping[str, Any], lines: Mapping[str, str] | None = None
) -> None:
    """Replace the summary of the run in a directory, as a whole.

    Args:
        directory: the run's.
        summary: what is written.
        lines: what `_line` returns of some of its keys, if that is known.
    """
    replace_text(directory / files.SUMMARY, _text(summary, lines or {}) + "\n")


def _mark_failed(file: Path) -> None:
    """Change the status `running` in place, where it takes no more room on the disk.

    Raises:
        OSError: the file cannot be written.
    """
    before, after = b'"status": "running",', b'"status": "failed", '
    with open(file, "r+b", opener=open_no_link) as stream:
        place = stream.read().find(before)
        if place >= 0:
            stream.seek(place)
            stream.write(after)


def _text(summary: Mapping[str, Any], known: Mapping[str, str]) -> str:
    """The summary as JSON with an indent of 2."""
    lines = [known.get(key) or _line(key, value) for key, value in summary.items()]
    return "{\n  " + ",\n  ".join(lines) + "\n}" if lines else "{}"


def _line(key: str, value: Any) -> str:
    """A key and its value; most values are those of another run of the sweep."""
    is_config = key == "config" and isinstance(value, Mapping)
    inner = _text(value, {}) if is_config else _indented(in_one_line(value))
    return f"{json.dumps(key)}: {inner}".replace("\n", "\n  ")


@functools.lru_cache(maxsize=1024)
def _indented(text: str) -> str:
    return json.dumps(json.loads(text), indent=2, allow_nan=False)


def read_summary(directory: Path) -> dict[str, Any]:
    """The summary of a run; empty where there is none, or something else (`is_summary`).

    The config of an earlier version is completed, so that the run is recognized and grouped with
    others of equal settings. A run that is `running` where no process writes is `killed`.
    """
    try:
        found = read_json(directory / files.SUMMARY)
    except (OSError, ValueError):
        return {}
    if not is_summary(found):
        return {}
    found["config"] = completed(found["config"])
    if found["status"] == Status.RUNNING and not is_written(directory):
        found["status"] = Status.KILLED
    return found


def final_and_best(epochs: npt.NDArray) -> dict[str, dict[str, float | None]]:
    """The values of the last evaluation, and the best value of each measure: of R^2 the largest.

    `best` also has the epoch with the least validation error (the earliest one), and the test error
    of that epoch: the number to report for a run whose length was chosen by validation. The same of
    the loss: the test loss at the least validation loss.

    Args:
        epochs: the evaluations of a run (`runner.engine.chunk.EPOCH_DTYPE`).
    """
    if not len(epochs):
        unknown: dict[str, float | None] = dict.fromkeys(EPOCH_MEASURES)
        return {"final": unknown, "best": dict(unknown)}
    asked = [name for name in OPTIONAL_MEASURES if np.isfinite(epochs[name]).any()]
    names = (*EPOCH_MEASURES, *asked)
    final = {name: epochs[name][-1].item() for name in ("epoch", "step", *names)}
    best: dict[str, float | None] = {name: _best(epochs[name], name) for name in names}
    if (row := _at_least(epochs, METRIC)) is not None:
        best["epoch"] = row["epoch"].item()
    for kind in ("loss", "error"):
        if (row := _at_least(epochs, f"validation_{kind}")) is not None:
            best[at_best_validation(kind)] = row[f"test_{kind}"].item()
    return {"final": final, "best": best}


def place_of(epochs: npt.NDArray, steps: int | None) -> dict[str, int] | None:
    """The step and the epoch of the evaluation after a number of steps; None if there is none.

    Args:
        epochs: the evaluations of a run (`runner.engine.chunk.EPOCH_DTYPE`).
        steps: the number of steps.
    """
    found = epochs[epochs["step"] == steps] if steps is not None else epochs[:0]
    return {name: found[name][0].item() for name in ("step", "epoch")} if len(found) else None


def values_at(epochs: npt.NDArray, steps: int | None) -> dict[str, float] | None:
    """What was measured at the evaluation after a number of steps; None if there is none.

    Args:
        epochs: the evaluations of a run (`runner.engine.chunk.EPOCH_DTYPE`).
        steps: the number of steps.
    """
    found = epochs[epochs["step"] == steps] if steps is not None else epochs[:0]
    if not len(found):
        return None
    values = {name: found[name][0].item() for name in (*EPOCH_MEASURES, *OPTIONAL_MEASURES)}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def kept_step(summary: Mapping[str, Any]) -> int | None:
    """The step after which the parameters were evaluated that a run keeps; None without a rule."""
    place = summary.get("kept_at")
    return place.get("step") if isinstance(place, Mapping) else None


def stopped_step(summary: Mapping[str, Any]) -> int | None:
    """The step of a run's summary at which it stopped early; None if it did not."""
    place = summary.get("stopped_at")
    return place.get("step") if isinstance(place, Mapping) else None


def at_best_validation(kind: str) -> str:
    """The name of the test loss or error of the evaluation that validation finds best.

    Args:
        kind: `loss` or `error`.
    """
    return f"test_{kind}_at_best_validation_{kind}"


def best_metric(summary: Mapping[str, Any]) -> float | None:
    """The `METRIC` of what a run keeps, and without a stopping rule its least value over the run.

    None where nothing was evaluated.
    """
    best = (summary.get("best") or {}).get(METRIC)
    value = (summary.get("kept") or {}).get(METRIC, best)
    return None if value is None else float(value)


def minimized(summary: Mapping[str, Any]) -> float:
    """What sweepers that search (Optuna, Nevergrad, Ax) minimize: the best `METRIC`, else inf."""
    value = best_metric(summary)
    return math.inf if value is None else value


def _at_least(epochs: npt.NDArray, measure: str) -> npt.NDArray | None:
    """The first evaluation with the least value of a measure; None if it has no value."""
    values = epochs[measure]
    known = np.where(np.isfinite(values), values, np.inf)
    return epochs[known.argmin()] if np.isfinite(values).any() else None


def _best(values: npt.NDArray, measure: str) -> float | None:
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    return (known.min() if is_minimized(measure) else known.max()).item()


@functools.cache
def versions() -> dict[str, str]:
    """The versions of Python and of the packages that a run depends on; imports none of them."""
    found = {"python": platform.python_version(), "runner": own_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def timestamp(seconds: float) -> str:
    """A time in ISO 8601, in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
