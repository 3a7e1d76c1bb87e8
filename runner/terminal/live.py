"""What the terminal shows: a live line while a run trains (plain lines in a pipe), then a table.

The live line goes to standard error and the closing table to standard output, so that the output
of a run can be piped without its progress.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.config.keys import TARGET, VALIDATION_EXAMPLES, typed
from runner.data import Source
from runner.engine.chunk import Chunk
from runner.errors import one_line
from runner.measures import BITS, METRIC, R_SQUARED, SPLITS, TRAIN_LOSS, ErrorKind
from runner.record.summary import at_best_validation
from runner.terminal.caller import is_command_line, reader_of_progress, tell
from runner.terminal.notebook import NotebookBar
from runner.terminal.speed import Speed
from runner.terminal.waiting import waiting
from runner.terminal.words import (
    format_duration,
    format_epochs,
    format_measure,
    format_speed,
    shell_path,
)

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

SECONDS_BETWEEN_LINES = 5.0
REFRESHES_PER_SECOND = 5
COMPILES_LONG = 5.0
"""After how many seconds it is said that a program is still being compiled."""


class Progress:
    """The progress of one run: a live line on a terminal, a bar in a notebook, else plain lines.

    Args:
        error: what the errors of the run are.
    """

    def __init__(self, error: ErrorKind = ErrorKind.RATE) -> None:
        self._error = f"val {error.noun}"
        self._live: RichProgress | None = None
        self._bar: NotebookBar | None = None
        self._is_shown = True
        self._speed = Speed()
        self._metrics: dict[str, float] = {}
        self._printed_at = -SECONDS_BETWEEN_LINES
        self._printed = self._line = ""

    def start(self, total_steps: int, total_epochs: float, title: str) -> None:
        """Show that the run is about to train.

        Args:
            total_steps: the planned number of steps.
            total_epochs: the planned number of epochs.
            title: what to call the run while it compiles.
        """
        self._total_steps, self._total_epochs = total_steps, total_epochs
        reader = reader_of_progress()
        self._is_shown = reader != "nobody"
        if not is_command_line():  # nothing is said of what is soon done
            self._printed_at = time.monotonic()
        if reader == "notebook":
            self._bar = NotebookBar()
            self._bar.show(0, f"{title}: compiling")
        if reader != "terminal":
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

    def compiling(self) -> AbstractContextManager[None]:
        """Say that programs are compiled, if it takes long; a live line or a bar says so anyway."""
        says_so = self._live or self._bar or not self._is_shown
        return nullcontext() if says_so else waiting("compiling", COMPILES_LONG)

    def update(self, chunk: Chunk) -> None:
        """Show where the run is after a chunk."""
        self._metrics["loss"] = float(chunk.steps[TRAIN_LOSS].mean())
        if len(chunk.epochs) and not math.isnan(chunk.epochs[METRIC][-1]):
            self._metrics[self._error] = float(chunk.epochs[METRIC][-1])
        if chunk.steps["step"][0] > 0:  # the first chunk is short, and evaluates the start
            self._speed.add(len(chunk.steps), chunk.done - chunk.started)
        step = chunk.steps_taken
        epochs = (chunk.epochs_taken, self._total_epochs)
        done = f"epoch {'/'.join(map(format_epochs, epochs))}, step {step:,}"
        words = [f"{name} {value:.4g}" for name, value in self._metrics.items()]
        speed = self._speed.per_second()
        if speed is not None:
            left = (self._total_steps - step) / speed
            # The line may be cut off at the right, so the time left comes first.
            words = [f"{format_duration(left)} left", *words, format_speed(speed)]
        numbers = ", ".join(words)
        if self._live is not None:
            self._live.update(self._task, completed=step, description=done, numbers=numbers)
            return
        if self._bar is not None:
            self._bar.show(step / self._total_steps, f"{done}, {numbers}")
            return
        self._line = f"{done}/{self._total_steps:,}, {numbers}"
        if time.monotonic() - self._printed_at >= SECONDS_BETWEEN_LINES:
            self._print()

    def stop(self) -> None:
        """End; in a pipe the last state is printed unless it has been."""
        if self._live is not None:
            self._live.stop()
        elif self._bar is not None:
            self._bar.close()
        elif self._line != self._printed and (self._printed or is_command_line()):
            self._print()

    def _print(self) -> None:
        if self._is_shown:
            print(self._line, file=sys.stderr, flush=True)
        self._printed, self._printed_at = self._line, time.monotonic()


def print_found(sources: Iterable[Source]) -> None:
    """Print what was found in files of the user's own, each once, before anything is trained."""
    for found in dict.fromkeys(source.summary() for source in sources):
        if found is not None:
            tell(f"Data:   {found}")


def print_closing_table(summary: Mapping[str, Any], directory: Path) -> None:
    """Print how the run in a directory ended, where its curves are and how to look at them."""
    from rich.console import Console
    from rich.table import Table

    header, *lines = closing_cells(summary)
    table = Table(*header, box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for line in lines:
        table.add_row(*line)
    Console(highlight=False, markup=False).print(table)
    for words in closing_lines(summary):
        print(words)
    print_where_to_look(directory)


def closing_cells(summary: Mapping[str, Any]) -> list[list[str]]:
    """The table of a run that has ended: a header, and a line for each split."""
    final, best, kind = summary["final"], summary["best"], ErrorKind(summary["error"])
    header = ["", "final loss", "best loss", f"final {kind.noun}", f"best {kind.noun}"]
    further = {"r2": "R²"} if any(name in final for name in R_SQUARED) else {}
    if any(name in final for name in BITS):
        further = {"bits": "bits per character"}
    has_training_set = final.get("training_set_loss") is not None
    lines = [[*header, *(f"final {noun}" for noun in further.values())]]
    for split in (*SPLITS, "training_set") if has_training_set else SPLITS:
        cells = []
        for name, shown in (("loss", None), ("error", kind)):
            key = at_best_validation(name) if split == "test" else f"{split}_{name}"
            cells += [format_measure(final.get(f"{split}_{name}"), shown)]
            cells += [format_measure(best.get(key), shown)]
        cells += [format_measure(final.get(f"{split}_{name}")) for name in further]
        lines.append([split.replace("_", " "), *cells])
    return lines


def closing_lines(summary: Mapping[str, Any]) -> list[str]:
    """What is said below that table: how to read it, and how the run ended."""
    lines, kind = [], ErrorKind(summary["error"])
    settings = typed(summary.get("config", {}))
    if kind is ErrorKind.ABSOLUTE:
        lines.append(f"Error:  {kind}{_unit(settings.get(TARGET))}")
    validation_loss = summary["final"].get("validation_loss")
    if validation_loss is not None and not math.isnan(validation_loss):
        lines.append(f"Best of test: where the validation loss or {kind.noun} is least")
    elif settings.get(VALIDATION_EXAMPLES) == 0:
        lines.append(f"Validation: none, since {VALIDATION_EXAMPLES}=0 holds no examples out")
    if (kept := summary.get("kept_at")) is not None:
        lines.append(f"Kept:   the parameters of epoch {kept['epoch']:,}, the best by its rule")
    return [*lines, _outcome(summary)]


def print_where_to_look(directory: Path) -> None:
    """Print where curves are, and the command that shows them."""
    print(f"Curves: {shell_path(directory)}")
    print(f"Look:   tensorboard --logdir {shell_path(directory)}")


def _unit(target: Any) -> str:
    """In which unit the errors of numbers are, from the columns that are predicted if known."""
    if isinstance(target, str):
        return f" of {one_line(target)}, in its unit"
    return " over the columns, each in its unit" if target else ", in the unit of the target"


def _outcome(summary: Mapping[str, Any]) -> str:
    """One line on how the run ended and how fast it was; before it why, if it stopped early."""
    status = summary["status"]
    if summary["diverged_at"] is not None:
        status += f" at step {summary['diverged_at']:,}"
    if (place := summary.get("stopped_at")) is not None:
        status = f"stopped at epoch {place['epoch']:,}: {summary['reason']}\n{status}"
    passed = format_epochs(summary["epochs"])
    return (
        f"{status}: {summary['steps']:,} steps, {passed} epoch{'s' * (passed != '1')} in "
        f"{summary['seconds']:.2f} s ({format_speed(summary['steps_per_second'] or 0)}; "
        f"compiling {summary['compile_seconds']:.2f} s)"
    )
