"""The hand-written scan, returning the loss of each step and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from tests.bench.contenders import bare_scan
from tests.bench.workloads import Workload


def prepare(workload: Workload) -> Callable[[int], float]:
    return bare_scan.prepare(workload, error=False)
