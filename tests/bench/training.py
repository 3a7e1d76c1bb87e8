"""`make bench`: steps per second of training, the runner beside its peers.

Every contender is a process of its own, prepared once. Then they train in turn, a window of about
two seconds each, round after round, so that whatever else the machine does hits all of them. What
is compared is the ratio within a round; the table gives its median over the rounds.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.bench import kernels, products
from tests.bench.report import Times, order, page
from tests.bench.worker import use_few_cores
from tests.bench.workloads import LISTED, SMALL_LISTED, SMALL_WORKLOADS, WORKLOADS, Workload

CONTENDERS = {
    "runner_itself": "jax",
    "runner_default": "jax",
    "bare_scan": "jax",
    "bare_loss_only": "jax",
    "bare_norms": "jax",
    "products": "jax",
    "pytorch": "torch",
    "pytorch_fused": "torch",
    "lightning_loop": "lightning",
    "keras_jax": "keras",
}
"""What is measured, each with the package that it needs."""


def installed(contender: str) -> bool:
    """Whether the package of a contender is installed here."""
    return importlib.util.find_spec(CONTENDERS[contender]) is not None


class Worker:
    """One contender, ready to train."""

    def __init__(self, contender: str, workload: Workload) -> None:
        # Some tools take hundreds of times as long for a step; their windows are shorter.
        one_program = CONTENDERS[contender] == "jax"
        self.contender = contender
        self.steps = workload.steps if one_program else max(workload.steps // 5, 10)
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the process
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.worker", contender, workload.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        if self._answer() != "ready":
            raise self._failed()

    def microseconds(self) -> float:
        """Train for a window; the time of one step."""
        assert self.process.stdin is not None
        print(self.steps, file=self.process.stdin, flush=True)
        answer = self._answer()
        if not answer:
            raise self._failed()
        return float(answer) / self.steps * 1e6

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip()

    def _failed(self) -> RuntimeError:
        self.errors.seek(0)
        return RuntimeError(f"the contender {self.contender} ended:\n{self.errors.read()}")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def measure(workload: Workload, contenders: list[str], rounds: int) -> Times:
    """Let the contenders train in turn, round after round.

    Raises:
        RuntimeError: a contender failed.
    """
    workers: list[Worker] = []
    times: dict[str, list[float]] = {contender: [] for contender in contenders}
    try:
        for contender in contenders:
            workers.append(Worker(contender, workload))
        for number in range(1, rounds + 1):
            for worker in workers:
                times[worker.contender].append(worker.microseconds())
            shown = ", ".join(f"{name} {values[-1]:,.0f}" for name, values in times.items())
            print(f"  round {number}/{rounds}: {shown} us/step", file=sys.stderr, flush=True)
    finally:
        for worker in workers:
            worker.close()
    return times


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
    parser.add_argument("--small", action="store_true", help="a few steps of small workloads")
    parser.add_argument("--output", type=Path, help="also write the page to this file")
    arguments = parser.parse_args()
    described = machine()
    contenders = list(filter(installed, arguments.contenders))
    for contender in set(arguments.contenders) - set(contenders):
        print(f"{contender}: left out: {CONTENDERS[contender]} is not installed", file=sys.stderr)
    workloads = [WORKLOADS[name] for name in arguments.workloads]
    rounds = arguments.rounds
    if arguments.small:
        workloads, rounds = list(SMALL_WORKLOADS.values()), 1
    results = {}
    for workload in workloads:
        print(workload.name, file=sys.stderr)
        able = workload.contenders or contenders
        results[workload] = measure(workload, [c for c in contenders if c in able], rounds)
    use_few_cores()
    drawing = kernels.order_milliseconds(workloads[0].examples)
    details = [
        order(results, *drawing),
        kernels.section(SMALL_LISTED if arguments.small else LISTED),
        *(
            products.section(workload, {name: min(of) for name, of in times.items()})
            for workload, times in results.items()
        ),
    ]
    text = page(results, described, rounds, details)
    print(text)
    if arguments.output:
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
