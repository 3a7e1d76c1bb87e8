"""The table that closes a sweep on the terminal, the best first."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from runner import files
from runner.compare.curve import label_for
from runner.compare.grouping import Group, format_setting
from runner.compare.runs import Run
from runner.compare.tables import format_rounded, interval, uncertainty
from runner.execution.results import Computation, SweepRow
from runner.measures import METRIC, ErrorKind
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
    notes: Sequence[str] = (),
) -> None:
    """Print the results of a sweep, the best first, and how to look at the curves.

    Args:
        runs: all runs of the sweep.
        rows: the same in groups, the best first.
        logdir: the folder of the sweep.
        computation: how they were computed.
        seconds: how long that took.
        figure: the figure of the sweep, if there is one.
        notes: what has to be said of the results.
    """
    _print_rows(rows[:ROWS], runs)
    if len(rows) > ROWS:
        print(f"        and {len(rows) - ROWS:,} more; all runs are in {files.SWEEP_TABLE}")
    repeated = len(runs) - sum(len(row.group.runs) for row in rows)
    if repeated:
        notes = [f"{several(repeated, 'run')} with a seed that occurs twice: counted once", *notes]
    for line in notes:
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


def _print_rows(rows: Sequence[SweepRow], runs: Sequence[Run]) -> None:
    """A line for each group; the interval and the number of runs only where there are seeds."""
    from rich.console import Console
    from rich.table import Table

    keys = list(rows[0].group.settings)
    several = any(len(row.group.runs) > 1 for row in rows)
    kind = ErrorKind.of_all(run.error_kind for run in runs)
    which = "kept" if all(run.summary.get("kept") for run in runs) else "best"
    value = f"{which} {label_for(runs, METRIC)}"
    table = Table(*keys, f"{value}, mean" if several else value, box=None)
    table.columns[-1].justify = "right"
    if several:
        table.add_column(_spread(rows), justify="right")
        table.add_column("runs", justify="right")
    table.add_column("")
    for row in rows:
        cells = list(map(format_setting, row.group.settings.values()))
        outcome = _outcome(row.group)
        mean, interval = _mean_and_interval(row, kind) if row.values else (outcome, "")
        cells.append(mean)
        cells += [interval, str(len(row.group.runs))] if several else []
        table.add_row(*cells, outcome if row.values else "")
    # Not markup: `[dropout,l2]` would be a style.
    screen = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 200)
    screen.print(table)


def _spread(rows: Sequence[SweepRow]) -> str:
    """What the column beside the mean has: of two values their range, which is no interval."""
    counts = {len(row.values) for row in rows}
    if 2 not in counts:
        return "95 % interval"
    return "95 % interval (of 2: range)" if max(counts) > 2 else "range of 2 seeds"


def _mean_and_interval(row: SweepRow, kind: ErrorKind | None) -> tuple[str, str]:
    """The mean and its interval, with the digits that the interval leaves; of two their range."""
    width = uncertainty(row.values)
    if width is None:
        return format_measure(row.mean, kind), ""
    scale, unit = (100, " %") if kind and kind.is_percentage else (1, "")

    def show(value: float) -> str:
        return format_rounded(scale * value, scale * width) + unit

    return show(row.mean), interval(row.values, show)


def _outcome(group: Group) -> str:
    """How its runs ended: nothing if all finished, `diverged`, or `3 finished, 1 diverged`."""
    statuses = {run.status for run in group.runs}
    if statuses == {Status.FINISHED}:
        return ""
    return statuses.pop() if len(statuses) == 1 else group.outcome
