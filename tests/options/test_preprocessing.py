"""Preprocessing against scikit-learn and SciPy."""

from __future__ import annotations

import re

import jax
import numpy as np
import pytest
import scipy.linalg
from conftest import compose
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from runner.data import Dataset
from runner.engine.placement import place
from runner.engine.train import initial_state
from runner.errors import ConfigError
from runner.options.parameters import KERNEL, LOGITS
from runner.options.preprocessing.whitening import covariance

pytestmark = pytest.mark.filterwarnings("error")

RANDOM = np.random.default_rng(2)
TRAIN = RANDOM.integers(3, 250, (50, 4, 4, 1)).astype(np.uint8)
TEST = RANDOM.integers(0, 256, (20, 4, 4, 1)).astype(np.uint8)
TRAIN[:, 0, 0, 0] = 7  # a feature that never varies


def mapped(choice: dict, inputs: np.ndarray) -> np.ndarray:
    preprocessing = compose(preprocessing=choice).preprocessing
    return np.asarray(preprocessing(preprocessing.ready(preprocessing.fit(TRAIN)), inputs))


@pytest.mark.parametrize("inputs", [TRAIN, TEST], ids=["train", "test"])
@pytest.mark.parametrize(
    ("choice", "scaler"),
    [
        ({"name": "center"}, StandardScaler(with_std=False)),
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
    assert preprocessing.fit(inputs).spread.tolist() == [1.0]


def test_a_data_set_of_one_number_is_only_centred() -> None:
    preprocessing = compose(preprocessing={"name": "standardize", "epsilon": 0.0}).preprocessing
    inputs = np.full((5, 2), 3.0)
    np.testing.assert_array_equal(preprocessing(preprocessing.fit(inputs), inputs), 0)


def test_none_keeps_the_numbers() -> None:
    got = mapped({"name": "none"}, TEST)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, TEST)


# --- whitening ----------------------------------------------------------------------------------

MIXED = RANDOM.normal(size=(120, 3, 3)) * 40 @ RANDOM.normal(size=(3, 3)) + 100
MIXED_TEST = RANDOM.normal(size=(30, 3, 3)) * 40 + 100


def whitened(choice: dict, inputs: np.ndarray, train: np.ndarray = MIXED) -> np.ndarray:
    preprocessing = compose(preprocessing=choice).preprocessing
    outputs = np.asarray(preprocessing(preprocessing.ready(preprocessing.fit(train)), inputs))
    assert outputs.shape == (len(inputs), *preprocessing.output_shape(inputs.shape[1:]))
    return outputs.reshape(len(inputs), -1)


@pytest.mark.parametrize("components", [None, 4])
def test_whitened_components_are_those_of_scikit_learn(components: int | None) -> None:
    """Which has no epsilon, and divides by the unbiased standard deviation."""
    pca = PCA(components, whiten=True).fit(MIXED.reshape(120, 9))
    expected = pca.transform(MIXED_TEST.reshape(30, 9)) * np.sqrt(120 / 119)
    choice = {"name": "pca_whiten", "components": components, "epsilon": 0.0}
    np.testing.assert_allclose(whitened(choice, MIXED_TEST), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
def test_zca_is_the_inverse_square_root_of_the_covariance(epsilon: float) -> None:
    rows = MIXED.reshape(120, 9)
    covariance = np.cov(rows.T, bias=True)
    shrunk = covariance + epsilon * np.diag(covariance).mean() * np.eye(9)
    centred = MIXED_TEST.reshape(30, 9) - rows.mean(0)
    expected = centred @ np.linalg.inv(scipy.linalg.sqrtm(shrunk))
    choice = {"name": "zca_whiten", "epsilon": epsilon}
    np.testing.assert_allclose(whitened(choice, MIXED_TEST), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["pca_whiten", "zca_whiten"])
def test_the_covariance_after_whitening_is_the_identity(name: str) -> None:
    outputs = whitened({"name": name, "epsilon": 0.0}, MIXED)
    np.testing.assert_allclose(outputs.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(np.cov(outputs.T, bias=True), np.eye(9), atol=1e-4)


@pytest.mark.parametrize("name", ["pca_whiten", "zca_whiten"])
@pytest.mark.parametrize("components", [None, 5])
def test_without_full_rank_it_is_a_projection(name: str, components: int | None) -> None:
    """A constant feature, one that repeats another, and one that follows from two others."""
    train, test = (
        RANDOM.integers(0, 256, (examples, 3, 3, 1)).astype(np.uint8) for examples in (90, 20)
    )
    train[:, 0, 0] = 7
    train[:, 0, 2] = train[:, 0, 1]
    train[:, 2, 2] = train[:, 2, 1] // 2 + train[:, 2, 0] // 2
    train[:, 2, :2] -= train[:, 2, :2] % 2
    choice = {"name": name, "components": components, "epsilon": 0.0}
    covariance = np.cov(whitened(choice, train, train).T, bias=True)
    np.testing.assert_allclose(covariance @ covariance, covariance, atol=1e-4)
    assert np.trace(covariance) == pytest.approx(components or 6, abs=1e-3)
    outputs = whitened(choice, test, train)
    assert np.abs(outputs).max() < 30, "what does not vary in training is not amplified"
    test[:, 0, 0] = 200
    np.testing.assert_allclose(whitened(choice, test, train), outputs, atol=1e-4)


@pytest.mark.parametrize("name", ["pca_whiten", "zca_whiten"])
def test_epsilon_does_not_depend_on_the_scale_of_the_inputs(name: str) -> None:
    choice = {"name": name, "epsilon": 0.2}
    scaled = whitened(choice, MIXED_TEST / 255, MIXED / 255)
    np.testing.assert_allclose(scaled, whitened(choice, MIXED_TEST), rtol=1e-3, atol=1e-4)


def test_the_covariance_is_summed_in_blocks() -> None:
    rows = TRAIN.reshape(50, 16)
    mean = rows.mean(axis=0, dtype=float)
    for block in (7, 50, 4096):
        np.testing.assert_allclose(
            covariance(rows, mean, block), np.cov(rows.T, bias=True), rtol=1e-10, atol=1e-9
        )


def test_the_mapped_images_of_both_are_the_same() -> None:
    """ZCA is the whitened components, turned back to the pixels."""
    pca, zca = (compose(preprocessing=name).preprocessing for name in ("pca_whiten", "zca_whiten"))
    axes = pca.fit(MIXED)
    back = pca.pictured(axes, pca(pca.ready(axes), MIXED_TEST)).reshape(MIXED_TEST.shape)
    expected = zca(zca.ready(axes), MIXED_TEST)
    np.testing.assert_allclose(back, expected, rtol=1e-5, atol=1e-5)


# --- what depends on the shape of the inputs ------------------------------------------------------


def test_components_are_the_inputs_of_the_network(tiny: Dataset) -> None:
    experiment = compose(preprocessing={"name": "pca_whiten", "components": 5}, model="linear")
    facts = experiment.facts()
    assert (facts.stored_shape, facts.input_shape) == ((8, 8, 1), (5,))
    assert facts.parameters() == 5 * 10 + 10
    state = jax.eval_shape(initial_state, experiment, place(experiment, tiny))
    assert state.params[LOGITS][KERNEL].shape == (5, 10)


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"model": "cnn"}, "preprocessing does not fit the run: components have no places"),
        ({"model": "rnn"}, "use preprocessing=zca_whiten"),
        ({"preprocessing": {"name": "zca_whiten", "components": 65}}, "65 is more than the 64"),
        ({"data": "teacher", "model": "cnn"}, "model does not fit the run: a convolution needs"),
    ],
)
def test_what_does_not_fit_is_refused(choices: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        compose(**{"preprocessing": "pca_whiten", **choices})


def test_what_fits_is_not_refused() -> None:
    compose(preprocessing="zca_whiten", model="cnn")
    # The numbers of a vector are read one by one, with and without whitening.
    compose(preprocessing="pca_whiten", model="rnn", data="teacher")


def test_few_examples_are_said() -> None:
    data = {"name": "teacher", "train_examples": 20}
    experiment = compose(preprocessing="pca_whiten", data=data, batch_size="full")
    (caution,) = experiment.preprocessing.cautions(experiment.facts())
    assert "20 training examples vary in 19 directions" in caution
    enough = compose(preprocessing="pca_whiten")
    assert not list(enough.preprocessing.cautions(enough.facts()))
