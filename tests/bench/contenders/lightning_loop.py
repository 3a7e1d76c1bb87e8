"""Lightning as its users write it: a DataLoader, and the TensorBoard logger on."""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import lightning
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tests.bench.contenders.pytorch import adam, network, tensors
from tests.bench.workloads import Workload

WARM_UP = 5


class Module(lightning.LightningModule):
    def __init__(self, workload: Workload) -> None:
        super().__init__()
        self.network = network(workload)

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        images, labels = batch
        loss = nn.functional.cross_entropy(self.network(images.float() / 255), labels)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return adam(self.parameters())


class Clock(lightning.Callback):
    """Times the steps after the first few."""

    started = seconds = 0.0
    steps = 0

    def on_train_batch_end(self, *arguments: Any) -> None:
        self.steps += 1
        if self.steps == WARM_UP:
            self.started = time.perf_counter()
        self.seconds = time.perf_counter() - self.started


def prepare(workload: Workload) -> Callable[[int], float]:
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(2)
    module = Module(workload)
    loader = DataLoader(TensorDataset(*tensors(workload)), workload.batch, shuffle=True)

    def run(steps: int) -> float:
        clock = Clock()
        with tempfile.TemporaryDirectory() as directory:
            lightning.Trainer(
                max_steps=steps + WARM_UP,
                max_epochs=-1,
                accelerator="cpu",
                logger=TensorBoardLogger(directory),
                callbacks=[clock],
                enable_progress_bar=False,
                enable_model_summary=False,
                enable_checkpointing=False,
            ).fit(module, loader)
        return clock.seconds / (clock.steps - WARM_UP) * steps

    return run
