"""Networks of the literature: the studies that name them have as many parameters as published."""

from __future__ import annotations

import jax
import numpy as np
import pytest
import yaml
from conftest import CONF, compose

from runner.errors import ConfigError
from runner.experiment.experiment import Experiment
from runner.options.augmentation import Flip, Shift


def preset(name: str, **choices: object) -> Experiment:
    """The experiment of a study that is one run, composed without Hydra."""
    study = yaml.safe_load((CONF / "experiment" / f"{name}.yaml").read_text())
    chosen: dict = {}
    for entry in study.pop("defaults"):
        ((group, option),) = entry.items()
        chosen[group.removeprefix("override /")] = option
    for group, values in study.items():
        if not isinstance(values, dict):
            continue
        option = chosen.get(group)
        if group == "regularization":
            values = values[option]
        chosen[group] = values if option is None else {"name": option, **values}
    return compose(**{**chosen, **choices})


@pytest.mark.parametrize(
    ("name", "shape", "parameters"),
    [
        # The sums of the tables of DeepOBS; TensorFlow's MNIST tutorial had the first network.
        ("deepobs_2c2d", (28, 28, 1), 3_274_634),
        ("deepobs_3c3d", (32, 32, 3), 895_210),
        # With all channels connected; the paper's 60,000 have fewer connections in the third layer.
        ("lenet5", (28, 28, 1), 61_706),
    ],
)
def test_a_preset_has_the_published_number_of_parameters(
    name: str, shape: tuple[int, ...], parameters: int
) -> None:
    network = preset(name).network()
    params = jax.eval_shape(lambda: network.init(jax.random.key(0), shape)[0])
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == parameters


def test_3c3d_is_trained_as_in_deepobs() -> None:
    """Data, their changes, penalty and rate of its test problem `cifar10_3c3d`."""
    experiment = preset("deepobs_3c3d")
    assert experiment.data.sizes() == (50_000, 0, 10_000)
    assert experiment.input_shape == (32, 32, 3)
    assert experiment.augmentation == (Shift(pixels=2), Flip(direction="horizontal", rate=0.5))
    assert experiment.optimizer.learning_rate == 0.01
    assert preset("deepobs_3c3d", data="fashion_mnist").input_shape == (28, 28, 1)
    ones = {"hidden_1": {"dense": {"kernel": np.ones((2, 3)), "bias": np.ones(3)}}}
    (penalty,) = experiment.regularization
    assert penalty.term(ones, None, None) == pytest.approx(0.002 / 2 * 6)


def test_2c2d_starts_as_in_deepobs() -> None:
    experiment = preset("deepobs_2c2d", model={"name": "cnn", "channels": [3], "widths": [50]})
    params, _, _ = experiment.network().init(jax.random.key(0), (8, 8, 1))
    params = experiment.bias_initializer(params, np.zeros(1, np.int32))
    kernel = params["hidden_1"]["dense"]["kernel"]
    assert 0.09 < np.abs(kernel).max() <= 0.1
    for bias in (params["hidden_1"]["dense"]["bias"], params["logits"]["bias"]):
        np.testing.assert_array_equal(bias, np.float32(0.05))
    images = np.array([[0], [255]], np.uint8)
    fitted = experiment.preprocessing.fit(images)
    np.testing.assert_allclose(experiment.preprocessing(fitted, images), images / 255, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kernel_size": [3]}, "model.kernel_size is wrong: it has length 1, and model.channels"),
        ({"pool_size": [2, 2]}, "model.pool_size is wrong: there is one pooling"),
        ({"channels": []}, "model.channels is wrong: it names no convolution; use model=mlp"),
        ({"padding": ["valid", "some"]}, "must be one of valid, same"),
        ({"padding": "full"}, "must be one of valid, same, or a list of them"),
        ({"kernel_size": 2.5}, "must be a whole number"),
        ({"stride": 0}, "is out of range: it must be at least 1"),
        ({"stride": 7, "pool_size": 1}, "2 convolutions leave nothing of an image of 8 pixels"),
        ({"pool_size": 9}, "2 convolutions and pooling of 9 leave nothing of an image of 8 pixels"),
        ({"pool_after": "all"}, "must be one of last, each"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(changes: dict, words: str) -> None:
    with pytest.raises(ConfigError) as error:
        compose(model={"name": "cnn", **changes})
    assert words in str(error.value)
