"""What a training step executes: the kernels of the runner's compiled loop beside the bare loop's.

XLA compiles the body of a loop to a list of kernels, each of which is started once a step. The list
is read from the optimized program, so it is that of the machine and the versions at hand; the times
are from a profile, in which every kernel is a little slower than without.
"""

from __future__ import annotations

import collections
import gzip
import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax

from runner.config.build import build
from runner.engine.lanes import as_array
from runner.engine.placement import place
from runner.engine.state import Timeline
from runner.engine.train import STEPS_PER_CALL, initial_state, take_steps
from runner.experiment.plan import tabulated
from runner.options.sampling import permutation
from tests.bench.contenders import bare_scan, runner_itself
from tests.bench.settings import config
from tests.bench.workloads import Workload

NO_KERNEL = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast"}
"""Instructions that only name what others have computed."""

FRAME = r"^(\d+) \{file_name_id=\d+ function_name_id=(\d+)"


class Kernel(NamedTuple):
    """One instruction of a loop's body."""

    name: str  # in the program, and in a profile
    shape: str  # of its result
    operation: str  # the last operation that is fused into it
    function: str  # where that operation was written

    @property
    def purpose(self) -> tuple[str, str]:
        """What makes it the same kernel in two programs."""
        return self.shape, self.operation


def kernels(program: str) -> list[Kernel]:
    """The kernels of a training step, from the text of an optimized program.

    Where a program has several loops over steps, such as one that measures norms beside one that
    does not, it is the loop with the fewest.

    Raises:
        ValueError: no loop of the program computes a gradient.
    """
    names = re.findall(r"body=%([\w.-]+)", program)
    bodies = [re.search(rf"^%{re.escape(name)} .*?^}}", program, re.M | re.S) for name in names]
    steps = [body[0] for body in bodies if body and "transpose(jvp" in body[0]]
    if not steps:
        raise ValueError("no loop of the program computes a gradient")
    functions = _functions(program)
    lists = [[_kernel(line, functions) for line in step.splitlines()] for step in steps]
    return min(([each for each in found if each] for found in lists), key=len)


def beyond(some: list[Kernel], others: list[Kernel]) -> list[Kernel]:
    """The kernels that have no counterpart among others."""
    left = collections.Counter(kernel.purpose for kernel in others)
    found = []
    for kernel in some:
        if left[kernel.purpose] > 0:
            left[kernel.purpose] -= 1
        else:
            found.append(kernel)
    return found


def microseconds(run: Callable[[], Any]) -> dict[str, float]:
    """The median time of every kernel that `run` executes, by its name."""
    options = jax.profiler.ProfileOptions()
    options.host_tracer_level, options.python_tracer_level = 3, 0
    with tempfile.TemporaryDirectory() as directory:
        with jax.profiler.trace(directory, profiler_options=options):
            jax.block_until_ready(run())
        (trace,) = Path(directory).rglob("*.trace.json.gz")
        events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    times = collections.defaultdict(list)
    for event in events:
        if "dur" in event:
            times[event["name"]].append(float(event["dur"]))
    return {name: statistics.median(values) for name, values in times.items()}


def runner_program(workload: Workload) -> tuple[str, Callable[[], Any]]:
    """The runner's compiled loop as text, and a function that runs some of its steps."""
    experiment = build(config(workload) | {"measure_every": workload.steps})
    arrays = place(experiment, runner_itself.dataset(workload))
    leaves = jax.tree.map(as_array, experiment)
    state = jax.jit(initial_state)(leaves, arrays)
    steps = min(workload.steps, STEPS_PER_CALL)
    timeline = Timeline(
        0, 0, 2 * steps, 1.0, tabulated(experiment.phases()), measure_every=workload.steps
    )
    compiled = jax.jit(take_steps).lower(leaves, arrays, state, 0, 0, timeline).compile()
    return compiled.as_text() or "", lambda: compiled(leaves, arrays, state, 0, steps, timeline)


def bare_program(workload: Workload) -> tuple[str, Callable[[], Any]]:
    """The bare loop, in the same way."""
    train, state = bare_scan.program(workload)
    key = jax.random.key(0)
    compiled = jax.jit(train).lower(state, key).compile()
    return compiled.as_text() or "", lambda: compiled(state, key)


def order_milliseconds(examples: int, repetitions: int = 5) -> tuple[float, float]:
    """The least time to draw the order of an epoch: by the runner, and by `jax.random`."""
    found = []
    for draw in (permutation, jax.random.permutation):
        compiled = jax.jit(draw, static_argnums=1).lower(jax.random.key(0), examples).compile()
        times = []
        for seed in range(repetitions):
            key = jax.block_until_ready(jax.random.key(seed))
            started = time.perf_counter()
            jax.block_until_ready(compiled(key))
            times.append(time.perf_counter() - started)
        found.append(min(times) * 1e3)
    return found[0], found[1]


def section(workload: Workload) -> str:
    """The part of the page that lists the kernels of a workload, in Markdown."""
    (ours, run), (bare, run_bare) = runner_program(workload), bare_program(workload)
    lists = kernels(ours), kernels(bare)
    times = microseconds(run), microseconds(run_bare)
    totals = [
        sum(of.get(kernel.name, 0) for kernel in found)
        for found, of in zip(lists, times, strict=True)
    ]
    lines = [
        f"## What a step executes: {workload.name}",
        "",
        f"A step without norms is {len(lists[0])} kernels, {totals[0]:.0f} microseconds in a "
        f"profile; one of the bare loop with loss and error {len(lists[1])}, {totals[1]:.0f} "
        f"microseconds. Of the runner's, the longest are {_longest(lists[0], times[0])}. "
        "These have no counterpart in the other loop:",
        "",
        "| in | kernel | result | written in | microseconds |",
        "|---|---|---|---|---|",
        *_rows("the runner", beyond(lists[0], lists[1]), times[0]),
        *_rows("the bare loop", beyond(lists[1], lists[0]), times[1]),
    ]
    return "\n".join([*lines, ""])


def _rows(title: str, found: list[Kernel], times: dict[str, float]) -> list[str]:
    """A row of the table for every kernel."""
    return [
        f"| {title} | `{kernel.operation}` | {kernel.shape} | `{kernel.function}` "
        f"| {times.get(kernel.name, 0):.2f} |"
        for kernel in found
    ]


def _longest(found: list[Kernel], times: dict[str, float]) -> str:
    """The three kernels that take most of the time."""
    ordered = sorted(found, key=lambda kernel: -times.get(kernel.name, 0))[:3]
    return ", ".join(f"`{kernel.function}` ({times.get(kernel.name, 0):.1f})" for kernel in ordered)


def _kernel(line: str, functions: dict[str, str]) -> Kernel | None:
    """The kernel in a line of a loop's body; None if the line executes nothing."""
    found = re.match(r"  (?:ROOT )?%([\w.-]+) = (\(.*?\)|\S+) ([\w-]+)\(", line)
    if not found or found[3] in NO_KERNEL:
        return None
    name, shape, kind = found.groups()
    path = re.search(r'op_name="[^"]*body/(?:closed_call/)?(?:jit\(update\)/)?([^"]*)"', line)
    operation = path[1] if path else kind
    frame = re.search(r"stack_frame_id=(\d+)", line)
    shape = re.sub(r"\{[^}]*\}|/\*.*?\*/", "", shape)
    return Kernel(name, shape, operation, functions.get(frame[1], "") if frame else "XLA")


def _functions(program: str) -> dict[str, str]:
    """The name of the function of every stack frame, from the tables at the program's start."""
    tables: dict[str, dict[str, str]] = {}
    patterns = {
        "FunctionNames": r'^(\d+) "(.*)"$',
        "FileLocations": FRAME,
        "StackFrames": r"^(\d+) \{file_location_id=(\d+)",
    }
    for title, pattern in patterns.items():
        table = re.search(rf"^{title}\n(.*?)\n\n", program, re.M | re.S)
        tables[title] = dict(re.findall(pattern, table[1], re.M)) if table else {}
    names, places, frames = (tables[title] for title in patterns)
    return {
        frame: names[places[place]].replace("<locals>.", "")
        for frame, place in frames.items()
        if places.get(place) in names
    }
