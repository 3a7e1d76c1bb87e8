"""How long the runner takes to answer and to start: `python -m tests.bench.startup`.

Every case is a fresh process; its CPU seconds are what the operating system charged to it, so they
hardly depend on what else the machine does. The cases take turns, round after round, with a bare
Python among them as the floor. A cold start has an empty compilation cache, a warm one finds the
programs of the start before it; the disk's own cache is warm in both after the first round. A last
table says where the time from the command to the first step goes (`tests.bench.start_worker`).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.start_worker import AFTER, IMPORTS

RUNNER = (sys.executable, "-m", "runner")


class Cost(NamedTuple):
    """What one process took, in seconds."""

    wall: float
    cpu: float
    first_step: float | None = None
    compiling: float | None = None


def process(*command: str, expected: int = 0, cache: Path | None = None) -> Cost:
    """Run a command to its end.

    Raises:
        RuntimeError: it ended with another exit code than the expected one.
    """
    environment = dict(os.environ)
    if cache is not None:
        environment["JAX_COMPILATION_CACHE_DIR"] = str(cache)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode != expected:
        raise RuntimeError(f"{' '.join(command)}: exit {ended.returncode}\n{ended.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu)


def training(directory: Path, *overrides: str, cache: Path) -> Cost:
    """Train one step; when it was done follows from what the run recorded of itself."""
    launched = time.time()
    cost = process(*RUNNER, "steps=1", f"hydra.run.dir={directory}", *overrides, cache=cache)
    summary = json.loads((directory / "summary.json").read_text())
    started = datetime.fromisoformat(summary["started"]).timestamp() - launched
    compiling = summary["compile_seconds"]
    return cost._replace(first_step=started + compiling + summary["seconds"], compiling=compiling)


def profile(scratch: Path, overrides: list[str]) -> dict[str, float]:
    """Seconds by part of one start, whose programs are in the cache after the first."""
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(scratch / "cache")}
    command = [sys.executable, "-m", "tests.bench.start_worker", str(time.time()), "steps=1"]
    command += [f"hydra.run.dir={scratch / 'profiled'}", *overrides]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(ended.stderr.splitlines()[-1])


def parts_table(rounds: list[dict[str, float]]) -> str:
    """Medians over the rounds, as Markdown; the sum is without what comes after the first step."""
    parts = {name: statistics.median(one.get(name, 0.0) for one in rounds) for name in rounds[-1]}
    first_step = [sum(one.values()) - one.get(AFTER, 0.0) for one in rounds]
    beyond = [whole - one[IMPORTS] for whole, one in zip(first_step, rounds, strict=True)]
    lines = ["| to the first step, warm cache | seconds |", "|---|---|"]
    lines += [f"| {name} | {seconds:.3f} |" for name, seconds in parts.items()]
    lines.append(f"| **to the first step** | {statistics.median(first_step):.3f} |")
    lines.append(f"| **beyond the imports** | {statistics.median(beyond):.3f} |")
    return "\n".join(lines)


def cases(scratch: Path, overrides: list[str]) -> dict[str, Callable[[], Cost]]:
    """What is measured, by name."""
    cache, run = scratch / "cache", scratch / "run"

    def cold() -> Cost:
        shutil.rmtree(cache, ignore_errors=True)
        return warm()

    def warm() -> Cost:
        shutil.rmtree(run, ignore_errors=True)
        return training(run, *overrides, cache=cache)

    return {
        "python -c pass": lambda: process(sys.executable, "-c", "pass"),
        "import jax": lambda: process(sys.executable, "-c", "import jax"),
        "runner --help": lambda: process(*RUNNER, "--help"),
        "a config error": lambda: process(*RUNNER, "optimizer=nonsense", expected=2),
        "one step, cold cache": cold,
        "one step, warm cache": warm,
    }


def table(costs: dict[str, list[Cost]]) -> str:
    """Medians over the rounds, as Markdown."""
    lines = ["| seconds | CPU | wall | to the first step | compiling |", "|---|---|---|---|---|"]
    for name, rounds in costs.items():
        cells = [
            f"{statistics.median(values):.2f}" if None not in values else ""
            for values in ([getattr(c, field) for c in rounds] for field in _COLUMNS)
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


_COLUMNS = ("cpu", "wall", "first_step", "compiling")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="also write the numbers to this JSON file")
    parser.add_argument("overrides", nargs="*", help="of the training, for example optimizer=adam")
    arguments = parser.parse_args()
    profiles = []
    with tempfile.TemporaryDirectory() as scratch:
        measured = cases(Path(scratch), arguments.overrides)
        costs: dict[str, list[Cost]] = {name: [] for name in measured}
        for number in range(1, arguments.rounds + 1):
            print(f"round {number}/{arguments.rounds}", file=sys.stderr, flush=True)
            for name, measure in measured.items():
                costs[name].append(measure())
            profiles.append(profile(Path(scratch), arguments.overrides))
    print(table(costs))
    print()
    print(parts_table(profiles))
    if arguments.output:
        rounds: dict[str, Any] = {
            name: [cost._asdict() for cost in values] for name, values in costs.items()
        }
        rounds["to the first step"] = profiles
        arguments.output.write_text(json.dumps(rounds, indent=2) + "\n")


if __name__ == "__main__":
    main()
