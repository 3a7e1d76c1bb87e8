"""What goes into the engine and what comes out of it: arrays on the device, all of it pytrees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import optax

from runner.options.layer import LayerState, Params
from runner.options.preprocessing import Statistics

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int, Num, PRNGKeyArray


class Arrays(NamedTuple):
    """The data on the device; images stay in the type in which they were stored.

    Validation and test examples lie one after the other in slabs of equal size, so that evaluation
    is one small program and its memory is bounded; padding at the end carries no weight.
    `membership[split, slab, example]` is 1 / (examples of the split) for the examples of
    validation (0) and test (1).
    """

    inputs: Num[Array, "train *features"]
    targets: Int[Array, " train"]
    held_out_inputs: Num[Array, "slabs slab *features"]
    held_out_targets: Int[Array, "slabs slab"]
    membership: Float[Array, "2 slabs slab"]
    statistics: Statistics


class State(NamedTuple):
    """What training changes.

    Parameters, the layers' moving averages, and what the optimizer, the schedule and the treatments
    of the gradient remember; the order of the examples in the current epoch, and the sums of loss
    and error over its steps so far.
    """

    params: Params
    layers: LayerState
    optimizer: optax.OptState
    schedule: Any
    gradient: tuple[Any, ...]
    order: Int[Array, " train"]
    epoch_sums: Float[Array, "2"]


class Timeline(NamedTuple):
    """Where in the run the present phase (the stretch with one size of batch) begins, and its end.

    All of it is data: a longer run and a later phase of the same batch size compile nothing. And
    all of it is shared by runs that train side by side, so that they take their steps in step.
    """

    first_step: Int[Array, ""] | int
    first_epoch: Int[Array, ""] | int
    total_steps: Int[Array, ""] | int
    total_epochs: Float[Array, ""] | float
    evaluate_every: Int[Array, ""] | int = 1


class Measured(NamedTuple):
    """What `take_steps` measured; rows beyond `until - start` and `evaluations` are meaningless.

    `path` has the point (x, y) after each number of updates from `start` to `until`, for data whose
    parameters are a point of the plane; None for all others, whose programs know nothing of it. Its
    row `until - start` is there only at the end of the run.
    """

    steps: Float[Array, "capacity measures"]
    epochs: Float[Array, "epoch_capacity measures"]
    evaluated_at: Int[Array, " epoch_capacity"]
    evaluations: Int[Array, ""]
    path: Float[Array, "capacity+1 2"] | None = None


class Streams(NamedTuple):
    """Independent streams of random numbers, all drawn from the run's one seed."""

    initial: PRNGKeyArray
    order: PRNGKeyArray
    noise: PRNGKeyArray
    optimizer: PRNGKeyArray
    examples: PRNGKeyArray


def streams(seed: Int[Array, ""] | int) -> Streams:
    """The streams of a run."""
    return Streams(*jax.random.split(jax.random.key(seed), len(Streams._fields)))
