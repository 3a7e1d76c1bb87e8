"""A plain PyTorch loop: data in memory, batches by indexing, default Adam."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable

import torch
from torch import nn

from tests.bench.contenders import pytorch_sequences
from tests.bench.workloads import ADAM, RESIDUAL, Workload, images_and_labels


def network(workload: Workload) -> nn.Module:
    if workload.reads_rows:
        return pytorch_sequences.network(workload)
    if workload.network == RESIDUAL:
        return residual_network()
    layers: list[nn.Module] = []
    channels = 1
    for layer in workload.convolutions:
        padding = layer.size // 2 if layer.keeps_size else 0
        layers += [nn.Conv2d(channels, layer.channels, layer.size, padding=padding), nn.ReLU()]
        layers += [nn.MaxPool2d(layer.window)] * (layer.window > 1)
        channels = layer.channels
    layers.append(nn.Flatten())
    sizes = [workload.flattened, *workload.widths]
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 10))


class Block(nn.Module):
    """Two convolutions, and the identity with channels of zeros beside them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.missing, self.stride = outputs - inputs, stride

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        shortcut = images[:, :, :: self.stride, :: self.stride]
        shortcut = nn.functional.pad(shortcut, (0, 0, 0, 0, 0, self.missing))
        return torch.relu(self.branch(images) + shortcut)


def residual_network() -> nn.Sequential:
    first = [nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    blocks = [Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2)]
    last = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(*first, *blocks, *last)


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
