"""`make bench-sweep`: what sharing a program saves, and how the time grows with the lanes.

Whole sweeps are timed as processes, from the command to the end. The slow ways take minutes, so
only some of their runs are timed, and the others are assumed to take as long; the start of a
process is counted once where there is one process. Populations are timed without start and
recording, by processes that keep them compiled. All ways take turns, round after round, and a ratio
is of two times of the same round.
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
WAYS = {"map": ("map", "1"), "vmap": ("vmap", "2"), "spread": ("map", "2")}
"""How populations are trained: the strategy and the number of cores."""


class Work(NamedTuple):
    """How much is measured: the sweep, the population sizes and the sweep of a linear model."""

    run: tuple[str, ...]
    rates: tuple[float, ...]
    timed_rates: tuple[float, ...]
    """The runs with these learning rates and seed 0 are timed for the slow ways."""
    seeds: int
    networks: tuple[str, ...]
    lanes: tuple[int, ...]
    window: float
    """How many seconds a population trains for one measurement, at least."""
    linear_seeds: int

    @property
    def runs(self) -> int:
        return len(self.rates) * self.seeds

    def sweep(self) -> tuple[str, ...]:
        """The arguments of the whole sweep."""
        return ("-m", *self.run, _swept(self.rates), _seeds(self.seeds))

    def timed_sweep(self) -> tuple[str, ...]:
        """The arguments of the sweep over the runs that are timed for the slow ways."""
        return ("-m", *self.run, _swept(self.timed_rates), _seeds(1))

    def linear_sweep(self) -> tuple[str, ...]:
        """The arguments of a sweep over a linear model: four rates, many seeds."""
        short = ("model=linear", "batch_size=256", "epochs=2")
        return ("-m", *short, _swept((0.3, 0.1, 0.03, 0.01)), _seeds(self.linear_seeds))


def _swept(rates: tuple[float, ...]) -> str:
    return f"optimizer.learning_rate={','.join(map(str, rates))}"


def _seeds(count: int) -> str:
    return f"seed={','.join(map(str, range(count)))}"


FULL = Work(
    run=("model.widths=[64]", "epochs=5", "batch_size=32"),
    rates=(
        *(0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.02, 0.03),
        *(0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7),
    ),
    timed_rates=(0.001, 0.01, 0.1, 0.5),
    seeds=4,
    networks=("64-64-10", "784-64-10"),
    lanes=(1, 4, 16, 64, 256),
    window=0.7,
    linear_seeds=250,
)
SMALL = Work(
    run=("model=linear", "steps=2", "batch_size=full"),
    rates=(0.01, 0.1),
    timed_rates=(0.01, 0.1),
    seeds=1,
    networks=("64-4-10",),
    lanes=(2,),
    window=0.0,
    linear_seeds=1,
)
"""What `--small` measures: enough to see that every way works."""


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
        started = time.perf_counter()
        command = [sys.executable, "-m", "runner", *arguments]
        with subprocess.Popen(
            command, cwd=directory, env=environment, stdout=-3, stderr=-3
        ) as running:
            _, status, used = os.wait4(running.pid, 0)
            running.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
    assert running.returncode == 0, f"runner {' '.join(arguments)}: exit {running.returncode}"
    return Cost(seconds, used.ru_maxrss * (1024 if sys.platform == "linux" else 1))


def population_cold(work: Work) -> float:
    with tempfile.TemporaryDirectory() as cache:
        return process(*work.sweep(), cache=Path(cache)).seconds


def population_warm(work: Work, cache: Path) -> float:
    return process(*work.sweep(), cache=cache).seconds


def basic_launcher(work: Work) -> float:
    """Hydra's own launcher: one process, one run after the other, each compiled."""
    callback = "+hydra.callbacks.forget._target_=tests.bench.forget.Forget"
    timed = work.timed_sweep()
    start = process(*timed, "dry_run=true", cache=None).seconds
    whole = process(*timed, "hydra/launcher=basic", callback, cache=None).seconds
    return start + (whole - start) * work.runs / len(work.timed_rates)


def fresh_processes(work: Work) -> float:
    """A process for each run, which compiles it."""
    timed = work.timed_rates[1:3]
    runs = [process(*work.run, _swept((rate,)), cache=None) for rate in timed]
    return sum(run.seconds for run in runs) * work.runs / len(runs)


def whole_sweeps(work: Work, rounds: int) -> dict[str, list[float]]:
    """Seconds of all runs of the sweep in every way, round by round."""
    with tempfile.TemporaryDirectory() as cache:
        population_warm(work, Path(cache))
        ways: dict[str, Callable[[], float]] = {
            "population, programs compiled before": lambda: population_warm(work, Path(cache)),
            "population": lambda: population_cold(work),
            "basic launcher": lambda: basic_launcher(work),
            "fresh processes": lambda: fresh_processes(work),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, measure in ways.items():
                times[way].append(measure())
                print(f"  {way}: {times[way][-1]:.1f} s", file=sys.stderr, flush=True)
    return times


def growth(work: Work, rounds: int) -> Growth:
    """Seconds of a step of all lanes, by network, way and number of lanes, round by round."""
    workers = {
        way: subprocess.Popen(
            [sys.executable, "-m", "tests.bench.lanes_worker", *arguments, str(work.window)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for way, arguments in WAYS.items()
    }
    found: Growth = {
        network: {way: {lanes: [] for lanes in work.lanes} for way in WAYS}
        for network in work.networks
    }
    try:
        for number in range(rounds):
            for network in work.networks:
                for lanes in work.lanes:
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


def linear_runs(work: Work) -> Cost:
    """The sweep of a linear model (1,000 runs in full), everything counted."""
    with tempfile.TemporaryDirectory() as cache:
        return process(*work.linear_sweep(), cache=Path(cache))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="write the page (and a picture beside it)")
    parser.add_argument("--small", action="store_true", help="few runs and lanes, in one round")
    arguments = parser.parse_args()
    described = machine()
    work, rounds = (SMALL, 1) if arguments.small else (FULL, arguments.rounds)
    sweeps = whole_sweeps(work, rounds)
    populations = growth(work, rounds)
    linear = [linear_runs(work) for _ in range(min(rounds, 3))]
    seconds = statistics.median(cost.seconds for cost in linear)
    memory = max(cost.memory for cost in linear)
    picture = arguments.output.with_suffix(".png") if arguments.output else None
    text = page(sweeps, populations, (seconds, memory), described, picture)
    print(text)
    if arguments.output:
        arguments.output.write_text(text)
        assert picture is not None
        draw(populations, picture)


if __name__ == "__main__":
    main()
