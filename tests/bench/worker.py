"""A process that prepares one contender and trains on request.

`python -m tests.bench.worker CONTENDER WORKLOAD` prints `ready`. Then it reads numbers of steps
from standard input, one a line, and answers each with the seconds that these steps took.
"""

from __future__ import annotations

import importlib
import os
import sys

from tests.bench.workloads import SMALL_WORKLOADS, WORKLOADS

CORES = 2


def use_few_cores() -> None:
    """Leave the process `CORES` cores; to be called before JAX or PyTorch start their threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def main() -> None:
    use_few_cores()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the tools print must not appear among the answers
    contender, workload = sys.argv[1], (WORKLOADS | SMALL_WORKLOADS)[sys.argv[2]]
    run = importlib.import_module(f"tests.bench.contenders.{contender}").prepare(workload)
    print("ready", file=answers)
    for line in sys.stdin:
        print(run(int(line)), file=answers)


if __name__ == "__main__":
    main()
