"""What the terminal shows: a live line while a run trains (plain lines in a pipe), then a table.

The live line goes to standard error and the closing table to standard output, so that the output
of a run can be piped without its progress.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.terminal.words import duration, number, readable

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

RATE = "0-1 error"
"""What the summary of a run calls an error that is a fraction of examples."""

SECONDS_BETWEEN_LINES = 5.0
REFRESHES_PER_SECOND = 5


class Progress:
    """The progress of one run: a live line on a terminal, otherwise a plain line now and then."""

    def __init__(self) -> None:
        self._live: RichProgress | None = None
        self._printed_at = -SECONDS_BETWEEN_LINES
        self._printed = self._line = ""

    def start(self, total_steps: int, total_epochs: float, title: str) -> None:
        """Begin; the totals are those planned."""
        self._total_steps, self._total_epochs, self._title = total_steps, total_epochs, title
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._live = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[numbers]}", markup=False),
            console=Console(stderr=True),
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
            expand=True,
        )
        self._task = self._live.add_task(f"{title}: compiling", total=total_steps, numbers="")
        self._live.start()

    def update(
        self, step: int, epoch: float, metrics: Mapping[str, float], steps_per_second: float
    ) -> None:
        """Show where the run is; called once a chunk."""
        done = f"epoch {epoch:.4g}/{self._total_epochs:.4g}, step {step:,}"
        left = (self._total_steps - step) / steps_per_second if steps_per_second else 0
        numbers = ", ".join(
            [
                *(f"{name} {value:.4g}" for name, value in metrics.items()),
                f"{steps_per_second:,.0f} steps/s",
                f"{duration(left)} left",
            ]
        )
        if self._live is not None:
            self._live.update(self._task, completed=step, description=done, numbers=numbers)
            return
        self._line = f"{done}/{self._total_steps:,}, {numbers}"
        if time.monotonic() - self._printed_at >= SECONDS_BETWEEN_LINES:
            self._print()

    def stop(self) -> None:
        """End; in a pipe the last state is printed if it was not yet."""
        if self._live is not None:
            self._live.stop()
        elif self._line != self._printed:
            self._print()

    def _print(self) -> None:
        print(self._line, file=sys.stderr, flush=True)
        self._printed, self._printed_at = self._line, time.monotonic()


def closing_table(summary: Mapping[str, Any], directory: Path, logdir: Path) -> None:
    """Print how a run ended, where its curves are and how to look at them."""
    from rich.console import Console
    from rich.table import Table

    final, best = summary["final"], summary["best"]
    is_rate = summary["error"] == RATE
    error = "error" if is_rate else "distance"
    table = Table("", "final loss", "best loss", f"final {error}", f"best {error}", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for split in ("train", "validation", "test"):
        table.add_row(
            split,
            *(
                number(numbers.get(f"{split}_{measure}"), percent=is_rate and measure == "error")
                for measure in ("loss", "error")
                for numbers in (final, best)
            ),
        )
    console = Console(highlight=False)
    console.print(table)
    print(_outcome(summary))
    print(f"Curves: {readable(directory)}")
    print(f"Look:   tensorboard --logdir {readable(logdir)}")


def _outcome(summary: Mapping[str, Any]) -> str:
    """One line on how it went."""
    status = summary["status"]
    if summary["diverged_at"] is not None:
        status += f" at step {summary['diverged_at']:,}"
    speed = summary["steps_per_second"] or 0
    return (
        f"{status}: {summary['steps']:,} steps, {summary['epochs']:.4g} epochs in "
        f"{summary['seconds']:.2f} s ({speed:,.0f} steps/s; "
        f"compiling {summary['compile_seconds']:.2f} s)"
    )
