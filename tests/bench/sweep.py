"""`make bench-sweep`: what sharing a program saves, and how populations grow.

Whole sweeps are timed as processes, from the command to the end. The other ways take minutes, so a
part of their runs is timed and the rest is counted as taking as long; the start of a process is
counted once where there is one. Populations are timed without start and recording, by processes
that hold them compiled. Everything takes turns, round after round, and ratios are of one round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench.sweep_page import Growth, draw, page
from tests.bench.training import machine

ROOT = Path(__file__).parent.parent.parent
RATES = "0.001,0.002,0.003,0.005,0.007,0.01,0.02,0.03,0.05,0.07,0.1,0.15,0.2,0.3,0.5,0.7"
RUNS = 64
RUN = ("model.widths=[64]", "epochs=5", "batch_size=32")
SWEEP = ("-m", *RUN, f"optimizer.learning_rate={RATES}", "seed=0,1,2,3")
PART = 4
"""Every fourth learning rate and seed 0: this many of the runs are timed for the slow ways."""
PART_OF_SWEEP = ("-m", *RUN, "optimizer.learning_rate=0.001,0.01,0.1,0.5", "seed=0")
LANES = (1, 4, 16, 64, 256)
NETWORKS = ("64-64-10", "784-64-10")
WAYS = {"map": ("map", "1"), "vmap": ("vmap", "2"), "spread": ("map", "2")}


class Cost(NamedTuple):
    """Seconds of a process, and the most memory that it had, in bytes."""

    seconds: float
    memory: int


def process(*arguments: str, cache: Path | None) -> Cost:
    """Run `runner ARGUMENTS` in an empty directory; `cache` keeps compiled programs."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment["JAX_ENABLE_COMPILATION_CACHE"] = "false" if cache is None else "true"
    environment["JAX_COMPILATION_CACHE_DIR"] = str(cache)
    with tempfile.TemporaryDirectory() as directory:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "runner", *arguments]
        with subprocess.Popen(
            command, cwd=directory, env=environment, stdout=-3, stderr=-3
        ) as running:
            _, status, used = os.wait4(running.pid, 0)
            running.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begun
    assert running.returncode == 0, f"runner {' '.join(arguments)}: exit {running.returncode}"
    return Cost(seconds, used.ru_maxrss * (1024 if sys.platform == "linux" else 1))


def population_cold() -> float:
    with tempfile.TemporaryDirectory() as cache:
        return process(*SWEEP, cache=Path(cache)).seconds


def population_warm(cache: Path) -> float:
    return process(*SWEEP, cache=cache).seconds


def basic_launcher() -> float:
    """Hydra's own launcher: one process, one run after the other, each compiled."""
    callback = "+hydra.callbacks.forget._target_=tests.bench.forget.Forget"
    start = process(*PART_OF_SWEEP, "dry_run=true", cache=None).seconds
    whole = process(*PART_OF_SWEEP, "hydra/launcher=basic", callback, cache=None).seconds
    return start + (whole - start) * RUNS / PART


def fresh_processes() -> float:
    """A process for each run, which compiles it."""
    runs = [process(*RUN, f"optimizer.learning_rate={rate}", cache=None) for rate in (0.01, 0.1)]
    return sum(run.seconds for run in runs) * RUNS / len(runs)


def whole_sweeps(rounds: int) -> dict[str, list[float]]:
    """Seconds of the 64 runs in every way, round by round."""
    with tempfile.TemporaryDirectory() as cache:
        population_warm(Path(cache))
        ways: dict[str, Callable[[], float]] = {
            "population, programs compiled before": lambda: population_warm(Path(cache)),
            "population": population_cold,
            "basic launcher": basic_launcher,
            "fresh processes": fresh_processes,
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, measure in ways.items():
                times[way].append(measure())
                print(f"  {way}: {times[way][-1]:.1f} s", file=sys.stderr, flush=True)
    return times


def growth(rounds: int) -> Growth:
    """Seconds of a step of all lanes, by network, way and number of lanes, round by round."""
    workers = {
        way: subprocess.Popen(
            [sys.executable, "-m", "tests.bench.lanes_worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for way, arguments in WAYS.items()
    }
    found: Growth = {
        network: {way: {lanes: [] for lanes in LANES} for way in WAYS} for network in NETWORKS
    }
    try:
        for number in range(rounds):
            for network in NETWORKS:
                for lanes in LANES:
                    for way, worker in workers.items():
                        assert worker.stdin is not None
                        assert worker.stdout is not None
                        print(network, lanes, file=worker.stdin, flush=True)
                        found[network][way][lanes].append(float(worker.stdout.readline()))
            print(f"  growth: round {number + 1}/{rounds}", file=sys.stderr, flush=True)
    finally:
        for worker in workers.values():
            worker.terminate()
            worker.wait()
    return found


def thousand_runs() -> Cost:
    """1,000 runs of a linear model, everything counted."""
    seeds = ",".join(map(str, range(250)))
    with tempfile.TemporaryDirectory() as cache:
        return process(
            "-m",
            "model=linear",
            "batch_size=256",
            "epochs=2",
            "optimizer.learning_rate=0.3,0.1,0.03,0.01",
            f"seed={seeds}",
            cache=Path(cache),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="write the page (and a picture beside it)")
    arguments = parser.parse_args()
    described = machine()
    sweeps = whole_sweeps(arguments.rounds)
    populations = growth(arguments.rounds)
    thousand = [thousand_runs() for _ in range(min(arguments.rounds, 3))]
    seconds = statistics.median(cost.seconds for cost in thousand)
    memory = max(cost.memory for cost in thousand)
    picture = arguments.output.with_suffix(".png") if arguments.output else None
    text = page(sweeps, populations, (seconds, memory), described, picture)
    print(text)
    if arguments.output:
        arguments.output.write_text(text)
        assert picture is not None
        draw(populations, picture)


if __name__ == "__main__":
    main()
