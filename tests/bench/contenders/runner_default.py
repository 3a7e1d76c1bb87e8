"""The runner as it is, with norms at 2,000 steps of the run: in all of a short one."""

from __future__ import annotations

from collections.abc import Callable

from tests.bench.contenders import runner_itself
from tests.bench.workloads import Workload


def prepare(workload: Workload) -> Callable[[int], float]:
    return runner_itself.prepare(workload, measure_every=None)
