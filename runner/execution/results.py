"""The results of a sweep: one row a run for `sweep.csv`, and a table over seeds for the terminal.

Runs that differ only in their seed are one row of the table: the mean of the metric, and half the
width of its 95 % confidence interval under Student's t distribution. Rows are sorted by the mean.
"""

from __future__ import annotations

import csv
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from runner.config.keys import SEED
from runner.measures import METRIC
from runner.record.summary import best_metric
from runner.statistics.intervals import half_width
from runner.status import Status, count_statuses


class Run(NamedTuple):
    """One run of a sweep.

    `settings` are the overrides by which it differs, as typed; `summary` is what its `summary.json`
    says, empty for a run that never began.
    """

    settings: Mapping[str, str]
    directory: str
    summary: Mapping[str, Any]

    @property
    def status(self) -> str:
        """How it ended."""
        return str(self.summary.get("status", Status.NOT_RUN))

    @property
    def metric(self) -> float | None:
        """The least validation error; None where there is none."""
        return best_metric(self.summary)


class Row(NamedTuple):
    """The runs that differ only in their seed."""

    settings: dict[str, str]
    runs: list[Run]

    @property
    def mean(self) -> float:
        """The mean metric of the runs that have one; infinite if none has."""
        known = self._known()
        return statistics.fmean(known) if known else math.inf

    @property
    def half_width(self) -> float | None:
        """Half the width of the 95 % confidence interval of the mean; None for a single run."""
        return half_width(self._known())

    @property
    def outcome(self) -> str:
        """How its runs ended: `finished`, or `3 finished, 1 diverged`."""
        counts = count_statuses(run.status for run in self.runs)
        if len(counts) == 1:
            return next(iter(counts))
        return ", ".join(f"{count} {end}" for end, count in counts.items())

    def _known(self) -> list[float]:
        return [run.metric for run in self.runs if run.metric is not None]


def rows(runs: Sequence[Run]) -> list[Row]:
    """Runs grouped over seeds, the best first; groups without any metric come last."""
    groups: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    for run in runs:
        others = tuple((key, value) for key, value in run.settings.items() if key != SEED)
        groups.setdefault(others, []).append(run)
    return sorted((Row(dict(key), group) for key, group in groups.items()), key=lambda r: r.mean)


def swept(runs: Sequence[Run]) -> list[str]:
    """The keys that do not have the same value in every run, in the order typed."""
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    return [key for key in keys if len({run.settings.get(key) for run in runs}) > 1]


def edges(table: Sequence[Row], keys: Sequence[str]) -> list[str]:
    """One line for each number whose best value is the least or the largest that was tried."""
    if not table or not math.isfinite(table[0].mean):
        return []
    lines = []
    for key in keys:
        values = [_number(row.settings.get(key)) for row in table]
        known = sorted({value for value in values if value is not None})
        best = values[0]
        if len(known) < 3 or len(known) < len({row.settings.get(key) for row in table}):
            continue
        if best in (known[0], known[-1]):
            lines.append(
                f"the best {key}, {best:g}, lies at the edge of the swept range "
                f"{known[0]:g} to {known[-1]:g}"
            )
    return lines


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def write_csv(file: Path, runs: Sequence[Run]) -> None:
    """Write one line a run: what was swept, how it ended, and its final and best measures.

    Raises:
        OSError: the file cannot be written.
    """
    keys = list(dict.fromkeys(key for run in runs for key in run.settings))
    measures = [
        (when, name)
        for when in ("final", "best")
        for name in dict.fromkeys(
            name
            for run in runs
            for name in run.summary.get(when, {})
            if name.endswith(("_loss", "_error"))
        )
    ]
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        header = [f"{when}_{name}" for when, name in measures]
        writer.writerow([*keys, "status", "diverged_at", "seconds", *header, "directory"])
        for run in runs:
            writer.writerow(
                [
                    *(run.settings.get(key, "") for key in keys),
                    run.status,
                    run.summary.get("diverged_at"),
                    run.summary.get("seconds"),
                    *(run.summary.get(when, {}).get(name) for when, name in measures),
                    run.directory,
                ]
            )


def write_summary(
    file: Path, runs: Sequence[Run], facts: Mapping[str, Any], seconds: float
) -> None:
    """Write what can be said of the sweep as a whole.

    Raises:
        OSError: the file cannot be written.
    """
    table = rows(runs)
    best = table[0] if table and math.isfinite(table[0].mean) else None
    summary = {
        "runs": len(runs),
        "ends": count_statuses(run.status for run in runs),
        **facts,
        "seconds": seconds,
        "best": best and {"settings": best.settings, METRIC: best.mean, "runs": len(best.runs)},
    }
    file.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
