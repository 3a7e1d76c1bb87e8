"""Evaluation: means over the steps of the epoch so far, and over both held-out splits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
from jax import lax

from runner.engine.columns import Columns
from runner.engine.epoch import examples_seen
from runner.engine.setup import Setup
from runner.engine.state import EPOCH_SUMS, HELD_OUT, State
from runner.measures import EPOCH_MEASURES

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


def evaluate(setup: Setup, state: State, step: Int[Array, ""]) -> Columns:
    """Evaluate the parameters.

    Args:
        setup: the options and the data.
        state: the state after `step` steps.
        step: how many steps have been taken.

    Returns:
        A row of `EPOCH_MEASURES`. The means over the training steps are NaN before the first step.
    """
    means = state.epoch_sums.divided(examples_seen(setup, step))
    measurements = {name: means[name] for name in EPOCH_SUMS}
    losses, errors = held_out_losses_and_errors(setup, state)
    for split, weights in zip(HELD_OUT, setup.arrays.membership, strict=True):
        measurements[f"{split}_loss"] = _weighted_sum(weights, losses)
        measurements[f"{split}_error"] = _weighted_sum(weights, errors)
    return Columns.row(EPOCH_MEASURES, measurements)


def held_out_losses_and_errors(
    setup: Setup, state: State
) -> tuple[Float[Array, "slabs slab"], Float[Array, "slabs slab"]]:
    """The loss and the error of every held-out example, slab by slab."""
    experiment, arrays, network = setup.experiment, setup.arrays, setup.network
    params = experiment.optimizer.evaluated(state.optimizer, state.params)

    def slab(examples: tuple[Array, Array]) -> tuple[Array, Array]:
        inputs, targets = examples
        prepared = experiment.preprocessing(arrays.statistics, inputs)
        outputs, _ = network.apply(params, state.layers, prepared, False)
        return experiment.data.losses_and_errors(outputs, targets)

    return lax.map(slab, (arrays.held_out_inputs, arrays.held_out_targets))


def _weighted_sum(
    weights: Float[Array, "slabs slab"], values: Float[Array, "slabs slab"]
) -> Float[Array, ""]:
    """The sum of `weights * values`; what has no weight does not count, even if it is NaN."""
    return jnp.sum(jnp.where(weights > 0, weights * values, 0.0))
