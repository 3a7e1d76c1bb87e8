"""`make bench-sweep`: what sharing a program saves, and how the time grows with the lanes.

Whole sweeps are timed as processes, from the command to the end. The slow ways take minutes, so
only some of their runs are timed, and the others are assumed to take as long; the start of a
process is counted once where there is one process. Populations are timed without start and
recording, by processes that keep them compiled. All ways take turns, round after round, and a ratio
is of two times of the same round. Sweeps of a linear model show how time, memory and open files
grow with the number of runs, beside a bare loop that makes the files of the same runs.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench.growth import in_this_process
from tests.bench.sweep_page import Cost, Growth, draw, linear_table, page
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
    ways: tuple[str, ...]
    """Some of `WAYS`."""
    lanes: tuple[int, ...]
    window: float
    """How many seconds a population trains for one measurement, at least."""
    linear_runs: tuple[int, ...]
    """How many runs the sweeps of a linear model have; divisible by the number of their rates."""
    in_processes: bool = True
    """Whether each command has a process of its own."""

    @property
    def runs(self) -> int:
        return len(self.rates) * self.seeds

    def sweep(self) -> tuple[str, ...]:
        """The arguments of the whole sweep."""
        return ("-m", *self.run, _swept(self.rates), _seeds(self.seeds))

    def timed_sweep(self) -> tuple[str, ...]:
        """The arguments of the sweep over the runs that are timed for the slow ways."""
        return ("-m", *self.run, _swept(self.timed_rates), _seeds(1))

    def command(self, *arguments: str, cache: Path | None, directory: Path | None = None) -> Cost:
        """Run `runner ARGUMENTS`; see `process`."""
        run = process if self.in_processes else within_this_process
        return run(*arguments, cache=cache, directory=directory)


def linear_sweep(runs: int) -> tuple[str, ...]:
    """The arguments of a sweep over a linear model: four rates, many seeds."""
    rates = (0.3, 0.1, 0.03, 0.01)
    short = ("model=linear", "batch_size=256", "epochs=2")
    return ("-m", *short, _swept(rates), _seeds(runs // len(rates)))


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
    ways=tuple(WAYS),
    lanes=(1, 4, 16, 64, 256),
    window=0.7,
    linear_runs=(100, 1_000, 3_000, 10_000),
)
SMALL = Work(
    run=("model=linear", "batch_size=256", "epochs=2"),
    rates=(0.3, 0.1, 0.03, 0.01),
    timed_rates=(0.3,),
    seeds=1,
    networks=("64-4-10",),
    ways=("map", "spread"),
    lanes=(2,),
    window=0.0,
    linear_runs=(4,),
    in_processes=False,
)
"""What `--small` measures: enough to see that every way works. All sweeps have the same program."""


def process(*arguments: str, cache: Path | None, directory: Path | None = None) -> Cost:
    """Run `runner ARGUMENTS` in an empty directory.

    Args:
        arguments: of the command.
        cache: keeps compiled programs.
        directory: the directory; by default a temporary one.
    """
    if directory is None:
        with tempfile.TemporaryDirectory() as temporary:
            return process(*arguments, cache=cache, directory=Path(temporary))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment["JAX_ENABLE_COMPILATION_CACHE"] = "false" if cache is None else "true"
    environment["JAX_COMPILATION_CACHE_DIR"] = str(cache)
    started = time.perf_counter()
    command = [sys.executable, "-m", "runner", *arguments]
    with subprocess.Popen(command, cwd=directory, env=environment, stdout=-3, stderr=-3) as running:
        most_files = [0]
        watch = threading.Thread(target=_count_files, args=(running.pid, most_files), daemon=True)
        watch.start()
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    assert running.returncode == 0, f"runner {' '.join(arguments)}: exit {running.returncode}"
    memory = used.ru_maxrss * (1024 if sys.platform == "linux" else 1)
    return Cost(seconds, memory, most_files[0])


def within_this_process(*arguments: str, cache: Path | None, directory: Path | None = None) -> Cost:
    """The same within this process, with the cache that it has."""
    if directory is None:
        with tempfile.TemporaryDirectory() as temporary:
            return within_this_process(*arguments, cache=cache, directory=Path(temporary))
    with contextlib.chdir(directory):
        seconds, memory = in_this_process(arguments)
    return Cost(seconds, round(memory * 2**20), 0)


def _count_files(process_id: int, most: list[int]) -> None:
    """Look at the open files of a process ten times a second, as long as it runs (Linux only)."""
    open_files = Path(f"/proc/{process_id}/fd")
    with contextlib.suppress(OSError):
        while True:
            most[0] = max(most[0], len(list(open_files.iterdir())))
            time.sleep(0.1)


def basic_launcher(work: Work) -> float:
    """Hydra's own launcher: one process, one run after the other, each compiled."""
    callback = "+hydra.callbacks.forget._target_=tests.bench.forget.Forget"
    timed = work.timed_sweep()
    start = work.command(*timed, "dry_run=true", cache=None).seconds
    whole = work.command(*timed, "hydra/launcher=basic", callback, cache=None).seconds
    return start + (whole - start) * work.runs / len(work.timed_rates)


def fresh_processes(work: Work, cache: Path, place: int) -> float:
    """A process for each run, which compiles its program unless it is in the cache.

    Args:
        work: how much is measured.
        cache: keeps compiled programs.
        place: which of `timed_rates` is run.
    """
    rate = _swept((work.timed_rates[place],))
    return work.command(*work.run, rate, cache=cache).seconds * work.runs


def whole_sweeps(work: Work, rounds: int, caches: Path) -> dict[str, list[float]]:
    """Seconds of all runs of the sweep in every way, round by round.

    Args:
        work: how much is measured.
        rounds: how often.
        caches: where each round keeps compiled programs.
    """
    times: dict[str, list[float]] = {}
    for number in range(rounds):
        cache = caches / str(number)

        def population(cache: Path = cache) -> float:
            return work.command(*work.sweep(), cache=cache).seconds

        def fresh(place: int, cache: Path = cache / "fresh") -> float:
            return fresh_processes(work, cache, place)

        ways: dict[str, Callable[[], float]] = {
            "population": population,
            "population, programs compiled before": population,
            "basic launcher": lambda: basic_launcher(work),
            "fresh processes": functools.partial(fresh, 0),
            "fresh processes, program compiled before": functools.partial(fresh, -1),
        }
        for way, measure in ways.items():
            times.setdefault(way, []).append(measure())
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
        if way in work.ways
    }
    found: Growth = {
        network: {way: {lanes: [] for lanes in work.lanes} for way in work.ways}
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


def linear_runs(work: Work, cache: Path) -> tuple[dict[int, Cost], float]:
    """Sweeps of a linear model, by their number of runs, and the seconds a run of a bare loop."""
    costs, bare = {}, math.inf
    with tempfile.TemporaryDirectory() as scratch:
        if len(work.linear_runs) > 1:
            work.command(*linear_sweep(work.linear_runs[0]), cache=cache)
        for runs in work.linear_runs:
            directory = Path(scratch, str(runs))
            directory.mkdir()
            costs[runs] = work.command(*linear_sweep(runs), cache=cache, directory=directory)
            bare = min(bare, bare_loop(directory, Path(scratch, "bare")))
            shutil.rmtree(directory)
            print(f"  {runs:,} runs: {costs[runs].seconds:.1f} s", file=sys.stderr, flush=True)
    return costs, bare


def bare_loop(sweep: Path, directory: Path) -> float:
    """Seconds a run of a loop that makes the folders and files of the runs of a sweep again."""
    runs = [summary.parent for summary in sweep.rglob("summary.json")][:1_000]
    contents = [
        {file.relative_to(run): file.read_bytes() for file in run.rglob("*") if file.is_file()}
        for run in runs
    ]
    started = time.perf_counter()
    for number, files in enumerate(contents):
        run = directory / str(number)
        (run / ".hydra").mkdir(parents=True)
        for name, content in files.items():
            (run / name).write_bytes(content)
    seconds = (time.perf_counter() - started) / len(runs)
    shutil.rmtree(directory)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="write the page (and a picture beside it)")
    parser.add_argument("--small", action="store_true", help="few runs and lanes, in one round")
    arguments = parser.parse_args()
    described = machine()
    work, rounds = (SMALL, 1) if arguments.small else (FULL, arguments.rounds)
    with tempfile.TemporaryDirectory() as caches:
        sweeps = whole_sweeps(work, rounds, Path(caches))
        populations = growth(work, rounds)
        linear, bare = linear_runs(work, Path(caches) / "0")
    picture = arguments.output.with_suffix(".png") if arguments.output else None
    text = page(sweeps, populations, linear_table(linear, bare), described, picture)
    print(text)
    if arguments.output:
        arguments.output.write_text(text)
        assert picture is not None
        draw(populations, picture)


if __name__ == "__main__":
    main()
