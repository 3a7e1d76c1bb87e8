"""Does it learn? Real data, real accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import compose

from runner.run import run


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
        optimizer="adam",
    )
    summary = run(experiment, tmp_path, {})
    assert summary["final"]["test_error"] < 0.03


@pytest.mark.slow
def test_a_cnn_with_batch_normalization_learns_digits(tmp_path: Path) -> None:
    experiment = compose({"epochs": 5}, model="cnn", normalization="batch", optimizer="adam")
    summary = run(experiment, tmp_path, {})
    assert summary["final"]["test_error"] < 0.05
