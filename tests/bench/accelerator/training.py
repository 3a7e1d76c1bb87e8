"""The workloads: a bare loop and the runner in both precisions, in turn within one process."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator

from tests.bench.accelerator.engine import Engine
from tests.bench.accelerator.result import Result, Scale, in_a_line
from tests.bench.contenders import bare_scan
from tests.bench.workloads import Workload

TABLE = "training"
BARE, RUNNER, BFLOAT16 = "bare `lax.scan`, loss and error", "runner", "runner, `precision=bfloat16`"


def measure(scale: Scale) -> Iterator[Result]:
    """The microseconds of a training step."""
    for workload in scale.workloads:
        ready: dict[str, Callable[[], float]] = {}
        for row in (BARE, RUNNER, BFLOAT16):
            try:
                ready[row] = _prepared(row, workload)
            except Exception as error:
                yield Result(TABLE, row, workload.name, None, in_a_line(error))
        times: dict[str, list[float]] = {row: [] for row in ready}
        for _ in range(scale.rounds):
            for row, seconds in ready.items():
                times[row].append(1e6 * seconds())
        for row, found in times.items():
            yield Result(TABLE, row, workload.name, statistics.median(found))


def _prepared(row: str, workload: Workload) -> Callable[[], float]:
    if row == BARE:
        run = bare_scan.prepare(workload)
        return lambda: run(workload.steps) / workload.steps
    return Engine(workload, precision="bfloat16" if row == BFLOAT16 else "float32").seconds
