"""The recurrent network and the transformer in PyTorch: an image is read row by row."""

from __future__ import annotations

import torch
from torch import nn

from tests.bench.workloads import Workload


class LSTM(nn.Module):
    """`torch.nn.LSTM` and an affine map of the last state."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(28, width, batch_first=True)
        self.logits = nn.Linear(width, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits(self.recurrent(images.squeeze(1))[0][:, -1])


class Transformer(nn.Module):
    """`torch.nn.TransformerEncoder` with a causal mask, and an affine map of the last step."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.embedding = nn.Linear(28, width)
        self.positions = nn.Parameter(torch.zeros(28, width), requires_grad=False)
        block = nn.TransformerEncoderLayer(
            width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        normalization = nn.LayerNorm(width)
        self.blocks = nn.TransformerEncoder(block, depth, normalization, enable_nested_tensor=False)
        self.logits = nn.Linear(width, 10)
        self.mask = nn.Transformer.generate_square_subsequent_mask(28)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        inputs = self.embedding(images.squeeze(1)) + self.positions
        return self.logits(self.blocks(inputs, mask=self.mask, is_causal=True)[:, -1])


def network(workload: Workload) -> nn.Module:
    """The network of a workload of sequences."""
    if workload.network == "lstm":
        return LSTM(workload.widths[0])
    return Transformer(workload.widths[0], depth=2)
