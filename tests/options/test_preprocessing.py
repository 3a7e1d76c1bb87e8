"""Preprocessing against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import compose
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from runner.options.preprocessing import Statistics

pytestmark = pytest.mark.filterwarnings("error")

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
    got = mapped({**choice, "per": per}, inputs)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("epsilon", [0.0, 1e-8])
def test_a_constant_feature_is_only_centred(epsilon: float) -> None:
    choice = {"name": "standardize", "per": "feature", "epsilon": epsilon}
    np.testing.assert_array_equal(mapped(choice, TRAIN)[:, 0, 0, 0], 0)
    expected = TEST[:, 0, 0, 0].astype(float) - 7
    np.testing.assert_allclose(mapped(choice, TEST)[:, 0, 0, 0], expected)


def test_rounding_does_not_make_a_constant_feature_vary() -> None:
    """The mean of many equal numbers is not always that number; their range is always 0."""
    inputs = np.full((49, 1), 0.1, np.float32)
    preprocessing = compose(preprocessing={"name": "standardize", "per": "feature"}).preprocessing
    assert preprocessing.fit(inputs)[1].tolist() == [1.0]


def test_a_data_set_of_one_number_is_only_centred() -> None:
    preprocessing = compose(preprocessing={"name": "standardize", "epsilon": 0.0}).preprocessing
    inputs = np.full((5, 2), 3.0)
    fitted = Statistics(*preprocessing.fit(inputs))
    np.testing.assert_array_equal(preprocessing(fitted, inputs), 0)


def test_none_keeps_the_numbers() -> None:
    got = mapped({"name": "none"}, TEST)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, TEST)
