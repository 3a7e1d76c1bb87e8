"""Does it learn? Real data, real accuracy."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import compose

from runner.run import run


def test_digits_above_95_percent(tmp_path: Path) -> None:
    summary = run(compose({"epochs": 20}, optimizer="adam"), tmp_path, {})
    assert summary["final"]["test_error"] < 0.05


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
