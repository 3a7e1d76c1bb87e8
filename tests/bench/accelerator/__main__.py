"""`python -m tests.bench.accelerator`: every part in a process and a share of time of its own."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from tests.bench.accelerator import wheels
from tests.bench.accelerator.result import FAILED

BUDGET_SECONDS = 450


def main() -> int:
    """Measure and write the page; 1: a try failed, 2: this interpreter cannot."""
    parser = argparse.ArgumentParser(prog="tests.bench.accelerator", description=__doc__)
    parser.add_argument("--wheels", type=Path, help="a folder with pure-Python wheels")
    parser.add_argument("--output", type=Path, help="also write the page to this file")
    parser.add_argument("--seconds", type=int, default=BUDGET_SECONDS, help="when to end")
    parser.add_argument("--small", action="store_true", help="a few steps, on any device")
    parser.add_argument("--part", help="measure one part and print its numbers as JSON")
    arguments = parser.parse_args()
    # A process would reserve most of the device's memory; this way peaks can be read.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    try:
        wheels.use(arguments.wheels)
        from tests.bench.accelerator import parts  # imports what a wheel may hold

        if arguments.part:
            parts.print_results(arguments.part)
            return 0
        parts.check_device(small=arguments.small)
    except wheels.UnusableError as error:
        print(f"bench-accelerator: error: {error}", file=sys.stderr)
        return 2
    started, failed = time.monotonic(), False
    if arguments.small:
        results = parts.measure_here()
        failed = any(result.reason.startswith(FAILED) for result in results)
    else:
        results = parts.measure(arguments.wheels, arguments.seconds)
    text = parts.report(results, time.monotonic() - started, small=arguments.small)
    print(text)
    if arguments.output:
        arguments.output.write_text(text)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
