"""What evaluations measure, against NumPy: at an average of the parameters, and on all of train."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from conftest import compose
from engine_alone import Engine

from runner.compare.curve import curve
from runner.compare.runs import Run
from runner.data import Dataset, Split
from runner.engine.evaluation import evaluated
from runner.execution.run import run
from runner.record.summary import read_summary

EPSILON = 1e-5
TRAIN, SLABS = 1101, 3  # slabs of at most 500; the last one of an evaluation overlaps


def forward(params: dict, statistics: dict, inputs: np.ndarray) -> np.ndarray:
    """A hidden layer with batch normalization, and the logits."""
    gain = params["hidden_1"]["normalization"]["gain"]
    shift = params["hidden_1"]["normalization"]["shift"]
    units = inputs @ params["hidden_1"]["dense"]["kernel"] - statistics["mean"]
    normal = units / np.sqrt(statistics["variance"] + EPSILON) * gain + shift
    return np.maximum(normal, 0) @ params["logits"]["kernel"] + params["logits"]["bias"]


def loss_and_error(logits: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    shifted = logits - logits.max(1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    loss = -log_probabilities[np.arange(len(targets)), targets].mean()
    return loss, (logits.argmax(1) != targets).mean()


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Images in the order of their classes, as a file may have them."""
    random = np.random.default_rng(0)
    prototypes = random.integers(0, 17, (3, 4, 4, 1))

    def split(examples: int) -> Split:
        targets = np.sort(random.integers(0, 3, examples)).astype(np.int32)
        noise = random.integers(-6, 7, (examples, 4, 4, 1))
        return Split(np.clip(prototypes[targets] + noise, 0, 16).astype(np.uint8), targets)

    return Dataset(split(TRAIN), split(80), split(40))


@pytest.mark.parametrize(
    ("optimizer", "statistics"), [("averaged", "moving_average"), ("sgd", "training_set")]
)
def test_statistics_are_those_of_the_evaluated_parameters(
    optimizer: str, statistics: str, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Means over slabs that are spread over the training set, as the documentation says.

    They are of an average of the parameters, or on request, and then of the whole set.
    """
    if statistics == "training_set":
        monkeypatch.setattr("runner.engine.evaluation.STATISTICS_SLABS", 1)
    experiment = compose(
        {"evaluate_train": True},
        model={"widths": [5]},
        normalization={"name": "batch", "epsilon": EPSILON, "statistics": statistics},
        optimizer=(
            {"name": "averaged", "base": {"name": "sgd", "learning_rate": 0.5}}
            if optimizer == "averaged"
            else {"name": "sgd", "learning_rate": 0.5}
        ),
        batch_size={"size": TRAIN // SLABS},
    )
    with jax.enable_x64(True):
        engine = Engine(experiment, data)
        measured = engine.advance(0, 2 * SLABS, 2 * SLABS).epochs
        averages = jax.device_get(engine.state.layers["hidden_1"]["normalization"])
        params = jax.device_get(
            engine.state.params if optimizer == "sgd" else engine.state.optimizer.average
        )
    low, high = data.train.inputs.min(), data.train.inputs.max()

    def prepared(split: Split) -> np.ndarray:
        return ((split.inputs - low) / float(high - low)).reshape(len(split.targets), -1)

    units = prepared(data.train) @ params["hidden_1"]["dense"]["kernel"]
    slabs = [units[first::SLABS] for first in range(SLABS)]
    own = {
        "mean": np.mean([slab.mean(0) for slab in slabs], axis=0),
        "variance": np.mean([slab.var(0, ddof=1) for slab in slabs], axis=0),
    }
    for name, split in (
        ("training_set", data.train),
        ("validation", data.validation),
        ("test", data.test),
    ):
        loss, error = loss_and_error(forward(params, own, prepared(split)), split.targets)
        np.testing.assert_allclose(measured[f"{name}_loss"][2], loss, rtol=1e-9)
        np.testing.assert_allclose(measured[f"{name}_error"][2], error, rtol=1e-9)
        stale, _ = loss_and_error(forward(params, averages, prepared(split)), split.targets)
        assert abs(stale - loss) > 1e-2 * loss, "the moving averages belong to other parameters"


@pytest.mark.parametrize(
    "choices",
    [
        {"optimizer": "sgd", "normalization": "batch"},
        {"optimizer": {"name": "sam", "base": "sgd"}, "normalization": "batch"},
        {"optimizer": "averaged", "normalization": "layer"},
    ],
)
def test_others_are_evaluated_with_the_state_that_training_left(
    choices: dict[str, Any], tiny: Dataset
) -> None:
    engine = Engine(compose(model={"widths": [3]}, **choices), tiny)
    _, layers = evaluated(engine.setup, engine.state)
    assert layers is engine.state.layers


def test_evaluate_train_is_recorded_and_compared(tmp_path: Path) -> None:
    """At fixed parameters, also before the first step; runs without it have no such measure.

    Nor has a run without validation examples, which it trains on instead, one of validation.
    """
    every_example = {"name": "digits", "validation_examples": 0}
    plain = compose({"epochs": 1}, model="linear", data=every_example)
    asked = dataclasses.replace(plain, evaluate_train=True)
    for name, experiment in (("plain", plain), ("asked", asked)):
        run(experiment, tmp_path / name, {})
    found = Run(tmp_path / "asked", read_summary(tmp_path / "asked"))
    line = curve(found, "training_set_loss", "epoch")
    assert line.x.tolist() == [0, 1]
    assert line.y[1] < found.epochs["train_loss"][1] < line.y[0], "the mean is of both ends"
    assert found.summary["final"]["training_set_loss"] == pytest.approx(line.y[1])
    other = Run(tmp_path / "plain", read_summary(tmp_path / "plain"))
    assert not len(curve(other, "training_set_loss", "epoch").x)
    assert not any(name.startswith("training_set") for name in other.summary["final"])
    np.testing.assert_array_equal(other.epochs["test_loss"], found.epochs["test_loss"])
    assert np.isnan(other.epochs["validation_loss"]).all()
    assert np.isfinite(other.epochs["test_loss"]).all()
    assert other.summary["final"]["validation_error"] is None
    assert other.summary["train_examples"] == 1797 - 180
