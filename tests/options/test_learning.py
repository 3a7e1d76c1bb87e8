"""Does it learn? Real data, real accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from conftest import compose
from engine_alone import initialize, leaves_as_arrays

from runner.engine.loop import Training
from runner.execution.run import run
from runner.experiment.table import OPTIONS


def test_digits_above_95_percent(tmp_path: Path) -> None:
    summary = run(compose({"epochs": 20}, optimizer="adam"), tmp_path, {})
    assert summary["final"]["test_error"] < 0.05


def test_the_same_config_and_seed_give_the_same_bits(tmp_path: Path) -> None:
    for name in ("a", "b"):
        experiment = compose({"epochs": 3}, optimizer="adam", normalization="batch")
        run(experiment, tmp_path / name, {})
    for curve in ("steps.npy", "epochs.npy"):
        first, second = (np.load(tmp_path / name / curve) for name in ("a", "b"))
        for column in first.dtype.names:
            if column != "seconds":
                np.testing.assert_array_equal(first[column], second[column])


@pytest.mark.slow
def test_mnist_above_97_percent_in_3_epochs(tmp_path: Path, data_directory: Path) -> None:
    experiment = compose(
        {"epochs": 3},
        data={"name": "mnist", "dir": str(data_directory / "mnist")},
        model={"widths": [512]},
        batch_size={"size": 128},
        optimizer="adam",
    )
    summary = run(experiment, tmp_path, {})
    assert summary["final"]["test_error"] < 0.03


@pytest.mark.slow
def test_a_cnn_with_batch_normalization_learns_digits(tmp_path: Path) -> None:
    experiment = compose({"epochs": 5}, model="cnn", normalization="batch", optimizer="adam")
    summary = run(experiment, tmp_path, {})
    assert summary["final"]["test_error"] < 0.05


def choices_for(name: str) -> dict[str, Any]:
    """The option with its defaults, in the run that it is meant for."""
    experiment = compose({"epochs": 5}, model="linear", optimizer=name)
    wants_everything = any(experiment.optimizer.cautions(experiment.facts()))
    # Without the short batch the program holds one copy of the step: half as long to compile.
    choices: dict[str, Any] = {"optimizer": name, "batch_size": {"drop_remainder": True}}
    choices["model"] = "mlp" if name == "muon" else "linear"
    if wants_everything:
        return {**choices, "batch_size": "full", "settings": {"epochs": 30}}
    return {**choices, "settings": {"epochs": 5}}


@pytest.mark.slow
def test_noise_on_the_gradient_leaves_a_start_from_zeros() -> None:
    """The claim of `experiment=gradient_noise`, in a third of its time."""
    losses = {}
    for eta in (0.0, 0.1):
        experiment = compose(
            {"epochs": 7, "evaluate_every": 7},
            model={"widths": [64, 64]},
            initializer="zeros",
            gradient={"name": "noise", "eta": eta},
            batch_size={"drop_remainder": True},
        )
        training = Training([experiment], experiment.data.load())
        epochs = np.concatenate([chunk.epochs for (chunk,) in training.chunks() if chunk])
        losses[eta] = epochs["train_loss"][-1]
    # Plain SGD learns the shares of the classes: the loss of guessing one of ten.
    assert losses[0.0] == pytest.approx(np.log(10), abs=0.02)
    assert losses[0.1] < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONS["optimizer"])
def test_every_optimizer_lowers_the_loss_with_its_defaults(name: str) -> None:
    """On digits; and numbers stay finite, and the state what it was in type and shape."""
    choices = choices_for(name)
    experiment = compose(choices.pop("settings"), **choices)
    training = Training([experiment], experiment.data.load())
    leaves = leaves_as_arrays(experiment)
    start = initialize(leaves, training.arrays)
    chunks = [chunk for (chunk,) in training.chunks() if chunk]
    steps = np.concatenate([chunk.steps for chunk in chunks])
    epochs = np.concatenate([chunk.epochs for chunk in chunks])
    assert len(steps) == training.total_steps
    assert all(np.isfinite(steps[column]).all() for column in steps.dtype.names)
    assert epochs["validation_loss"][-1] < 0.97 * epochs["validation_loss"][0]
    assert epochs["test_loss"][-1] < 0.97 * epochs["test_loss"][0]
    pairs = zip(jax.tree.leaves(start), training.state, strict=True)
    assert all(one.dtype == other.dtype and one.shape == other.shape for one, other in pairs)
