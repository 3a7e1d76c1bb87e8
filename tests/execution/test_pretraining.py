"""Pre-training: the claims of docs/pretraining.md."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import compose

from runner.data.mnist import MNIST, FashionMNIST
from runner.execution.run import run
from runner.execution.transfer import weights_for
from runner.experiment.experiment import Experiment

LAYERS = ("hidden_1", "hidden_2")
COMMON: dict[str, Any] = {
    "activation": "sigmoid",
    "initializer": "xavier_uniform",
    "optimizer": {"name": "adam", "learning_rate": 0.003},
}
ENCODER = {"widths": [64, 32]}


@pytest.mark.slow
def test_an_encoder_of_all_digits_helps_a_classifier_of_40(tmp_path: Path) -> None:
    """Test errors, of images that neither has seen."""
    errors: dict[str, list[float]] = {"scratch": [], "encoder": []}
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        settings = {"epochs": 30, "evaluate_every": 30, "seed": seed}
        autoencoder = compose(settings, model={"name": "autoencoder", **ENCODER}, **COMMON)
        run(autoencoder, folder, {})
        classifier = compose(
            {"epochs": 100, "evaluate_every": 100, "seed": seed},
            data={"validation_examples": 1577},
            model=ENCODER,
            batch_size={"size": 20},
            **COMMON,
        )
        for start, origin in (
            ("scratch", None),
            ("encoder", weights_for(classifier, folder, LAYERS)),
        ):
            summary = run(classifier, tmp_path / f"{start}{seed}", {}, start=origin)
            errors[start].append(summary["final"]["test_error"])
    assert np.mean(errors["encoder"]) < np.mean(errors["scratch"]) - 0.02, errors


@pytest.mark.slow
def test_layers_added_in_turn_train_where_all_at_once_do_not(tmp_path: Path) -> None:
    """Two layers of sigmoids at a time, with as many epochs in all."""
    depths, epochs = (1, 3, 5), 10

    def network(depth: int, stages: int) -> Experiment:
        settings = {"epochs": epochs * stages, "evaluate_every": epochs * stages}
        return compose(
            settings,
            model={"widths": [32], "depth": depth},
            activation="sigmoid",
            initializer="xavier_uniform",
            optimizer={"name": "momentum", "learning_rate": 0.1},
        )

    folder, errors = None, []
    for before, depth in zip((0, *depths[:-1]), depths, strict=True):
        chosen = network(depth, 1)
        layers = [f"hidden_{index}" for index in range(1, before + 1)]
        origin = weights_for(chosen, folder, layers) if folder else None
        folder = tmp_path / str(depth)
        errors.append(run(chosen, folder, {}, start=origin)["final"]["test_error"])
    at_once = run(network(depths[-1], len(depths)), tmp_path / "at_once", {})
    assert max(errors) < 0.15, errors
    assert at_once["final"]["test_error"] > 0.8


@pytest.mark.slow
def test_a_layer_of_digits_is_no_help_with_clothes(
    tmp_path: Path, data_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As few digits as clothes, so that one program trains both, and seeds 0 and 1."""
    for source in (MNIST, FashionMNIST):
        monkeypatch.setattr(source, "load", functools.cache(source.load))

    def network(data: str, seed: int) -> Experiment:
        return compose(
            {"epochs": 30, "evaluate_every": 30, "seed": seed},
            data={"name": data, "train_examples": 500, "validation_examples": 100},
            batch_size={"size": 50},
            model={"widths": [128]},
            optimizer="adam",
        )

    learned = run(network("mnist", 0), tmp_path / "learned", {})["final"]["test_error"]
    assert learned < 0.2, "the layer knows digits"
    errors: dict[str, list[float]] = {"scratch": [], "digits": []}
    for seed in (0, 1):
        clothes = network("fashion_mnist", seed)
        origin = weights_for(clothes, tmp_path / "learned", ("hidden_1",))
        for start, weights in (("scratch", None), ("digits", origin)):
            summary = run(clothes, tmp_path / f"{start}{seed}", {}, start=weights)
            errors[start].append(summary["final"]["test_error"])
    assert max(errors["digits"] + errors["scratch"]) < 0.27, errors
    assert np.mean(errors["digits"]) > np.mean(errors["scratch"]) - 0.01, errors
