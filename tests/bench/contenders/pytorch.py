"""A plain PyTorch loop: data in memory, batches by indexing, default Adam."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable

import torch
from torch import nn

from tests.bench.workloads import ADAM, Workload, images_and_labels


def network(workload: Workload) -> nn.Sequential:
    if workload.network == "cnn":
        return nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10),
        )  # fmt: skip
    layers: list[nn.Module] = [nn.Flatten()]
    sizes = [784, *workload.widths]
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 10))


def adam(parameters: Iterable[torch.Tensor], *, fused: bool = False) -> torch.optim.Adam:
    betas = (ADAM["b1"], ADAM["b2"])
    extra = {"fused": True} if fused else {}
    return torch.optim.Adam(parameters, ADAM["learning_rate"], betas, ADAM["eps"], **extra)


def tensors(workload: Workload) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = images_and_labels(workload)
    return torch.from_numpy(images.copy()).permute(0, 3, 1, 2), torch.from_numpy(labels).long()


def prepare(workload: Workload, *, fused: bool = False) -> Callable[[int], float]:
    torch.set_num_threads(2)
    images, labels = tensors(workload)
    model = network(workload)
    optimizer = adam(model.parameters(), fused=fused)

    def run(steps: int) -> float:
        started = time.perf_counter()
        order, position = torch.randperm(len(labels)), 0
        for _ in range(steps):
            rows = order[position : position + workload.batch]
            position += workload.batch
            if position >= len(labels):
                order, position = torch.randperm(len(labels)), 0
            optimizer.zero_grad()
            logits = model(images[rows].float() / 255)
            loss = nn.functional.cross_entropy(logits, labels[rows])
            loss.backward()
            optimizer.step()
        loss.item()
        return time.perf_counter() - started

    run(max(workload.steps // 20, 2))
    return run
