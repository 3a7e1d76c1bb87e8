"""The results of a sweep: a row for each group of seeds, `sweep.csv` and `sweep.json`.

Runs that differ only in their seed are one row: the mean of the metric, by which rows are sorted,
with its 95 % confidence interval under Student's t distribution.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from runner.compare.escapes import in_spreadsheet
from runner.compare.grouping import Group, group_runs
from runner.compare.runs import Run
from runner.config.keys import SEED
from runner.measures import METRIC
from runner.record.summary import stopped_step
from runner.status import count_statuses
from runner.whole_files import replace_text, replacing


@dataclasses.dataclass(frozen=True)
class Computation:
    """How the runs of a sweep were computed; None where it is not known, as nothing was trained.

    Attributes:
        earlier: how many runs were complete before.
        programs: how many compiled programs the others needed.
        compilations: how many compilations that took.
        strategy: how lanes were trained side by side.
        lanes: the most lanes in one program.
        devices: the most devices that one program used.
    """

    earlier: int | None = None
    programs: int | None = None
    compilations: int | None = None
    strategy: str | None = None
    lanes: int | None = None
    devices: int | None = None

    def facts(self) -> dict[str, Any]:
        """What is known, by name."""
        return {name: fact for name, fact in vars(self).items() if fact is not None}


class SweepRow(NamedTuple):
    """A group of a sweep.

    Attributes:
        group: the runs that differ only in their seed, one for each seed.
        values: the metric of the runs that have one.
    """

    group: Group
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean metric; infinite if no run has one."""
        return statistics.fmean(self.values) if self.values else math.inf


def rank(runs: Sequence[Run]) -> list[SweepRow]:
    """Group runs over seeds, the best group first; groups without any metric come last.

    A seed that was typed twice is no repetition, and is counted once.
    """
    rows = []
    for group in group_runs(runs):
        first = {run.seed: run for run in reversed(group.runs)}
        own = group._replace(runs=[run for run in group.runs if first[run.seed] is run])
        known = [run.metric for run in own.runs if run.metric is not None]
        rows.append(SweepRow(own, tuple(known)))
    return sorted(rows, key=lambda row: row.mean)


def write_csv(
    file: Path, runs: Sequence[Run], columns: Sequence[Sequence[str]] | None = None
) -> None:
    """Write a line for each run: its overrides, how it ended, its final and best measures.

    Args:
        file: the file.
        runs: the runs.
        columns: further cells, of the header and of each run.

    Raises:
        OSError: the file cannot be written.
    """
    keys = list(dict.fromkeys(key for run in runs for key in run.overrides))
    measures = [
        (when, name)
        for when in ("final", "best")
        for name in dict.fromkeys(
            name
            for run in runs
            for name in run.summary.get(when, {})
            if name.endswith(("_loss", "_error", "_r2", "_bits"))
        )
    ]
    with (
        replacing(file, durably=True) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream)
        header = [f"{when}_{name}" for when, name in measures]
        ends = ("status", "diverged_at", "stopped_at", "seconds")
        further = columns or [[]] * (1 + len(runs))
        writer.writerow([*keys, *ends, *header, *further[0], "directory"])
        for run, own in zip(runs, further[1:], strict=True):
            writer.writerow(
                map(
                    in_spreadsheet,
                    [
                        *(run.overrides.get(key, "") for key in keys),
                        run.status,
                        run.summary.get("diverged_at"),
                        stopped_step(run.summary),
                        run.summary.get("seconds"),
                        *(run.summary.get(when, {}).get(name) for when, name in measures),
                        *own,
                        "" if run.directory is None else run.directory.name,
                    ],
                )
            )


def write_summary(
    file: Path,
    runs: Sequence[Run],
    rows: Sequence[SweepRow],
    computation: Computation,
    seconds: float,
) -> None:
    """Write the facts about the sweep as a whole, as JSON.

    Args:
        file: the file.
        runs: all runs of the sweep.
        rows: the same in groups, the best first.
        computation: how they were computed.
        seconds: how long that took.

    Raises:
        OSError: the file cannot be written.
    """
    best = None
    if rows and math.isfinite(rows[0].mean):
        first, *_ = members = rows[0].group.runs
        settings = {key: value for key, value in first.overrides.items() if key != SEED}
        best = {"settings": settings, METRIC: rows[0].mean, "runs": len(members)}
    summary = {
        "runs": len(runs),
        "ends": count_statuses(run.status for run in runs),
        **computation.facts(),
        "seconds": seconds,
        "best": best,
    }
    replace_text(file, json.dumps(summary, indent=2) + "\n", durably=True)
