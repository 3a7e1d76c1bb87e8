"""The table that closes a sweep on the terminal, the best first."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.config.keys import SEED
from runner.execution.results import Run, edges, rows, swept
from runner.measures import ErrorKind
from runner.status import Status, count_statuses
from runner.terminal.words import number, readable


def sweep_table(
    runs: Sequence[Run],
    logdir: Path,
    facts: Mapping[str, Any],
    seconds: float,
    picture: Path | None = None,
) -> None:
    """Print the results of a sweep, the best first, and how to look at the curves.

    Args:
        runs: the runs of the sweep.
        logdir: the folder of the sweep.
        facts: with how many `programs` and `compilations` they were computed.
        seconds: how long that took.
        picture: the figure of the sweep, if there is one.
    """
    from rich.console import Console
    from rich.table import Table

    table, keys = rows(runs), [key for key in swept(runs) if key != SEED]
    is_rate = all(run.summary.get("error", ErrorKind.RATE) == ErrorKind.RATE for run in runs)
    kind = ErrorKind.RATE if is_rate else ErrorKind.DISTANCE
    several = any(len(row.runs) > 1 for row in table)
    shown = Table(*keys, f"best validation {kind.noun}", box=None)
    shown.columns[-1].justify = "right"
    if several:
        shown.add_column("95 % interval", justify="right")
        shown.add_column("runs", justify="right")
    shown.add_column("")
    for row in table:
        mean = row.mean if math.isfinite(row.mean) else None
        cells = [*(row.settings.get(key, "") for key in keys), number(mean, kind)]
        if several:
            half = row.half_width
            cells.append("" if half is None else f"+- {number(half, kind)}")
            cells.append(str(len(row.runs)))
        shown.add_row(*cells, "" if row.outcome == Status.FINISHED else row.outcome)
    Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(shown)
    for line in edges(table, keys):
        print(f"Note:   {line}")
    counts = count_statuses(run.status for run in runs)
    words = [", ".join(f"{count} {status}" for status, count in counts.items())]
    words += [f"{facts[word]} {word}" for word in ("programs", "compilations") if word in facts]
    print(f"Runs:   {', '.join(words)}, {seconds:.1f} s")
    if picture is not None:
        print(f"Figure: {readable(picture)}")
    print(f"Curves: {readable(logdir)}")
    print(f"Look:   tensorboard --logdir {readable(logdir)}")
