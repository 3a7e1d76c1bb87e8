"""Hidden layers: normalizations and regularizations together, in every model."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from conftest import compose

from runner.errors import ConfigError
from runner.experiment.table import OPTIONS

MODELS = {
    "mlp": {"widths": [16]},
    "cnn": {"name": "cnn", "channels": [16], "widths": [16]},
    "rnn": {"name": "rnn", "widths": [16]},
    "lstm": {"name": "lstm", "widths": [16], "depth": 2},
    "gru": {"name": "gru", "widths": [16]},
    "transformer": {"name": "transformer", "width": 16, "depth": 1},
    "resnet": {"name": "resnet", "channels": [16, 32], "shortcut": "projection"},
    "autoencoder": {"name": "autoencoder", "widths": [32, 16]},
    "deep_linear": {"name": "deep_linear", "units": 16, "depth": 2},
}
OF_SEQUENCES = ("rnn", "lstm", "gru", "transformer")
DENSE = ("mlp", *OF_SEQUENCES, "autoencoder", "deep_linear")
REFUSED = {(m, "instance") for m in DENSE} | {(m, "batch") for m in OF_SEQUENCES}


@pytest.mark.parametrize("model", MODELS)
def test_every_normalization_works_with_all_regularizations_at_once(model: str) -> None:
    """In every model: shapes fit, and training changes no shape, type or name of the state."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    images = jax.ShapeDtypeStruct((3, 8, 8, 1), np.float32)
    everything = [
        {"name": name, "input_rate": 0.1} if name == "dropout" else name
        for name in OPTIONS["regularization"]
        if name != "none" and (model, name) != ("autoencoder", "label_smoothing")  # it has none
    ]
    for name in OPTIONS["normalization"]:
        choices: dict[str, Any] = {"model": MODELS[model], "normalization": name}
        if (model, name) in REFUSED:
            with pytest.raises(ConfigError, match="does not fit the run"):
                compose(**choices)
            continue
        network = compose(regularization=everything, **choices).network()
        params, state, _ = jax.eval_shape(lambda key: network.init(key, (8, 8, 1)), key)  # noqa: B023
        outputs, after = jax.eval_shape(
            lambda *inputs: network.apply(*inputs, True),  # noqa: B023
            params,
            state,
            images,
        )
        assert outputs.shape == (3, 64 if model == "autoencoder" else 10)
        assert (state, jax.tree.structure(state)) == (after, jax.tree.structure(after))
        of_model = compose(**choices).network()
        alone, _, _ = jax.eval_shape(lambda key: of_model.init(key, (8, 8, 1)), key)  # noqa: B023
        assert params == alone, "no regularization has parameters"
