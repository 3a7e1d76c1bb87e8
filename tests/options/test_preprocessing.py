"""Preprocessing against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import compose
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from runner.options.preprocessing import Statistics

RANDOM = np.random.default_rng(2)
TRAIN = RANDOM.integers(3, 250, (50, 4, 4, 1)).astype(np.uint8)
TEST = RANDOM.integers(0, 256, (20, 4, 4, 1)).astype(np.uint8)
TRAIN[:, 0, 0, 0] = 7  # a feature that never varies


def mapped(choice: dict, inputs: np.ndarray) -> np.ndarray:
    preprocessing = compose(preprocessing=choice).preprocessing
    return np.asarray(preprocessing(Statistics(*preprocessing.fit(TRAIN)), inputs))


@pytest.mark.parametrize("inputs", [TRAIN, TEST], ids=["train", "test"])
@pytest.mark.parametrize(
    ("choice", "scaler"),
    [
        ({"name": "standardize", "epsilon": 0.0}, StandardScaler()),
        ({"name": "minmax"}, MinMaxScaler()),
        ({"name": "minmax", "low": -1.0, "high": 1.0}, MinMaxScaler((-1, 1))),
    ],
)
@pytest.mark.parametrize("per", ["dataset", "feature"])
def test_scikit_learn_agrees(choice: dict, scaler: object, per: str, inputs: np.ndarray) -> None:
    def flat(x: np.ndarray) -> np.ndarray:
        return x.reshape(-1, 1) if per == "dataset" else x.reshape(len(x), -1)

    expected = scaler.fit(flat(TRAIN)).transform(flat(inputs)).reshape(inputs.shape)
    varies = np.ones((4, 4, 1), bool)
    varies[0, 0, 0] = per == "dataset"
    got = mapped({**choice, "per": per}, inputs)
    np.testing.assert_allclose(got[:, varies], expected[:, varies], rtol=1e-5, atol=1e-5)


def test_a_constant_feature_stays_finite() -> None:
    for choice in ({"name": "standardize"}, {"name": "minmax"}):
        assert np.isfinite(mapped({**choice, "per": "feature"}, TRAIN)).all()


def test_none_keeps_the_numbers() -> None:
    got = mapped({"name": "none"}, TEST)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, TEST)
