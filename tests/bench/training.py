"""`make bench`: steps per second of training, the runner beside its peers.

Every contender is a process of its own, prepared once. Then they train in turn, a window of about
two seconds each, round after round, so that whatever else the machine does hits all of them. What
is compared is the ratio within a round; the table gives its median over the rounds.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.bench.report import Result, page
from tests.bench.workloads import WORKLOADS, Workload

CONTENDERS = (
    "runner_itself",
    "bare_scan",
    "bare_loss_only",
    "pytorch",
    "pytorch_fused",
    "lightning_loop",
    "keras_jax",
)


class Worker:
    """One contender, ready to train."""

    def __init__(self, contender: str, workload: Workload) -> None:
        # Some tools need hundreds of times as long for a step; their windows are shorter.
        scans = contender in ("runner_itself", "bare_scan", "bare_loss_only")
        self.contender = contender
        self.steps = workload.steps if scans else max(workload.steps // 5, 10)
        self.said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the process
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.worker", contender, workload.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            text=True,
        )

    def ready(self) -> bool:
        assert self.process.stdout is not None
        return self.process.stdout.readline() == "ready\n"

    def why(self) -> str:
        self.said.seek(0)
        return (self.said.read().strip().splitlines() or ["it ended"])[-1]

    def microseconds(self) -> float:
        """Train for a window; the time of one step."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(self.steps, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline()) / self.steps * 1e6

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def measure(workload: Workload, contenders: list[str], rounds: int) -> dict[str, Result]:
    workers = []
    for contender in contenders:
        worker = Worker(contender, workload)
        if worker.ready():
            workers.append(worker)
        else:
            print(f"  {contender}: left out: {worker.why()}", file=sys.stderr)
    times: dict[str, list[float]] = {worker.contender: [] for worker in workers}
    try:
        for number in range(1, rounds + 1):
            for worker in workers:
                times[worker.contender].append(worker.microseconds())
            shown = ", ".join(f"{name} {values[-1]:,.0f}" for name, values in times.items())
            print(f"  round {number}/{rounds}: {shown} us/step", file=sys.stderr, flush=True)
    finally:
        for worker in workers:
            worker.close()
    base = times["runner_itself"]
    return {
        name: Result(
            fastest=min(values),
            ratio=statistics.median(x / y for x, y in zip(values, base, strict=True)),
            lowest=min(x / y for x, y in zip(values, base, strict=True)),
            highest=max(x / y for x, y in zip(values, base, strict=True)),
        )
        for name, values in times.items()
    }


def machine() -> str:
    """The machine and the versions, in a line."""
    model = platform.processor() or platform.machine()
    cpu = Path("/proc/cpuinfo")
    if cpu.exists():
        names = [line for line in cpu.read_text().splitlines() if line.startswith("model name")]
        model = f"{len(names)} x {names[0].partition(':')[2].strip()}" if names else model
    found = []
    for package in ("jax", "torch", "lightning", "keras"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    load = f"load average {os.getloadavg()[0]:.1f} before the first round"
    python = f"Python {platform.python_version()}"
    return f"{model}; {load}; {python}, {', '.join(found)}; {date.today()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", nargs="*", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--contenders", nargs="*", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, help="also write the page to this file")
    arguments = parser.parse_args()
    described = machine()
    results = {}
    for name in arguments.workloads:
        print(name, file=sys.stderr)
        results[name] = measure(WORKLOADS[name], arguments.contenders, arguments.rounds)
    text = page(results, described, arguments.rounds)
    print(text)
    if arguments.output:
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
