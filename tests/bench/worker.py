"""A process that holds one contender ready and trains when it is told to.

`python -m tests.bench.worker CONTENDER WORKLOAD`: says `ready`, then answers every line on standard
input, a number of steps, with the seconds they took.
"""

from __future__ import annotations

import importlib
import os
import sys

from tests.bench.workloads import WORKLOADS

CORES = 2


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the tools print must not stand among the answers
    contender, workload = sys.argv[1], WORKLOADS[sys.argv[2]]
    run = importlib.import_module(f"tests.bench.contenders.{contender}").prepare(workload)
    print("ready", file=answers)
    for line in sys.stdin:
        print(run(int(line)), file=answers)


if __name__ == "__main__":
    main()
