"""The parts of the benchmark, and how the time is divided among them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import jax

from tests.bench.accelerator import convolution, lanes, page, pytorch, training
from tests.bench.accelerator.device import described
from tests.bench.accelerator.result import SMALL, WHOLE, Part, Result
from tests.bench.accelerator.wheels import UnusableError

PARTS: dict[str, Part] = {
    "training": training.measure,
    "pytorch": pytorch.measure,
    "convolution": convolution.measure,
    "lanes": lanes.measure,
}
SHARES = {"training": 150, "pytorch": 110, "convolution": 30, "lanes": 160}
"""The seconds of each part. What a part does not use is left to those after it."""


def check_device(*, small: bool) -> None:
    """Check that there is an accelerator.

    Raises:
        UnusableError: JAX finds none, and not only a try is wanted.
    """
    if not small and jax.default_backend() == "cpu":
        raise UnusableError(
            "JAX finds no accelerator here, only a CPU; ARGS=--small tries the program on it"
        )


def print_results(part: str) -> None:
    """Measure a part; each number is a line of JSON on standard output, printed at once."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not appear among the numbers
    for result in PARTS[part](WHOLE):
        print(json.dumps(result), file=answers)


def measure_here() -> list[Result]:
    """Measure the little of `SMALL` within this process."""
    return [result for part in PARTS.values() for result in part(SMALL)]


def measure(folder: Path | None, seconds: float) -> list[Result]:
    """Measure every part in a process of its own, which ends when its time is over.

    Args:
        folder: holds wheels that the processes may need.
        seconds: the time for all of them.
    """
    results: list[Result] = []
    end, left = time.monotonic() + seconds, sum(SHARES.values())
    for part, share in SHARES.items():
        limit = (end - time.monotonic()) * share / left
        left -= share
        print(f"{part}: up to {limit:.0f} s", file=sys.stderr, flush=True)
        results += _in_a_process(part, folder, limit)
    return results


def _in_a_process(part: str, folder: Path | None, limit: float) -> list[Result]:
    command = [sys.executable, "-m", "tests.bench.accelerator", "--part", part]
    if folder is not None:
        command += ["--wheels", str(folder)]
    reason = ""
    with tempfile.TemporaryFile("w+") as numbers, tempfile.TemporaryFile("w+") as errors:
        try:
            done = subprocess.run(command, stdout=numbers, stderr=errors, timeout=limit)
            if done.returncode:
                errors.seek(0)
                said = errors.read().strip().splitlines() or [f"exit code {done.returncode}"]
                reason = said[-1][:200]
        except subprocess.TimeoutExpired:
            reason = f"its {limit:.0f} s were over"
        numbers.seek(0)
        results = [Result(*json.loads(line)) for line in numbers if line.endswith("\n")]
    if reason:
        results.append(Result(part, "the rest", "", None, reason))
    return results


def report(results: list[Result], seconds: float, *, small: bool) -> str:
    """Make the page.

    Args:
        results: all that was measured.
        seconds: how long it took.
        small: whether it was only a try.
    """
    root = os.environ.get("RUNNER_DATA_DIR")
    held = bool(root) and (Path(str(root)) / "mnist").is_dir()
    data = "MNIST" if held else "noise of MNIST's shape"
    made = f"{described()}; {data}; {seconds:.0f} s; {date.today()}"
    return page.page(results, jax.devices()[0].device_kind, made, SMALL if small else WHOLE)
