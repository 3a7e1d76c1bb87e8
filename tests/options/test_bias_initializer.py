"""Initial biases: in every layer, or those of the logits from the classes of the training split."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from conftest import compose
from engine_alone import initialize, leaves_as_arrays
from scipy import special, stats

from runner.data import Dataset, Split
from runner.engine.placement import place

TARGETS = np.array([0, 0, 0, 0, 0, 1, 1, 3], np.int32)  # none of class 2


def initial(name: str, **choices: Any) -> dict[str, Any]:
    """The parameters that a run starts from."""
    experiment = compose(bias_initializer=name, model={"widths": [4]}, **choices)
    images = np.zeros((len(TARGETS), 8, 8, 1), np.uint8)
    split = Split(images, TARGETS)
    arrays = place(experiment, Dataset(split, split, split))
    return jax.device_get(initialize(leaves_as_arrays(experiment), arrays).params)


def test_a_constant_is_the_bias_of_every_layer_and_of_nothing_else() -> None:
    params = initial("constant", normalization="layer")
    plain = initial("zeros", normalization="layer")
    for layer in (params["hidden_1"]["dense"], params["logits"]):
        np.testing.assert_array_equal(layer.pop("bias"), np.float32(0.1))
    for layer in (plain["hidden_1"]["dense"], plain["logits"]):
        np.testing.assert_array_equal(layer.pop("bias"), np.float32(0.0))
    jax.tree.map(np.testing.assert_array_equal, params, plain)


def test_the_initial_prediction_is_the_shares_of_the_classes() -> None:
    params = initial("class_frequencies")
    assert not params["hidden_1"]["dense"]["bias"].any()
    bias = params["logits"]["bias"].astype(float)
    present = [0, 1, 3]
    np.testing.assert_allclose(np.exp(bias[present]), [5 / 8, 2 / 8, 1 / 8], rtol=1e-6)
    absent = np.delete(bias, present)
    np.testing.assert_allclose(np.exp(absent), 0.5 / 8, rtol=1e-6)
    # The loss before the first step, where the kernel of the logits adds nothing.
    log_shares = special.log_softmax(bias[present])
    loss = -log_shares[np.searchsorted(present, TARGETS)].mean()
    np.testing.assert_allclose(loss, stats.entropy([5, 2, 1]), rtol=1e-6)
