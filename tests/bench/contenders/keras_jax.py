"""Keras on JAX: `model.fit` on arrays in memory, the loss of each epoch logged for TensorBoard.

Keras's own TensorBoard callback needs TensorFlow even where JAX computes. By default it writes the
loss once an epoch; the callback below does the same with the runner's writer of event files.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
from keras import layers

from runner.record.events import EventFile
from tests.bench.workloads import ADAM, Workload, images_and_labels

WARM_UP = 5


def network(workload: Workload) -> keras.Model:
    hidden: list[Any] = []
    for layer in workload.convolutions:
        padding = "same" if layer.keeps_size else "valid"
        hidden.append(layers.Conv2D(layer.channels, layer.size, padding=padding, activation="relu"))
        hidden += [layers.MaxPooling2D(layer.window)] * (layer.window > 1)
    hidden.append(layers.Flatten())
    hidden += [layers.Dense(width, activation="relu") for width in workload.widths]
    scale = layers.Rescaling(1 / 255)
    return keras.Sequential([keras.Input((28, 28, 1)), scale, *hidden, layers.Dense(10)])


class Clock(keras.callbacks.Callback):
    """Times the steps after the first few, ends the training, and logs the epochs."""

    def __init__(self, steps: int, directory: Path) -> None:
        super().__init__()
        self.events = EventFile(directory)
        self.left, self.started, self.seconds = steps + WARM_UP, 0.0, 0.0
        self.counted = -WARM_UP

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.counted += 1
        self.left -= 1
        if self.counted == 0:
            self.started = time.perf_counter()
        self.seconds = time.perf_counter() - self.started
        if self.left <= 0:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        loss = np.array([[float((logs or {})["loss"])]])
        self.events.scalars(["epoch_loss"], np.array([epoch]), np.array([time.time()]), loss)
        self.events.flush()


def prepare(workload: Workload) -> Callable[[int], float]:
    images, labels = images_and_labels(workload)
    model = network(workload)
    model.compile(
        keras.optimizers.Adam(ADAM["learning_rate"], ADAM["b1"], ADAM["b2"], ADAM["eps"]),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )

    def run(steps: int) -> float:
        rows = min((steps + WARM_UP) * workload.batch, len(labels))
        epochs = -(-(steps + WARM_UP) * workload.batch // rows)
        with tempfile.TemporaryDirectory() as directory:
            clock = Clock(steps, Path(directory))
            model.fit(
                images[:rows],
                labels[:rows],
                batch_size=workload.batch,
                epochs=epochs,
                callbacks=[clock],
                verbose=0,
            )
        return clock.seconds / clock.counted * steps

    run(10)
    return run
