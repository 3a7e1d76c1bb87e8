"""The same work in PyTorch on the same device, eager and compiled; with the fused Adam."""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator

from tests.bench.accelerator.result import Result, Scale, in_a_line
from tests.bench.accelerator.training import TABLE
from tests.bench.workloads import Workload

EAGER, COMPILED = "PyTorch", "PyTorch, `torch.compile`"


def measure(scale: Scale) -> Iterator[Result]:
    """The microseconds of a training step; products in TF32 where JAX's are."""
    missing = "" if importlib.util.find_spec("torch") else "PyTorch is not installed"
    for workload in scale.workloads:
        for row in (EAGER, COMPILED):
            try:
                value = None if missing else _timed(workload, scale, compiled=row == COMPILED)
            except Exception as error:
                yield Result(TABLE, row, workload.name, None, in_a_line(error))
                continue
            yield Result(TABLE, row, workload.name, value, missing)


def _timed(workload: Workload, scale: Scale, *, compiled: bool) -> float:
    seconds = _prepared(workload, compiled=compiled)
    steps = max(workload.steps // 100, 2)
    seconds(steps)  # compiles, and chooses algorithms
    per_step = seconds(steps) / steps
    steps = max(steps, min(int(scale.window / per_step), workload.steps))
    return 1e6 * statistics.median(seconds(steps) / steps for _ in range(scale.rounds))


def _prepared(workload: Workload, *, compiled: bool) -> Callable[[int], float]:
    import torch

    from tests.bench.contenders.pytorch import adam, network, tensors

    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    torch.set_float32_matmul_precision("high")
    images, labels = (tensor.to(device) for tensor in tensors(workload))
    model = network(workload).to(device)
    optimizer = adam(model.parameters(), fused=True)
    whole = len(labels) - len(labels) % workload.batch

    def loss(rows: torch.Tensor) -> torch.Tensor:
        logits = model(images[rows].float() / 255)
        return torch.nn.functional.cross_entropy(logits, labels[rows])

    loss_of = torch.compile(loss, mode="reduce-overhead") if compiled else loss

    def seconds(steps: int) -> float:
        if on_gpu:
            torch.cuda.synchronize()
        started = time.perf_counter()
        order, position = torch.randperm(len(labels), device=device), 0
        for _ in range(steps):
            rows = order[position : position + workload.batch]
            position = (position + workload.batch) % whole
            if position == 0:
                order = torch.randperm(len(labels), device=device)
            optimizer.zero_grad()
            loss_of(rows).backward()
            optimizer.step()
        if on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter() - started

    return seconds
