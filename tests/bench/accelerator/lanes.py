"""Many runs side by side with `vmap`: the time of a step, and memory beside what is predicted."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import jax

from tests.bench.accelerator.engine import Engine
from tests.bench.accelerator.result import Result, Scale, in_a_line

TIME, PEAK, PREDICTED = "us a step of all runs", "peak MiB", "predicted MiB"


def measure(scale: Scale) -> Iterator[Result]:
    """Time and memory for each number of runs, the smallest first: a peak only grows."""
    for workload in scale.networks:
        table = f"lanes: {workload.name}"
        for lanes in scale.lanes:
            row = str(lanes)
            try:
                engine = Engine(workload, lanes)
                times = [engine.seconds() for _ in range(scale.rounds)]
            except Exception as error:
                yield Result(table, row, TIME, None, in_a_line(error))
                break
            yield Result(table, row, TIME, 1e6 * statistics.median(times))
            yield Result(table, row, PREDICTED, engine.predicted / 2**20)
            used = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
            if used is None:
                yield Result(table, row, PEAK, None, "the device does not say")
            else:
                yield Result(table, row, PEAK, used / 2**20)
            del engine
