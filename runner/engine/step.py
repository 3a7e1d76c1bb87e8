"""One training step: the gradient on a batch, the update, and what is measured on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from runner.engine.columns import Columns
from runner.engine.objective import BatchResult, Objective
from runner.engine.setup import Setup
from runner.engine.state import EPOCH_SUMS, State
from runner.experiment.experiment import Experiment
from runner.measures import NORMS, STEP_MEASURES
from runner.options.clock import Clock
from runner.options.layer import LayerState, Params
from runner.options.optimizer.base import Optimizer
from runner.options.parameters import layer_index

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Int


class Update(NamedTuple):
    """What a step computes; what is not used of it is not part of the compiled program."""

    state: State  # after the step, with the sums of before
    measurements: dict[str, Float[Array, ""]]  # `STEP_MEASURES` without `NORMS`
    gradient: Params  # of the batch, before any treatment
    updates: Params  # what was added to the parameters, before they were projected
    value: Float[Array, ""] | None = None  # of the objective before; only for diagnostics of steps

    def recorded(
        self, rows: Int[Array, " batch"], *, measure_norms: Bool[Array, ""] | bool
    ) -> tuple[State, Columns]:
        """The state after the step with its sums, and a row of `STEP_MEASURES`.

        Args:
            rows: the training examples of the batch.
            measure_norms: whether to measure `NORMS`; with False they are not computed.
        """
        found = norms(measure_norms, self.gradient, self.updates)
        row = Columns.row(STEP_MEASURES, self.measurements | found)
        sums = self.state.epoch_sums.plus(len(rows), row.part(EPOCH_SUMS))
        return self.state._replace(epoch_sums=sums), row


def update(setup: Setup, state: State, step: Int[Array, ""], rows: Int[Array, " batch"]) -> Update:
    """Take one step.

    Args:
        setup: the options and the data.
        state: the state after `step` steps.
        step: the number of the step, from 0.
        rows: the training examples of the batch.
    """
    measurements = {}
    objective = batch_objective(setup, state.layers, step, rows)
    batch, layers = objective.value_and_gradient(state.params)
    measurements["train_loss"], measurements["train_error"] = batch.loss, batch.error

    gradient, treatments, clipped = treat(setup, batch.gradient, state.gradient, step)
    measurements["clipped"] = clipped.astype(float)

    clock = setup.clock(step)
    learning_rate = learning_rate_at(setup, state, clock)
    measurements["learning_rate"] = learning_rate

    rule = optax.with_extra_args_support(optimizer_at(setup.experiment, clock).build(learning_rate))
    extra = extra_arguments(setup, state, step, objective, batch)
    updates, optimizer = rule.update(gradient, state.optimizer, state.params, **extra)

    state = state._replace(
        params=setup.experiment.project(optax.apply_updates(state.params, updates)),
        layers=layers,
        optimizer=optimizer,
        gradient=treatments,
    )
    value = None if state.trail is None else batch.value
    return Update(state, measurements, batch.gradient, updates, value)


def extra_arguments(
    setup: Setup, state: State, step: Int[Array, ""], objective: Objective, batch: BatchResult
) -> dict[str, Any]:
    """What a rule may use beside the gradient; see `runner.options.optimizer.base.Optimizer`.

    What a rule does not use is not part of the compiled program.

    Args:
        setup: the options and the data.
        state: the state before the step.
        step: the number of the step.
        objective: the function that the step minimizes.
        batch: its value and its gradient at the parameters.
    """

    def treated_gradient(params: Params) -> Params:
        return treat(setup, objective.gradient(params), state.gradient, step)[0]

    return {
        "value": batch.value,
        "grad": batch.gradient,
        "value_fn": objective.value,
        "gradient_at": treated_gradient,
        "key": jax.random.fold_in(setup.key("optimizer"), step),
        "layer_index": layer_index(state.params, setup.experiment.model.layer_paths),
    }


def norms(
    measure: Bool[Array, ""] | bool, gradient: Params, updates: Params
) -> dict[str, Float[Array, ""]]:
    """The norms of a step (`NORMS`); NaN if they are not measured.

    Args:
        measure: whether they are; with False they are not computed.
        gradient: of the batch, before any treatment.
        updates: what is added to the parameters.
    """
    if measure is False:
        return dict.fromkeys(NORMS, jnp.array(jnp.nan))
    measured = {"gradient_norm": global_norm(gradient), "update_norm": global_norm(updates)}
    return {name: jnp.where(measure, norm, jnp.nan) for name, norm in measured.items()}


def global_norm(tree: Any) -> Float[Array, ""]:
    """The Euclidean norm over all numbers of a tree."""
    return jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree)))


def batch_objective(
    setup: Setup, layers: LayerState, step: Int[Array, ""], rows: Int[Array, " batch"]
) -> Objective:
    """The function that a step minimizes.

    Args:
        setup: the options and the data.
        layers: the state of the layers before the step.
        step: the number of the step.
        rows: the training examples of the batch; where the sampling draws fresh examples, only
            their number counts.
    """
    arrays, experiment = setup.arrays, setup.experiment
    if experiment.sampling.fresh:
        key = jax.random.fold_in(setup.key("examples"), step)
        inputs, targets = experiment.data.draw(key, len(rows))
    else:
        inputs, targets = arrays.inputs[rows], arrays.targets[rows]
    for index, each in enumerate(experiment.augmentation):
        if each.changes:
            key = jax.random.fold_in(jax.random.fold_in(setup.key("augmentation"), index), step)
            inputs = each(key, inputs)
    return Objective(
        experiment,
        setup.network,
        arrays.statistics,
        layers,
        inputs,
        targets,
        arrays.target_unit,
    )


def learning_rate_at(setup: Setup, state: State, clock: Clock) -> Float[Array, ""]:
    """The learning rate of a step: the optimizer's own, times three multipliers.

    Those are the multipliers of the schedule, of the warm-up before it, and of the batch size.

    Args:
        setup: the options and the data.
        state: the state before the step, with what the schedule remembers.
        clock: the time of the step.
    """
    experiment = setup.experiment
    rate = experiment.optimizer.learning_rate * experiment.warmup.multiplier(
        experiment.schedule, clock, state.schedule
    )
    return rate * experiment.batch_size.learning_rate_scale(setup.batches.examples)


def optimizer_at(experiment: Experiment, clock: Clock) -> Optimizer:
    """The optimizer with the momentum of a step."""
    schedule = experiment.momentum_schedule
    if not schedule.changes:
        return experiment.optimizer
    return experiment.optimizer.with_momentum(
        schedule.of, lambda momentum: schedule(momentum, clock)
    )


def treat(
    setup: Setup, gradient: Params, memories: tuple[Any, ...], step: Int[Array, ""]
) -> tuple[Params, tuple[Any, ...], Bool[Array, ""]]:
    """Clip a gradient and add noise to it.

    Args:
        setup: the options; their treatments are applied in order.
        gradient: the gradient of the batch.
        memories: what each treatment remembers from the step before.
        step: the number of the step.

    Returns:
        The treated gradient, what each treatment remembers, and whether clipping changed it.
    """
    clipped = jnp.zeros((), bool)
    after = []
    for index, treatment in enumerate(setup.experiment.gradient):
        key = jax.random.fold_in(jax.random.fold_in(setup.key("noise"), index), step)
        gradient, memory, changed = treatment(gradient, memories[index], step, key)
        after.append(memory)
        clipped |= changed
    return gradient, tuple(after), clipped
