"""What a sweep leaves at its end: its figure, its table and its files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from runner import files
from runner.compare import range_test
from runner.compare.conclusions import edges, unvalidated
from runner.compare.grouping import Group
from runner.compare.rates import rate_columns
from runner.compare.runs import Run, find, read_run
from runner.compare.view import View
from runner.errors import ConfigError, RecordError, UserError
from runner.execution.results import Computation, rank, write_csv, write_summary
from runner.execution.table import print_sweep_table
from runner.measures import METRIC
from runner.record.strict_json import finite
from runner.status import COMPLETE
from runner.terminal.caller import is_command_line


def close_sweep(
    runs: Sequence[Run], computation: Computation, seconds: float, directory: Path, view: View
) -> None:
    """Write the files of a sweep, draw its figure and print its table.

    Args:
        runs: all runs of the sweep, in any state.
        computation: how they were computed.
        seconds: how long that took.
        directory: the folder of the sweep.
        view: what the figure shows.

    Raises:
        RecordError: a file cannot be written; after what can be shown has been shown.
    """
    rows, unwritten = rank(runs), None
    try:
        write_csv(directory / files.SWEEP_TABLE, runs, _rates(runs, view))
        write_summary(directory / files.SWEEP_SUMMARY, runs, rows, computation, seconds)
    except OSError as error:
        unwritten = RecordError(f"{directory}: cannot be written: {error.strerror}")
    if any(run.summary for run in runs):
        known = list(filter(None, map(_as_read, runs)))
        figure = draw_figure(known, directory, view)
        if is_command_line():
            notes = [*filter(None, [unvalidated(runs, METRIC)]), *_of_groups(known, view)]
            print_sweep_table(runs, rows, directory, computation, seconds, figure, notes)
    if unwritten:
        raise unwritten


def _as_read(run: Run) -> Run | None:
    """A run as its record says, which is not read where it is known; None if there is none."""
    if run.directory is None:
        return None
    if run.status in COMPLETE:
        return run.ended(run.directory, finite(run.summary))
    return read_run(run.directory)


def _rates(runs: Sequence[Run], view: View) -> list[list[str]] | None:
    """Columns of the rate of each run, where the figure shows rates and the least loss is known."""
    try:
        groups = [Group({}, [run]) for run in runs] if view.tabulates_rates else []
        return rate_columns(groups, view.chosen_measure) if groups else None
    except ConfigError:
        return None


def recorded(directories: Sequence[Path]) -> list[Run]:
    """The runs in some folders; none where nothing can be read."""
    try:
        return find(directories).runs
    except ConfigError:
        return []


def draw_figure(runs: Sequence[Run], directory: Path, view: View) -> Path | None:
    """Draw the figure of a sweep.

    Args:
        runs: its runs, as they were recorded.
        directory: the folder of the figure.
        view: what it shows.

    Returns:
        The figure; None if it cannot be drawn, which is said.
    """
    from runner.execution.figure import draw  # imports matplotlib

    try:
        return draw(runs, directory, view)
    except Exception as error:
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        print(f"The figure could not be drawn: {reason}", file=sys.stderr)
        return None


def _of_groups(runs: Sequence[Run], view: View) -> list[str]:
    """What range tests suggest, and what lies at the edge of what was tried.

    Nothing where the runs cannot be compared.
    """
    try:
        groups = view.groups(runs) if len(runs) > 1 else []
        return [*range_test.notes(groups), *edges(view, groups)] if groups else []
    except ConfigError:
        return []
