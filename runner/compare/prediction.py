"""What the network of a recorded run says of inputs.

The network is built again from the recorded config, by the options themselves. The record chooses
among the options that are known; it imports nothing and reads no data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from runner.config.build import build
from runner.config.plugins import PLUGINS
from runner.engine.evaluation import predictions
from runner.errors import ConfigError
from runner.experiment.experiment import Experiment
from runner.lazy import jax
from runner.options.layer import LayerState, Params
from runner.record.tensors import TensorsError, restored
from runner.record.weights import RecordedWeights

ROWS = 500
"""How many examples are computed at once: a bound on memory."""


def predict(config: Mapping[str, Any], weights: RecordedWeights, inputs: Any) -> npt.NDArray:
    """Apply the network of a run to inputs.

    Args:
        config: the resolved config of the run.
        weights: its weights.
        inputs: examples as the data source stores them, before any preprocessing: `[n, *features]`.

    Returns:
        The outputs of the network: logits `[n, classes]`, whose softmax are probabilities; of
        targets that are numbers what is predicted of them, in the unit in which the source has
        them (divided by `target_unit`).

    Raises:
        ConfigError: an option is not known, the inputs have another shape, the weights do not
            belong to the config, or the data are a problem with parameters of its own.
    """
    experiment = build({**config, PLUGINS: []})
    if experiment.data.network() is not None:
        name = config["data"]["name"]
        raise ConfigError(f"data={name} has parameters of its own, and no network that predicts")
    shape = experiment.data.input_shape
    examples = np.asarray(inputs)
    if examples.shape[1:] != shape:
        expected = ", ".join(map(str, ("n", *shape)))
        raise ConfigError(f"inputs have the shape {examples.shape}; it must be ({expected})")
    outputs = _outputs(experiment, weights, examples.dtype)
    parts = [outputs(examples[first : first + ROWS]) for first in range(0, len(examples), ROWS)]
    steps = shape[:1] if experiment.data.each_step else ()
    empty = np.zeros((0, *steps, experiment.outputs), np.float32)
    return np.concatenate([np.asarray(part, np.float32) for part in parts] or [empty])


def _outputs(
    experiment: Experiment, weights: RecordedWeights, dtype: npt.DTypeLike
) -> Callable[[Any], Any]:
    """The compiled function from inputs of a type to logits.

    Raises:
        ConfigError: the weights do not belong to the experiment.
    """
    preprocessing = experiment.preprocessing
    some = np.zeros((2, *experiment.data.input_shape), dtype)
    params, layers = parameters(experiment, weights)
    try:
        # What it is fitted to here is of no interest, only how that is structured.
        fitted = restored(preprocessing.fit(some), weights.preprocessing, checked=False)
    except TensorsError as error:
        raise _of_another(error) from None

    @jax.jit
    def outputs(rows: Any) -> Any:
        prepared = preprocessing(preprocessing.ready(fitted), rows)
        return predictions(experiment, params, layers, prepared)

    return outputs


def parameters(experiment: Experiment, weights: RecordedWeights) -> tuple[Params, LayerState]:
    """The recorded parameters, and the state of the layers that belongs to them.

    Args:
        experiment: the options of the run.
        weights: its weights.

    Raises:
        ConfigError: the weights do not belong to the experiment.
    """
    network = experiment.network()
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), experiment.input_shape)[:2])
    try:
        params, layers = map(restored, shapes, (weights.params, weights.layers))
    except TensorsError as error:
        raise _of_another(error) from None
    return params, layers


def _of_another(error: TensorsError) -> ConfigError:
    return ConfigError(f"the weights do not belong to the recorded config: {error}")
