"""Evaluation: means over the steps of the epoch so far, and over whole splits of the data.

Validation, test and, on request, the training set are evaluated at fixed parameters: those that the
optimizer names, which may be an average of the trained ones. Batch normalization needs statistics
for such parameters, since its moving averages belong to the trained ones. Predictions are those of
the network without random masks, or on request the mean of several with masks.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from runner.engine.columns import Columns
from runner.engine.determination import r_squared
from runner.engine.epoch import examples_seen
from runner.engine.placement import SLAB
from runner.engine.setup import Setup
from runner.engine.state import EPOCH_SUMS, HELD_OUT, State
from runner.experiment.experiment import Experiment
from runner.measures import BITS, EPOCH_MEASURES, R_SQUARED, TRAINING_SET_MEASURES
from runner.options.layer import LayerState, Params
from runner.options.loss.base import bits

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int

STATISTICS_SLABS = 20
"""From how many slabs of `SLAB` training examples the statistics of a normalization are computed
at most. Their means have a relative error of 1 % at 10,000 examples."""


def measures(experiment: Experiment) -> tuple[str, ...]:
    """The names of what an evaluation measures."""
    optional = TRAINING_SET_MEASURES * experiment.evaluate_train
    by_targets = R_SQUARED * experiment.predicts_numbers + BITS * experiment.predicts_characters
    return EPOCH_MEASURES + optional + by_targets


def evaluate(
    setup: Setup, state: State, step: Int[Array, ""]
) -> tuple[Columns, Params, LayerState]:
    """Evaluate the parameters.

    Args:
        setup: the options and the data.
        state: the state after `step` steps.
        step: how many steps have been taken.

    Returns:
        A row of `measures`, and what was evaluated: the parameters and the state of the layers. The
        means over the training steps are NaN before the first step.
    """
    means = state.epoch_sums.divided(examples_seen(setup, step))
    measurements = {name: means[name] for name in EPOCH_SUMS}
    params, layers = evaluated(setup, state)
    losses, errors, squares, bits_of_examples = held_out_values(setup, params, layers)
    for split, weights in zip(HELD_OUT, setup.arrays.membership, strict=True):
        measurements[f"{split}_loss"] = _weighted_sum(weights, losses)
        measurements[f"{split}_error"] = _weighted_sum(weights, errors)
        if squares is not None:
            found = r_squared(weights, squares, setup.arrays.held_out_targets)
            measurements[f"{split}_r2"] = found
        if bits_of_examples is not None:
            measurements[f"{split}_bits"] = _weighted_sum(weights, bits_of_examples)
    if setup.experiment.evaluate_train:
        means_over_set = training_set_loss_and_error(setup, params, layers)
        measurements |= zip(TRAINING_SET_MEASURES, means_over_set, strict=True)
    return Columns.row(measures(setup.experiment), measurements), params, layers


def evaluated(setup: Setup, state: State) -> tuple[Params, LayerState]:
    """The parameters that are evaluated, and the state of the layers that belongs to them."""
    experiment, normalization = setup.experiment, setup.experiment.normalization
    params = experiment.optimizer.evaluated(state.optimizer, state.params)
    is_average = params is not state.params
    if is_average:
        params = experiment.project(params)
    if normalization.needs_training_set or (is_average and normalization.over_batch):
        return params, recomputed_statistics(setup, params, state.layers)
    return params, state.layers


def recomputed_statistics(setup: Setup, params: Params, layers: LayerState) -> LayerState:
    """The state of the layers with the statistics of normalizations at other parameters.

    They are the means over slabs of training examples of what the layers measure in training: over
    all slabs if the normalization needs the training set, else over at most `STATISTICS_SLABS`. The
    slabs are spread evenly over the stored order, and leave out a remainder of less than one
    example a slab. State that is not a floating-point number (the random numbers of dropout) stays
    as it is.

    Args:
        setup: the options and the data.
        params: the parameters.
        layers: the state of the layers.
    """
    experiment, arrays = setup.experiment, setup.arrays
    without_memory = experiment.normalization.without_memory()
    network = dataclasses.replace(experiment, normalization=without_memory).network()
    examples = arrays.targets.shape[0]
    stride = math.ceil(examples / SLAB)
    slabs, size = min(stride, STATISTICS_SLABS), examples // stride
    if experiment.normalization.needs_training_set:
        slabs = stride
    every = stride * jnp.arange(size)

    def add_slab(
        slab: Int[Array, ""], carry: tuple[LayerState, LayerState]
    ) -> tuple[LayerState, LayerState]:
        total, before = carry
        inputs = arrays.inputs[every + slab * stride // slabs]
        prepared = experiment.preprocessing(arrays.statistics, inputs)
        _, measured = network.apply(params, before, prepared, True)
        return jax.tree.map(jnp.add, total, measured), measured

    zeros = jax.tree.map(jnp.zeros_like, layers)
    total, _ = lax.fori_loop(0, slabs, add_slab, (zeros, layers))

    def mean(old: Array, total: Array) -> Array:
        return total / slabs if jnp.issubdtype(old.dtype, jnp.floating) else old

    return jax.tree.map(mean, layers, total)


class _Values(NamedTuple):
    """What is computed of each of some examples."""

    losses: Float[Array, "*examples"]
    errors: Float[Array, "*examples"]
    squares: Float[Array, "*examples columns"] | None  # (target - output)^2, of targets: numbers
    bits: Float[Array, "*examples"] | None  # per character, of targets: characters


def held_out_values(setup: Setup, params: Params, layers: LayerState) -> _Values:
    """The loss and the error of every held-out example, slab by slab.

    Args:
        setup: the options and the data.
        params: the parameters.
        layers: the state of the layers.
    """
    arrays = setup.arrays

    def slab(examples: tuple[Array, Array]) -> _Values:
        return _values(setup, params, layers, *examples)

    return lax.map(slab, (arrays.held_out_inputs, arrays.held_out_targets))


def training_set_loss_and_error(
    setup: Setup, params: Params, layers: LayerState
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The mean loss and the mean error over the training set.

    Args:
        setup: the options and the data.
        params: the parameters.
        layers: the state of the layers.
    """
    arrays = setup.arrays
    examples = arrays.targets.shape[0]
    size = math.ceil(examples / math.ceil(examples / SLAB))
    # The last slab ends with the last example, and so repeats some of the one before it.
    starts = jnp.minimum(jnp.arange(0, examples, size), examples - size)

    def sums(start: Int[Array, ""], first: Int[Array, ""]) -> Any:
        cut = (lax.dynamic_slice_in_dim(x, start, size) for x in (arrays.inputs, arrays.targets))
        values = _values(setup, params, layers, *cut)[:2]
        counts = start + jnp.arange(size) >= first
        return [jnp.sum(jnp.where(counts, each, 0.0)) for each in values]

    found = lax.map(lambda at: sums(*at), (starts, jnp.arange(0, examples, size)))
    loss, error = (jnp.sum(each) / examples for each in found)
    return loss, error


def _values(setup: Setup, params: Params, layers: LayerState, inputs: Any, targets: Any) -> _Values:
    """The loss and the error of each example."""
    experiment, arrays = setup.experiment, setup.arrays
    prepared = experiment.preprocessing(arrays.statistics, inputs)
    outputs = predictions(experiment, params, layers, prepared)
    targets = experiment.targets(prepared, targets)
    losses, errors = experiment.losses_and_errors(outputs, targets, arrays.target_unit)
    squares = jnp.square(targets - outputs) if experiment.predicts_numbers else None
    of_characters = bits(outputs, targets) if experiment.predicts_characters else None
    return _Values(losses, errors, squares, of_characters)


def predictions(
    experiment: Experiment, params: Params, layers: LayerState, inputs: Any
) -> Float[Array, "batch *steps classes"]:
    """The outputs of the network, or those that predict what networks with random masks do.

    The masks are drawn from the state of the layers, the same for every slab.

    Args:
        experiment: the experiment, of one lane.
        params: the parameters that are evaluated.
        layers: the state of the layers, with the statistics of normalizations.
        inputs: a slab of examples, preprocessed, `[batch, *features]`.
    """
    samples = experiment.evaluation_samples
    if not samples:
        return experiment.network().apply(params, layers, inputs, False)[0]
    network = experiment.network(sampling=True)

    def sample(layers: LayerState, _: None) -> tuple[LayerState, Array]:
        outputs, layers = network.apply(params, layers, inputs, False)
        return layers, outputs

    _, outputs = lax.scan(sample, layers, length=samples)
    return experiment.loss.mean_prediction(outputs)


def _weighted_sum(
    weights: Float[Array, "slabs slab"], values: Float[Array, "slabs slab"]
) -> Float[Array, ""]:
    """The sum of `weights * values`; what has no weight does not count, even if it is NaN.

    NaN where nothing has a weight: the split is empty.
    """
    counts = weights > 0
    return jnp.where(jnp.any(counts), jnp.sum(jnp.where(counts, weights * values, 0.0)), jnp.nan)
