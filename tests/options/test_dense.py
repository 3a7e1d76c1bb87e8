"""The perceptron's layers."""

from __future__ import annotations

import jax
from conftest import compose


def test_depth_repeats_the_widths() -> None:
    network = compose(model={"widths": [3, 5], "depth": 2}).network()
    params = jax.eval_shape(lambda: network.init(jax.random.key(0), (8, 8, 1))[0])
    kernels = [layer.get("dense", layer)["kernel"].shape for layer in params.values()]
    assert sorted(kernels) == sorted([(64, 3), (3, 5), (5, 3), (3, 5), (5, 10)])
