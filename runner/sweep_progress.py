"""What the terminal shows while a sweep trains: how many runs are done, the best so far, time left.

On a terminal there are two live lines, in a pipe a plain line now and then, on standard error.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from runner.experiment import Experiment
from runner.progress import REFRESHES_PER_SECOND, SECONDS_BETWEEN_LINES, duration, number
from runner.record.chunk import Chunk

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

EXAMPLES_A_STEP_COSTS = 32
"""About how many examples take as long as what every step costs, for the estimate of time left."""


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
        self._best = (float("inf"), "", True)
        self._begun = time.monotonic()
        self._printed_at = self._begun
        self._live: RichProgress | None = None

    def __enter__(self) -> SweepProgress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as RichProgress

            self._live = RichProgress(
                BarColumn(bar_width=None),
                TextColumn("{task.description}\n", markup=False),
                TextColumn("{task.fields[numbers]}", markup=False),
                console=Console(stderr=True),
                refresh_per_second=REFRESHES_PER_SECOND,
                transient=True,
                expand=True,
            )
            self._task = self._live.add_task(self._counts(), total=self._work, numbers="")
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def begin(self, title: str, experiment: Experiment) -> None:
        """A run begins."""
        self._running[title] = [0.0, work_of(experiment)]
        self._show()

    def advance(self, title: str, experiment: Experiment, chunk: Chunk) -> None:
        """A run has done some steps."""
        done = (int(chunk.steps["step"][-1]) + 1) / experiment.phases()[-1].end_step
        self._running[title][0] = self._running[title][1] * done
        errors = chunk.epochs["validation_error"]
        if np.isfinite(errors).any():
            best = float(np.nanmin(np.where(np.isfinite(errors), errors, np.inf)))
            self._best = min(self._best, (best, title, experiment.data.error_is_a_rate))
        self._show()

    def end(self, title: str, status: str) -> None:
        """A run has ended."""
        self._done += self._running.pop(title)[1]
        self._ends[status] = self._ends.get(status, 0) + 1
        self._show()

    def _show(self) -> None:
        if self._live is not None:
            done = self._done + sum(done for done, _ in self._running.values())
            self._live.update(
                self._task, completed=done, description=self._counts(), numbers=self._numbers()
            )
        elif time.monotonic() - self._printed_at >= SECONDS_BETWEEN_LINES:
            self._printed_at = time.monotonic()
            print(f"{self._counts()}; {self._numbers()}", file=sys.stderr, flush=True)

    def _counts(self) -> str:
        ended = self._earlier + sum(self._ends.values())
        words = [f"{ended}/{self._runs} runs done", f"{len(self._running)} running"]
        for status in ("diverged", "failed"):
            if self._ends.get(status):
                words.append(f"{self._ends[status]} {status}")
        return ", ".join(words)

    def _numbers(self) -> str:
        done = self._done + sum(done for done, _ in self._running.values())
        words = []
        if done:
            elapsed = time.monotonic() - self._begun
            left = elapsed * (self._work - done) / done
            words.append(f"{duration(max(left, 0.0))} left")
        value, title, rate = self._best
        if title:
            word = "validation error" if rate else "distance"
            words.append(f"best {word} {number(value, percent=rate)} ({title})")
        return ", ".join(words)


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
