"""Whether a repeated run equals its record to the bit, and if not, what differs where, and why.

Equal are two records with the same bits in every column but the times, where NaN equals NaN. Of a
run that was interrupted the record holds a part; it is compared with the same part of the new one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from runner import files
from runner.compare.runs import Run
from runner.errors import ConfigError
from runner.record.curves import read_curve
from runner.status import COMPLETE

_CURVES = {files.STEPS: "step", files.EPOCHS: "evaluation", files.PATH: "point"}
"""The files that are compared, and what a row of each is."""

_TIMES = ("seconds",)
"""The columns that no two runs have in common."""


class Difference(NamedTuple):
    """A difference of a new record from the old one.

    Attributes:
        step: the first step at which they differ.
        words: in what, and by how much.
    """

    step: int
    words: str


class Extent(NamedTuple):
    """How much of a run is recorded."""

    steps: int
    evaluations: int


def recorded_extent(run: Run) -> Extent:
    """Count the rows of a run's curves, with which others can be compared.

    A run that did not come to its end has none where a curve cannot be read: it may have been
    killed before its curves were made.

    Raises:
        ConfigError: a curve of a complete run is missing or damaged.
    """
    assert run.directory is not None
    lengths = []
    for name in (files.STEPS, files.EPOCHS):
        try:
            lengths.append(len(read_curve(run.directory / name)))
        except (OSError, ValueError, EOFError):
            if run.status not in COMPLETE:
                lengths.append(0)
                continue
            raise ConfigError(
                f"{run.directory / name} is missing or damaged: nothing can be compared with it"
            ) from None
    return Extent(*lengths)


def first_difference(recorded: Run, now: Run) -> Difference | None:
    """The first difference of a new record from the old one; None if they are equal to the bit.

    Args:
        recorded: the old run; of one that was interrupted only what is recorded is compared.
        now: the same run again.
    """
    assert recorded.directory is not None
    assert now.directory is not None
    found: list[Difference] = []
    for name, row in _CURVES.items():
        if not (recorded.directory / name).exists():
            continue  # no curve, or one that earlier versions did not record
        old, new = (_rows(folder / name) for folder in (recorded.directory, now.directory))
        found += _differences(old, new)
        is_too_long = recorded.status in COMPLETE and len(new) > len(old)
        if len(new) < len(old) or is_too_long:
            shorter = min(old, new, key=len)
            step = int(shorter["step"][-1]) + 1 if len(shorter) else 0
            words = f"{len(old):,} {row}s are recorded, now there are {len(new):,}"
            found.append(Difference(step, words))
    return min(found, key=lambda difference: difference.step, default=None)


def _rows(file: Path) -> npt.NDArray:
    """The rows of a curve; none where it cannot be read."""
    try:
        return read_curve(file)
    except (OSError, ValueError, EOFError):
        return np.zeros(0, [("step", "<i4")])


def different_columns(old: npt.NDArray, new: npt.NDArray) -> bool:
    """Whether the rows that both have differ in a column of the old ones, but for the times."""
    return any(_differences(old, new))


def _differences(old: npt.NDArray, new: npt.NDArray) -> Iterator[Difference]:
    """The first difference of each column of the rows that both have."""
    count = min(len(old), len(new))
    if not count:
        return
    for name in old.dtype.names or ():
        if name in _TIMES:
            continue
        if name not in (new.dtype.names or ()):
            yield Difference(0, f"{name} is recorded, and no longer measured")
            continue
        a, b = old[name][:count], new[name][:count]
        places = np.flatnonzero(_differ(a, b))
        if len(places):
            first = places[0]
            with np.errstate(invalid="ignore"):  # of two infinite values
                distances = np.abs(a[places].astype(float) - b[places].astype(float))
            most = np.max(distances, where=np.isfinite(distances), initial=0.0)
            step = int(old["step"][first])
            yield Difference(
                step,
                f"{name} differs first at step {step:,}: {a[first]:.9g} is recorded, now it is "
                f"{b[first]:.9g}; {len(places):,} of {count:,} values differ, by {most:.2g} at "
                "most",
            )


def _differ(a: npt.NDArray, b: npt.NDArray) -> npt.NDArray:
    """Where two columns have different bits; NaN equals NaN, and 0 does not equal -0."""
    if a.dtype.kind != "f" or b.dtype.kind != "f":
        return np.asarray(a != b)
    both = np.isnan(a) & np.isnan(b)
    return ((a != b) | (np.signbit(a) != np.signbit(b))) & ~both


def likely_reasons(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What the summaries of two runs of one config say about why their numbers may differ.

    Args:
        recorded: the summary of the old run; one of an earlier version says less.
        now: the summary of the new run.

    Returns:
        A clause for each thing that differs, the likeliest first: the code, the packages, the
        device, the threads. If nothing does, one that says so.
    """
    old, new = _facts(recorded), _facts(now)
    found = [
        f"{name} {old[name]} then, {new[name]} now"
        for name in new
        if name in old and old[name] != new[name]
    ]
    changed = [
        when
        for when, one in (("then", recorded), ("now", now))
        if _mapping(one, "environment").get("changed")
    ]
    if changed:
        found.append(f"the code had changes that are in no commit ({' and '.join(changed)})")
    if found:
        return found
    if not recorded.get("environment"):
        return ["the record does not say with how many threads it was computed"]
    return ["the code, the packages, the device and the threads are those of the record"]


def _facts(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What a summary says about the code, the packages and the machine, by words for each."""
    environment, versions = _mapping(summary, "environment"), _mapping(summary, "versions")
    facts = {"runner": versions.pop("runner", None), "commit": environment.get("commit")}
    facts |= {**versions, "device": summary.get("device")}
    facts |= {key: environment.get(key) for key in ("cpu", "threads")}
    if not str(summary.get("device")).startswith("cpu"):
        facts["lanes"] = summary.get("lanes")  # on a CPU each lane is computed as if alone
    return {key: value for key, value in facts.items() if value is not None}


def _mapping(summary: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A part of a summary; empty where an earlier version did not record it."""
    found = summary.get(key)
    return dict(found) if isinstance(found, Mapping) else {}
