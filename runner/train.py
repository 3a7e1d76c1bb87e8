"""The engine: any number of training steps and evaluations as one compiled program.

Pure functions of arrays: no files, no YAML, no printing. `advance` runs the steps from `start` up
to `until` and returns what every one of them measured; the host calls it again and again, writing
the results of one call while the device works on the next.

Time is counted in steps from 0. What is recorded for step t was measured after t updates: its loss
is that of the step's own batch before the step is taken. An epoch is `steps_per_epoch` steps over
one permutation, drawn from the seed and the epoch's number alone; the last batch of an epoch may be
short, and is then a step of its own size, with no padding and no weights.

Why one loop and not a `lax.scan` of fixed length: a scan compiles to the same while loop with the
same speed, but its length is part of the program. Here `start`, `until` and `total` are data:
one compiled program serves every chunk length, number of epochs and point of resumption,
and how a run is cut into chunks cannot change its results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from runner.experiment import Experiment
from runner.measures import EPOCH_MEASURES, STEP_MEASURES
from runner.options.layer import LayerState, Params
from runner.options.option import register_pytrees
from runner.options.preprocessing import Statistics
from runner.options.schedule import Clock

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

register_pytrees()

STEPS_PER_CALL = 4096
"""How many steps one call of `advance` can record at most."""


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

    Parameters, the layers' moving averages and the optimizer's memory; the order of the examples
    in the current epoch, and the sums of loss and error over its steps so far.
    """

    params: Params
    layers: LayerState
    optimizer: optax.OptState
    order: Int[Array, " train"]
    epoch_sums: Float[Array, "2"]


class Measured(NamedTuple):
    """What `advance` measured; rows beyond `until - start` and `evaluations` are meaningless."""

    steps: Float[Array, "capacity measures"]
    epochs: Float[Array, "epoch_capacity measures"]
    evaluated_at: Int[Array, " epoch_capacity"]
    evaluations: Int[Array, ""]


class _Streams(NamedTuple):
    """Independent streams of random numbers, all drawn from the run's one seed."""

    initial: PRNGKeyArray
    order: PRNGKeyArray


def _streams(seed: Int[Array, ""] | int) -> _Streams:
    return _Streams(*jax.random.split(jax.random.key(seed), len(_Streams._fields)))


@jax.jit
def initialize(experiment: Experiment, arrays: Arrays) -> State:
    """The state before the first step."""
    key = _streams(experiment.seed).initial
    params, layers, _ = experiment.network().init(key, arrays.inputs.shape[1:])
    rule = experiment.optimizer.build(jnp.asarray(experiment.optimizer.learning_rate))
    order = jnp.arange(arrays.targets.shape[0])
    return State(params, layers, rule.init(params), order, jnp.zeros(2))


@jax.jit
def advance(
    experiment: Experiment,
    arrays: Arrays,
    state: State,
    start: Int[Array, ""],
    until: Int[Array, ""],
    total: Int[Array, ""],
) -> tuple[State, Measured]:
    """Take the steps `start`, ..., `until - 1` of a run of `total` steps.

    Evaluates before step 0, after every `evaluate_every` epochs, and after step `total - 1`.

    Args:
        experiment: the options; every leaf an array (see `leaves_as_arrays`).
        arrays: the data.
        state: the state after `start` steps.
        start: the first step to take.
        until: the step to stop before; at most `STEPS_PER_CALL` after `start`.
        total: the length of the whole run, which schedules may need.

    Returns:
        The state after `until` steps, and what was measured on the way.
    """
    run = _Run(experiment, arrays, total)

    def unfinished(carry: _Carry) -> Bool[Array, ""]:
        return (carry.step < until) | run.is_due(carry)

    def epoch_part(carry: _Carry) -> _Carry:
        carry = lax.cond(run.is_due(carry), run.evaluate, lambda same: same, carry)
        return run.finish_epoch(carry, until)

    measured = Measured(
        jnp.zeros((STEPS_PER_CALL, len(STEP_MEASURES))),
        jnp.zeros((STEPS_PER_CALL // run.steps_per_epoch + 2, len(EPOCH_MEASURES))),
        jnp.zeros(STEPS_PER_CALL // run.steps_per_epoch + 2, int),
        jnp.zeros((), int),
    )
    last_evaluation = jnp.where(start == 0, -1, start)
    carry = _Carry(state, start, start, last_evaluation, measured)
    carry = lax.while_loop(unfinished, epoch_part, carry)
    return carry.state, carry.measured


class _Carry(NamedTuple):
    state: State
    step: Int[Array, ""]
    start: Int[Array, ""]
    last_evaluation: Int[Array, ""]
    measured: Measured


class _Run:
    """The parts of `advance` that share the experiment and the data."""

    def __init__(self, experiment: Experiment, arrays: Arrays, total: Int[Array, ""]) -> None:
        self.experiment = experiment
        self.arrays = arrays
        self.total = total
        self.network = experiment.network()
        self.examples = arrays.targets.shape[0]
        self.size = experiment.batch_size.examples(self.examples)
        self.whole_batches, self.remainder = experiment.batch_size.batches(self.examples)
        self.steps_per_epoch = self.whole_batches + (self.remainder > 0)

    def is_due(self, carry: _Carry) -> Bool[Array, ""]:
        """Whether the state must be evaluated before another step is taken."""
        period = self.steps_per_epoch * self.experiment.evaluate_every
        due = (carry.step % period == 0) | (carry.step == self.total)
        return due & (carry.step != carry.last_evaluation)

    def finish_epoch(self, carry: _Carry, until: Int[Array, ""]) -> _Carry:
        """Take the steps up to the end of the epoch, or up to `until` where that comes first."""
        epoch = carry.step // self.steps_per_epoch
        begin = epoch * self.steps_per_epoch
        end = jnp.minimum(until, begin + self.steps_per_epoch)
        starts = (carry.step == begin) & (carry.step < end)
        order = lax.cond(starts, lambda: self._order(epoch), lambda: carry.state.order)
        sums = jnp.where(starts, 0.0, carry.state.epoch_sums)
        carry = carry._replace(state=carry.state._replace(order=order, epoch_sums=sums))

        def whole(step: Int[Array, ""], carry: _Carry) -> _Carry:
            rows = lax.dynamic_slice(order, [(step - begin) * self.size], [self.size])
            return self._step(carry._replace(step=step), rows)

        carry = lax.fori_loop(
            carry.step, jnp.minimum(end, begin + self.whole_batches), whole, carry
        )
        if self.remainder:
            short = order[self.examples - self.remainder :]
            carry = lax.cond(carry.step < end, lambda c: self._step(c, short), lambda c: c, carry)
        return carry

    def _order(self, epoch: Int[Array, ""]) -> Int[Array, " train"]:
        """This epoch's permutation of the training examples; one full batch needs none."""
        if self.size == self.examples:
            return jnp.arange(self.examples)
        key = jax.random.fold_in(_streams(self.experiment.seed).order, epoch)
        return jax.random.permutation(key, self.examples)

    def _step(self, carry: _Carry, rows: Int[Array, " batch"]) -> _Carry:
        """One update on the examples `rows`, and the row of measures that it leaves."""
        state, step = carry.state, carry.step
        inputs = self._prepared(self.arrays.inputs[rows])
        targets = self.arrays.targets[rows]

        def objective(params: Params) -> tuple[Float[Array, ""], tuple[Any, LayerState]]:
            logits, layers = self.network.apply(params, state.layers, inputs, True)
            losses, errors = losses_and_errors(logits, targets)
            return losses.mean(), (errors.mean(), layers)

        (loss, (error, layers)), gradient = jax.value_and_grad(objective, has_aux=True)(
            state.params
        )
        clock = Clock(step, self.steps_per_epoch, self.total)
        optimizer = self.experiment.optimizer
        learning_rate = optimizer.learning_rate * self.experiment.schedule(clock)
        updates, memory = optimizer.build(learning_rate).update(
            gradient, state.optimizer, state.params
        )
        norms = (global_norm(gradient), global_norm(updates))
        row = jnp.stack([loss, error, learning_rate, *norms])
        sums = state.epoch_sums + len(rows) * row[:2]
        params = optax.apply_updates(state.params, updates)
        new = State(params, layers, memory, state.order, sums)
        steps = lax.dynamic_update_slice(carry.measured.steps, row[None], [step - carry.start, 0])
        measured = carry.measured._replace(steps=steps)
        return carry._replace(state=new, step=step + 1, measured=measured)

    def evaluate(self, carry: _Carry) -> _Carry:
        """Record the epoch that ended: means over its steps, and both held-out splits now."""

        def slab(example: tuple[Array, Array]) -> tuple[Array, Array]:
            logits, _ = self.network.apply(
                carry.state.params, carry.state.layers, self._prepared(example[0]), False
            )
            return losses_and_errors(logits, example[1])

        arrays = self.arrays
        losses, errors = lax.map(slab, (arrays.held_out_inputs, arrays.held_out_targets))
        held_out = [
            jnp.sum(jnp.where(weight > 0, weight * values, 0.0))
            for weight in arrays.membership
            for values in (losses, errors)
        ]
        train = carry.state.epoch_sums / self._examples_in_epoch(carry.step)
        row = jnp.stack([*train, *held_out])
        index = carry.measured.evaluations
        measured = carry.measured._replace(
            epochs=carry.measured.epochs.at[index].set(row),
            evaluated_at=carry.measured.evaluated_at.at[index].set(carry.step),
            evaluations=index + 1,
        )
        return carry._replace(last_evaluation=carry.step, measured=measured)

    def _examples_in_epoch(self, step: Int[Array, ""]) -> Num[Array, ""]:
        """How many examples the epoch that `step` ends has seen; NaN before the first step."""
        steps = (step - 1) % self.steps_per_epoch + 1
        seen = jnp.minimum(steps * self.size, self.whole_batches * self.size + self.remainder)
        return jnp.where(step == 0, jnp.nan, seen)

    def _prepared(self, inputs: Num[Array, "batch *features"]) -> Float[Array, "batch *features"]:
        return self.experiment.preprocessing(self.arrays.statistics, inputs)


def losses_and_errors(
    logits: Float[Array, "batch classes"], targets: Int[Array, " batch"]
) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
    """The surrogate loss and the 0-1 error of each example.

    The loss is the cross-entropy -log softmax(logits)[target], in nats. The error is 1 where the
    largest logit is not the target's and 0 elsewhere; logits that are not numbers are errors.
    """
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
    right = (jnp.argmax(logits, axis=-1) == targets) & jnp.isfinite(losses)
    return losses, 1.0 - right


def global_norm(tree: Any) -> Float[Array, ""]:
    """The Euclidean norm over all numbers of a tree."""
    return jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree)))


def leaves_as_arrays(experiment: Experiment) -> Experiment:
    """The same experiment with every number on the device, so that none is compiled in."""
    return jax.tree.map(
        lambda leaf: jnp.asarray(leaf, float if isinstance(leaf, float) else int), experiment
    )
