"""The table that closes a sweep on the terminal, the best first."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from runner import files
from runner.compare.grouping import Group, format_setting
from runner.compare.runs import Run
from runner.execution.results import Computation, SweepRow, edges
from runner.measures import ErrorKind
from runner.status import Status, count_statuses
from runner.terminal.live import print_where_to_look
from runner.terminal.words import format_measure, several, shell_path

ROWS = 100
"""How many rows the table has at most: the best ones."""


def print_sweep_table(
    runs: Sequence[Run],
    rows: Sequence[SweepRow],
    logdir: Path,
    computation: Computation,
    seconds: float,
    figure: Path | None = None,
) -> None:
    """Print the results of a sweep, the best first, and how to look at the curves.

    Args:
        runs: all runs of the sweep.
        rows: the same in groups, the best first.
        logdir: the folder of the sweep.
        computation: how they were computed.
        seconds: how long that took.
        figure: the figure of the sweep, if there is one.
    """
    is_rate = all(run.summary.get("error", ErrorKind.RATE) == ErrorKind.RATE for run in runs)
    _print_rows(rows[:ROWS], ErrorKind.RATE if is_rate else ErrorKind.DISTANCE)
    if len(rows) > ROWS:
        print(f"        and {len(rows) - ROWS:,} more; all runs are in {files.SWEEP_TABLE}")
    for line in edges(rows):
        print(f"Note:   {line}")
    counts = count_statuses(run.status for run in runs)
    words = [", ".join(f"{count} {status}" for status, count in counts.items())]
    facts = computation.facts()
    for noun in ("program", "compilation"):
        if f"{noun}s" in facts:
            words.append(several(facts[f"{noun}s"], noun))
    print(f"Runs:   {', '.join(words)}, {seconds:.1f} s")
    if figure is not None:
        print(f"Figure: {shell_path(figure)}")
    print_where_to_look(logdir)


def _print_rows(rows: Sequence[SweepRow], kind: ErrorKind) -> None:
    """A line for each group; the interval and the number of runs only where there are seeds."""
    from rich.console import Console
    from rich.table import Table

    keys = list(rows[0].group.settings)
    several = any(len(row.group.runs) > 1 for row in rows)
    table = Table(*keys, f"best validation {kind.noun}", box=None)
    table.columns[-1].justify = "right"
    if several:
        table.add_column("95 % interval", justify="right")
        table.add_column("runs", justify="right")
    table.add_column("")
    for row in rows:
        mean = row.mean if math.isfinite(row.mean) else None
        settings = map(format_setting, row.group.settings.values())
        cells = [*settings, format_measure(mean, kind)]
        if several:
            half = row.half_width
            cells.append("" if half is None else f"+- {format_measure(half, kind)}")
            cells.append(str(len(row.group.runs)))
        table.add_row(*cells, _outcome(row.group))
    Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(table)


def _outcome(group: Group) -> str:
    """How its runs ended: nothing if all finished, `diverged`, or `3 finished, 1 diverged`."""
    statuses = {run.status for run in group.runs}
    if statuses == {Status.FINISHED}:
        return ""
    return statuses.pop() if len(statuses) == 1 else group.outcome
