"""`make bench-growth`: time and memory of a run and of a sweep as they grow, each in a process.

A command is run for each size, the smallest first. A size that would not end in time is left out.
What is drawn is the time of the whole command, that of training alone, and the largest resident
memory; a line of slope 1 shows what proportional growth looks like. The numbers are written beside
the figure.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runner.compare.figures.style import LABEL_SIZE, NOTE_SIZE, OKABE_ITO, TICK_SIZE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BUDGET_SECONDS = 700
RSS_UNIT = 1024 if sys.platform == "linux" else 1
RARELY = "evaluate_every=1000000000"


class Point(NamedTuple):
    """What a command took. `training` is None where many runs train; `memory` is in MiB."""

    axis: str
    size: int
    seconds: float
    training: float | None
    memory: float


class Axis(NamedTuple):
    """Something that grows.

    Attributes:
        label: what it counts, with what else is fixed.
        sizes: how many of it, ascending.
        small: sizes for a try.
        arguments: the command line for a size.
    """

    label: str
    sizes: tuple[int, ...]
    small: tuple[int, ...]
    arguments: Callable[[int], list[str]]


def _parameters(count: int) -> list[str]:
    """A network on digits with one hidden layer and about as many parameters."""
    widths = f"model.widths=[{max(count // 75, 1)}]"  # 64 inputs, 10 outputs and a bias a unit
    return ["optimizer=adam", "steps=20", "batch_size=32", RARELY, widths]


AXES = {
    "steps": Axis(
        "steps (softmax regression on digits, batch 1)",
        (10**3, 10**4, 10**5, 10**6, 10**7),
        (10, 20),
        lambda n: ["model=linear", "batch_size=1", RARELY, f"steps={n}"],
    ),
    "parameters": Axis(
        "parameters (one hidden layer, Adam, 20 steps of 32)",
        (10**3, 10**4, 10**5, 10**6, 10**7, 10**8),
        (10**3,),
        _parameters,
    ),
    "examples": Axis(
        "training examples (teacher, one epoch of batches of 128)",
        (10**3, 10**4, 10**5, 10**6),
        (10**3,),
        lambda n: ["data=teacher", "batch_size=128", "epochs=1", f"data.train_examples={n}"],
    ),
    "runs": Axis(
        "runs of a sweep (softmax regression on digits, 20 steps)",
        (1, 10, 100, 1000, 10_000),
        (2,),
        lambda n: ["-m", "model=linear", "steps=20", f"seed=range(0,{n})"],
    ),
}


def in_a_process(arguments: Sequence[str]) -> tuple[float, float]:
    """Run `runner ARGUMENTS` in a process of its own; its seconds and its largest memory in MiB.

    Raises:
        RuntimeError: it failed.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        command = [sys.executable, "-m", "runner", *arguments]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors) as running:
            _, status, used = os.wait4(running.pid, 0)
            running.returncode = os.waitstatus_to_exitcode(status)
        if running.returncode:
            errors.seek(0)
            raise RuntimeError(f"runner {' '.join(arguments)}:\n{errors.read()}")
    return time.perf_counter() - started, used.ru_maxrss * RSS_UNIT / 2**20


def in_this_process(arguments: Sequence[str]) -> tuple[float, float]:
    """The same within this process, whose largest memory is that of all it did before."""
    from runner.cli import run_command_line

    started, said = time.perf_counter(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run_command_line(list(arguments))
    if code:
        raise RuntimeError(f"runner {' '.join(arguments)}:\n{said.getvalue()}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT / 2**20
    return time.perf_counter() - started, memory


def measure(name: str, seconds: float, *, small: bool) -> Iterator[Point]:
    """Measure an axis, size by size, while there is time for the next one.

    Args:
        name: a key of `AXES`.
        seconds: when to end.
        small: measure a few small sizes within this process.
    """
    axis, started, last = AXES[name], time.monotonic(), 0.0
    run = in_this_process if small else in_a_process
    for size in axis.small if small else axis.sizes:
        left = seconds - (time.monotonic() - started)
        if last > left:
            print(f"{name} {size:,}: left out, {left:.0f} s are left", file=sys.stderr)
            return
        with tempfile.TemporaryDirectory() as directory:
            where = f"hydra.{'sweep' if name == 'runs' else 'run'}.dir={directory}/run"
            taken, memory = run([*axis.arguments(size), where])
            summary = Path(directory) / "run" / "summary.json"
            training = json.loads(summary.read_text())["seconds"] if summary.exists() else None
        print(f"{name} {size:,}: {taken:.2f} s, {memory:,.0f} MiB", file=sys.stderr, flush=True)
        yield Point(name, size, taken, training, memory)
        last = 10 * (training or taken)  # the next size is ten times as large


def draw(points: Sequence[Point], file: Path) -> None:
    """Draw time above memory, an axis a column, all logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), layout="constrained")
    rows = figure.subplots(2, len(AXES), sharey="row", sharex="col")
    for column, (name, axis) in enumerate(AXES.items()):
        found = [point for point in points if point.axis == name]
        sizes = [point.size for point in found]
        lines = {"whole command": [point.seconds for point in found]}
        if name != "runs":
            lines["training alone"] = [point.training or float("nan") for point in found]
        _panel(rows[0][column], sizes, lines)
        _panel(rows[1][column], sizes, {"largest memory": [point.memory for point in found]})
        rows[1][column].set_xlabel(axis.label.replace(" (", "\n("), fontsize=LABEL_SIZE)
    rows[0][0].set_ylabel("seconds", fontsize=LABEL_SIZE)
    rows[1][0].set_ylabel("MiB", fontsize=LABEL_SIZE)
    for row in rows:
        row[0].legend(fontsize=NOTE_SIZE, frameon=False, loc="upper left")
    figure.savefig(file, dpi=150)


def _panel(panel: Axes, sizes: list[int], lines: dict[str, list[float]]) -> None:
    panel.set(xscale="log", yscale="log")
    panel.tick_params(which="both", labelsize=TICK_SIZE)
    panel.grid(alpha=0.25, lw=0.5)
    panel.spines[["top", "right"]].set_visible(False)
    for color, (label, values) in zip(OKABE_ITO, lines.items(), strict=False):
        panel.plot(sizes, values, "o-", color=color, ms=3.5, lw=1.2, label=label)
    last = [values[-1] for values in lines.values() if values]
    if last:  # through the last point, down to a hundredth of it
        slope = [max(last) * size / sizes[-1] for size in (sizes[-1] / 100, sizes[-1])]
        panel.plot([sizes[-1] / 100, sizes[-1]], slope, ":", color="0.4", lw=1, label="slope 1")


def write(points: Sequence[Point], file: Path) -> None:
    """Write the numbers as CSV."""
    with file.open("w", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(Point._fields)
        for point in points:
            rounded = ("" if x is None else f"{x:.4g}" for x in point[2:])
            table.writerow([point.axis, point.size, *rounded])


def main() -> None:
    """Measure every axis, each with its share of the time that is left, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--axes", nargs="*", choices=AXES, default=list(AXES))
    parser.add_argument("--output", type=Path, required=True, help="a folder")
    parser.add_argument("--seconds", type=float, default=BUDGET_SECONDS, help="when to end")
    parser.add_argument("--small", action="store_true", help="a few small sizes")
    arguments = parser.parse_args()
    points: list[Point] = []
    arguments.output.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + arguments.seconds
    for name in arguments.axes:
        points += measure(name, end - time.monotonic(), small=arguments.small)
        write(points, arguments.output / "growth.csv")
    draw(points, arguments.output / "growth.png")


if __name__ == "__main__":
    main()
