"""The same PyTorch loop with the fused Adam."""

from __future__ import annotations

from collections.abc import Callable

from tests.bench.contenders import pytorch
from tests.bench.workloads import Workload


def prepare(workload: Workload) -> Callable[[int], float]:
    return pytorch.prepare(workload, fused=True)
