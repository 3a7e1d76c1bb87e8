"""The engine: any number of training steps and evaluations as one compiled program.

Pure functions of arrays: no files, no YAML, no printing. `take_steps` runs the steps from `start`
up to `until` and returns what every one of them measured; the host calls it again and again,
writing the results of one call while the device works on the next.

Time is counted in steps from 0. What is recorded for step t was measured after t updates: its loss
is that of the step's own batch before the step is taken. An epoch is `steps_per_epoch` steps over
one order of the examples, drawn from the seed and the epoch's number alone; the last batch of an
epoch may be short, and is then a step of its own size, with no padding and no weights.

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

from runner.engine.objective import Objective
from runner.engine.state import Arrays, Measured, State, Timeline, streams
from runner.experiment.experiment import Experiment
from runner.measures import EPOCH_MEASURES, STEP_MEASURES
from runner.options.clock import Clock
from runner.options.layer import LayerState, Params
from runner.options.optimizer.base import Optimizer
from runner.options.option import register_pytrees

if TYPE_CHECKING:
    from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

register_pytrees()

STEPS_PER_CALL = 4096
"""How many steps one call of `take_steps` can record at most."""


def initial_state(experiment: Experiment, arrays: Arrays) -> State:
    """The state before the first step."""
    key = streams(experiment.seed).initial
    params, layers, _ = experiment.network().init(key, arrays.inputs.shape[1:])
    rule = experiment.optimizer.build(jnp.asarray(experiment.optimizer.learning_rate))
    return State(
        params=params,
        layers=layers,
        optimizer=rule.init(params),
        schedule=experiment.schedule.init(),
        gradient=tuple(treatment.init() for treatment in experiment.gradient),
        order=jnp.arange(arrays.targets.shape[0]),
        epoch_sums=jnp.zeros(2),
    )


def take_steps(
    experiment: Experiment,
    arrays: Arrays,
    state: State,
    start: Int[Array, ""],
    until: Int[Array, ""],
    timeline: Timeline,
) -> tuple[State, Measured]:
    """Take the steps `start`, ..., `until - 1` of a run.

    Evaluates before step 0, after every `evaluate_every` epochs, and after the last step.

    Args:
        experiment: the options, with the batch size of the present phase; every leaf an array (see
            `runner.engine.lanes.as_array`).
        arrays: the data.
        state: the state after `start` steps.
        start: the first step to take.
        until: the step to stop before; in the same phase, and at most `STEPS_PER_CALL` after
            `start`.
        timeline: where the phase begins and the run ends.

    Returns:
        The state after `until` steps, and what was measured on the way.
    """
    run = _Run(experiment, arrays, timeline)

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
        None if run.position(state) is None else jnp.zeros((STEPS_PER_CALL + 1, 2)),
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
    """The parts of `take_steps` that share the experiment and the data."""

    def __init__(self, experiment: Experiment, arrays: Arrays, timeline: Timeline) -> None:
        self.experiment = experiment
        self.arrays = arrays
        self.timeline = timeline
        self.network = experiment.network()
        self.examples = arrays.targets.shape[0]
        self.size = experiment.batch_size.examples(self.examples)
        self.whole_batches, self.remainder = experiment.batch_size.batches(self.examples)
        self.steps_per_epoch = self.whole_batches + (self.remainder > 0)

    def is_due(self, carry: _Carry) -> Bool[Array, ""]:
        """Whether the state must be evaluated before another step is taken."""
        epoch, rest = self._epoch(carry.step)
        due = (rest == 0) & (epoch % self.timeline.evaluate_every == 0)
        due |= carry.step == self.timeline.total_steps
        return due & (carry.step != carry.last_evaluation)

    def _epoch(self, step: Int[Array, ""]) -> tuple[Int[Array, ""], Int[Array, ""]]:
        """The epoch that a step belongs to, from 0, and how many of its steps come before."""
        epochs, rest = jnp.divmod(step - self.timeline.first_step, self.steps_per_epoch)
        return self.timeline.first_epoch + epochs, rest

    def position(self, state: State) -> Float[Array, " 2"] | None:
        """The point of the plane that the parameters are, if they are one."""
        return self.experiment.data.position(state.params)

    def _passed(self, carry: _Carry) -> Float[Array, "capacity+1 2"] | None:
        """The path with the point where the parameters are now."""
        point = self.position(carry.state)
        if point is None or carry.measured.path is None:
            return None
        return carry.measured.path.at[carry.step - carry.start].set(point)

    def finish_epoch(self, carry: _Carry, until: Int[Array, ""]) -> _Carry:
        """Take the steps up to the end of the epoch, or up to `until` where that comes first."""
        epoch, before = self._epoch(carry.step)
        begin = carry.step - before
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
        """The order of the training examples in an epoch; one full batch needs none."""
        sampling = self.experiment.sampling
        if self.size == self.examples and sampling.partitions:
            return jnp.arange(self.examples)
        return sampling.order(self._key("order"), epoch, self.examples)

    def _key(self, stream: str) -> PRNGKeyArray:
        return getattr(streams(self.experiment.seed), stream)

    def _step(self, carry: _Carry, rows: Int[Array, " batch"]) -> _Carry:
        """One update on the examples `rows`, and the row of measures that it leaves."""
        state, step = carry.state, carry.step
        objective = self._objective(state.layers, rows, step)
        (value, loss, error, gradient), layers = objective.judge(state.params)
        clock = self._clock(step)
        optimizer = self._optimizer(clock)
        learning_rate = optimizer.learning_rate * self.experiment.warmup.multiplier(
            self.experiment.schedule, clock, state.schedule
        )
        learning_rate *= self.experiment.batch_size.learning_rate_scale(self.examples)
        treated, treatments, clipped = self._treat(gradient, state.gradient, step)

        def gradient_at(params: Params) -> Params:
            return self._treat(objective.gradient(params), state.gradient, step)[0]

        updates, memory = optax.with_extra_args_support(optimizer.build(learning_rate)).update(
            treated,
            state.optimizer,
            state.params,
            value=value,
            grad=gradient,
            value_fn=objective.value,
            gradient_at=gradient_at,
            key=jax.random.fold_in(self._key("optimizer"), step),
        )
        norms = (global_norm(gradient), global_norm(updates))
        row = jnp.stack([loss, error, learning_rate, *norms, clipped])
        new = state._replace(
            params=optax.apply_updates(state.params, updates),
            layers=layers,
            optimizer=memory,
            gradient=treatments,
            epoch_sums=state.epoch_sums + len(rows) * row[:2],
        )
        steps = lax.dynamic_update_slice(carry.measured.steps, row[None], [step - carry.start, 0])
        measured = carry.measured._replace(steps=steps, path=self._passed(carry))
        return carry._replace(state=new, step=step + 1, measured=measured)

    def _objective(
        self, layers: LayerState, rows: Int[Array, " batch"], step: Int[Array, ""]
    ) -> Objective:
        """What is minimized on the examples `rows`, or on as many new ones."""
        if self.experiment.sampling.fresh:
            key = jax.random.fold_in(self._key("examples"), step)
            inputs, targets = self.experiment.data.draw(key, len(rows))
        else:
            inputs, targets = self.arrays.inputs[rows], self.arrays.targets[rows]
        return Objective(
            self.experiment, self.network, self.arrays.statistics, layers, inputs, targets
        )

    def _clock(self, step: Int[Array, ""]) -> Clock:
        timeline = self.timeline
        epoch = timeline.first_epoch + (step - timeline.first_step) / self.steps_per_epoch
        return Clock(step, epoch, self.steps_per_epoch, timeline.total_steps, timeline.total_epochs)

    def _optimizer(self, clock: Clock) -> Optimizer:
        """The optimizer with the momentum of this step."""
        schedule = self.experiment.momentum_schedule
        if not schedule.changes:
            return self.experiment.optimizer
        return self.experiment.optimizer.with_momentum(
            schedule.of, lambda momentum: schedule(momentum, clock)
        )

    def _treat(
        self, gradient: Params, memories: tuple[Any, ...], step: Int[Array, ""]
    ) -> tuple[Params, tuple[Any, ...], Float[Array, ""]]:
        """Clip the gradient, add noise; also 1 if clipping changed it, else 0."""
        clipped = jnp.zeros((), bool)
        after = []
        for index, treatment in enumerate(self.experiment.gradient):
            key = jax.random.fold_in(jax.random.fold_in(self._key("noise"), index), step)
            gradient, memory, changed = treatment(gradient, memories[index], step, key)
            after.append(memory)
            clipped |= changed
        return gradient, tuple(after), clipped.astype(float)

    def evaluate(self, carry: _Carry) -> _Carry:
        """Record the epoch that ended: means over its steps, and both held-out splits now."""
        params = self.experiment.optimizer.evaluated(carry.state.optimizer, carry.state.params)

        def slab(example: tuple[Array, Array]) -> tuple[Array, Array]:
            outputs, _ = self.network.apply(
                params, carry.state.layers, self._prepared(example[0]), False
            )
            return self.experiment.data.losses_and_errors(outputs, example[1])

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
            path=self._passed(carry),
        )
        schedule = self.experiment.schedule.observe(carry.state.schedule, held_out[0])
        return carry._replace(
            state=carry.state._replace(schedule=schedule),
            last_evaluation=carry.step,
            measured=measured,
        )

    def _examples_in_epoch(self, step: Int[Array, ""]) -> Num[Array, ""]:
        """How many examples the epoch that `step` ends has seen; NaN before the first step."""
        steps = (step - 1 - self.timeline.first_step) % self.steps_per_epoch + 1
        seen = jnp.minimum(steps * self.size, self.whole_batches * self.size + self.remainder)
        return jnp.where(step == 0, jnp.nan, seen)

    def _prepared(self, inputs: Num[Array, "batch *features"]) -> Float[Array, "batch *features"]:
        return self.experiment.preprocessing(self.arrays.statistics, inputs)


def global_norm(tree: Any) -> Float[Array, ""]:
    """The Euclidean norm over all numbers of a tree."""
    return jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree)))
