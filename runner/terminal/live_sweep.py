"""What the terminal shows while a sweep trains: the runs that are done, the best one, time left.

On a terminal there are a bar and a line below it, in a notebook a bar with a line beside it, in a
pipe a plain line now and then, on standard error.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from runner.engine.chunk import Chunk
from runner.experiment.experiment import Experiment
from runner.measures import METRIC, ErrorKind
from runner.status import Status
from runner.terminal.caller import reader_of_progress
from runner.terminal.live import COMPILES_LONG, REFRESHES_PER_SECOND, SECONDS_BETWEEN_LINES
from runner.terminal.notebook import NotebookBar
from runner.terminal.waiting import waiting
from runner.terminal.words import format_duration, format_measure

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

EXAMPLES_A_STEP_COSTS = 32
"""About how many examples take as long as the fixed cost of a step, to estimate the time left."""

LEAST_SECONDS = 1.0
"""For how long the speed is measured before the time left is estimated."""


class SweepProgress:
    """The progress of a sweep.

    Args:
        runs: how many runs the sweep has.
        earlier: how many of them were done before.
        work: how much there is to do in all, in the unit of `work_of`.
    """

    def __init__(self, runs: int, earlier: int, work: float) -> None:
        self._runs, self._earlier, self._work = runs, earlier, max(work, 1.0)
        self._done = 0.0
        self._running: dict[str, list[float]] = {}
        self._ends: dict[str, int] = {}
        self._best = (float("inf"), "", ErrorKind.RATE)
        self._measured_from: tuple[float, float] | None = None
        """When the first chunks were done, and how much work was done then."""
        self._only_first_chunks = True
        self._printed_at = time.monotonic()
        self._live: Live | None = None
        self._notebook: NotebookBar | None = None
        self._compiling_since: float | None = None
        self._reader = reader_of_progress()

    def __enter__(self) -> SweepProgress:
        if self._reader == "notebook":
            self._notebook = NotebookBar()
        if self._reader == "terminal":
            from rich.console import Console
            from rich.live import Live
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                TextColumn("{task.fields[done]}", markup=False),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[left]}", markup=False),
                expand=True,
            )
            self._task = self._bar.add_task("", total=self._work, done="", left="")
            self._live = Live(
                get_renderable=self._view,
                console=Console(stderr=True),
                refresh_per_second=REFRESHES_PER_SECOND,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
        if self._notebook is not None:
            self._notebook.close()

    def _view(self) -> RenderableType:
        """A bar, and a line below it."""
        from rich.console import Group
        from rich.text import Text

        done, *states = self._counts()
        self._bar.update(self._task, completed=self._completed(), done=done, left=self._left())
        line = "; ".join(filter(None, [", ".join(states), self._best_so_far()]))
        return Group(self._bar, Text(line, no_wrap=True, overflow="ellipsis"))

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Say that programs are compiled, if it takes long."""
        if self._reader == "lines":
            with waiting("compiling", COMPILES_LONG):
                yield
            return
        self._compiling_since = time.monotonic()
        try:
            yield
        finally:
            self._compiling_since = None

    def start(self, title: str, experiment: Experiment) -> None:
        """Count a run as running."""
        self._running[title] = [0.0, work_of(experiment)]
        self._show()

    def advance(self, title: str, experiment: Experiment, chunk: Chunk) -> None:
        """Add what a run did.

        Args:
            title: what the run is called.
            experiment: what it trains.
            chunk: its next steps.
        """
        done = chunk.steps_taken / experiment.phases()[-1].end_step
        self._running[title][0] = self._running[title][1] * done
        # The first chunk of a run comes after compiling, is short, and evaluates the start.
        self._only_first_chunks &= int(chunk.steps["step"][0]) == 0
        if self._only_first_chunks or self._measured_from is None:
            self._measured_from = time.monotonic(), self._completed()
        errors = chunk.epochs[METRIC]
        if np.isfinite(errors).any():
            best = float(np.nanmin(np.where(np.isfinite(errors), errors, np.inf)))
            self._best = min(self._best, (best, title, experiment.error_kind))
        self._show()

    def end(self, title: str, status: str) -> None:
        """Count a run as ended."""
        self._done += self._running.pop(title)[1]
        self._ends[status] = self._ends.get(status, 0) + 1
        self._show()

    def _show(self) -> None:
        """In a notebook the bar; in a pipe a line if the last one is some seconds old."""
        if self._notebook is not None:
            words = [", ".join(self._counts()), self._left(), self._best_so_far()]
            self._notebook.show(self._completed() / self._work, "; ".join(filter(None, words)))
        if self._reader == "lines" and time.monotonic() - self._printed_at >= SECONDS_BETWEEN_LINES:
            self._printed_at = time.monotonic()
            words = [", ".join(self._counts()), self._left(), self._best_so_far()]
            print("; ".join(filter(None, words)), file=sys.stderr, flush=True)

    def _completed(self) -> float:
        return self._done + sum(done for done, _ in list(self._running.values()))

    def _counts(self) -> list[str]:
        ended = self._earlier + sum(self._ends.values())
        words = [f"{ended}/{self._runs} runs done", f"{len(self._running)} running"]
        since = self._compiling_since
        if since is not None and time.monotonic() - since > COMPILES_LONG:
            words.append(f"compiling for {time.monotonic() - since:.0f} s")
        for status in (Status.DIVERGED, Status.FAILED):
            if self._ends.get(status):
                words.append(f"{self._ends[status]} {status}")
        return words

    def _left(self) -> str:
        """The estimated time left; empty until there is something to estimate it from."""
        left = self._work - self._completed()
        if self._earlier + sum(self._ends.values()) == self._runs:
            left = 0.0
        elif self._measured_from is None:
            return ""
        else:
            since, before = self._measured_from
            elapsed, done = time.monotonic() - since, self._completed() - before
            if elapsed < LEAST_SECONDS or done <= 0:
                return ""
            left *= elapsed / done
        return f"{format_duration(max(left, 0.0))} left"

    def _best_so_far(self) -> str:
        value, title, kind = self._best
        return (
            f"best validation {kind.noun} {format_measure(value, kind)} ({title})" if title else ""
        )


def work_of(experiment: Experiment) -> float:
    """How much work a run is: the examples that it sees, and what each step costs besides."""
    train_examples = experiment.data.sizes().train
    return float(
        sum(
            (phase.end_step - phase.first_step)
            * (phase.batch_size.examples(train_examples) + EXAMPLES_A_STEP_COSTS)
            for phase in experiment.phases()
        )
    )
