"""The arguments and results of the compiled loop: pytrees of arrays on the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from runner.engine.columns import Columns
from runner.engine.tables import Tables, room_for
from runner.measures import SPLITS, STEP_MEASURES
from runner.options.clock import Phases
from runner.options.layer import LayerState, Params

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int, Num, PRNGKeyArray

HELD_OUT = SPLITS[1:]
"""The splits that evaluations are made on, in the order of `Arrays.membership`."""

EPOCH_SUMS = ("train_loss", "train_error")
"""The measures whose means over the steps of an epoch are recorded."""


class Arrays(NamedTuple):
    """The data on the device; images stay in the type in which they were stored.

    Validation and test examples follow each other in slabs of equal size, so that evaluation is one
    small program and its memory is bounded; padding at the end has no weight.
    `membership[split, slab, example]` is 1 / (examples of the split) for the examples of the split
    `HELD_OUT[split]`, and 0 for all others. `statistics` is what the preprocessing was fitted to.
    `target_unit` is what 1 in targets that are numbers stands for; None: 1.
    """

    inputs: Num[Array, "train *features"]
    targets: Num[Array, "train *columns"]
    held_out_inputs: Num[Array, "slabs slab *features"]
    held_out_targets: Num[Array, "slabs slab *columns"]
    membership: Float[Array, "2 slabs slab"]
    statistics: Any
    target_unit: Float[Array, " columns"] | None = None


class Watch(NamedTuple):
    """What is remembered of evaluations (see `runner.engine.early_stopping`).

    `memory` is that of the rule. `least` is the least value of `Experiment.best_by` so far, after
    `kept_at` steps; `params` and `layers` are what was evaluated then. `stopped_at` is the number
    of steps after which the run stopped, or `GOES_ON`; None where no rule may stop it.
    """

    memory: Any
    least: Float[Array, ""]
    kept_at: Int[Array, ""]
    params: Params
    layers: LayerState
    stopped_at: Int[Array, ""] | None


GOES_ON = -1
"""The value of `stopped_at` of a run that has not stopped."""


class Memories(NamedTuple):
    """What diagnostics remember, an entry each: of the first evaluation and of the last one."""

    start: tuple[Any, ...]
    before: tuple[Any, ...]


class State(NamedTuple):
    """What training changes.

    `layers` holds the moving averages of the layers; `optimizer`, `schedule` and `gradient` (one
    entry a treatment) what each of these remembers between steps; `order` the order of the examples
    in the current epoch; `epoch_sums` the sums of `EPOCH_SUMS` over the examples that the epoch has
    seen so far. `watch` is None where neither a rule nor the best parameters are asked for,
    `memories` where there are no diagnostics of evaluations. `trail` is what diagnostics of steps
    remember, an entry each; None where there are none.
    """

    params: Params
    layers: LayerState
    optimizer: optax.OptState
    schedule: Any
    gradient: tuple[Any, ...]
    order: Int[Array, " train"]
    epoch_sums: Columns
    watch: Watch | None = None
    memories: Memories | None = None
    trail: tuple[Any, ...] | None = None


class Timeline(NamedTuple):
    """Where in the run the current phase (the stretch with one batch size) starts, and its end.

    `phases` are those of the whole run.

    All of it is data: a longer run and a later phase of the same batch size compile nothing. All of
    it is shared by runs that train side by side, which therefore advance in lockstep.
    """

    first_step: Int[Array, ""] | int
    first_epoch: Int[Array, ""] | int
    total_steps: Int[Array, ""] | int
    total_epochs: Float[Array, ""] | float
    phases: Phases
    evaluate_every: Int[Array, ""] | int = 1
    measure_every: Int[Array, ""] | int = 1


class Measured(NamedTuple):
    """What `take_steps` measured: `steps` has a row a step, `epochs` a row an evaluation.

    Rows beyond `until - start` and `evaluations` are meaningless. `path` has the point (x, y) after
    each number of updates from `start` to `until`, for data whose parameters are a point of the
    plane; it is None for all others, whose programs do not compute it. Its row `until - start` is
    there only at the end of the run.

    `stopped_at` and `kept_at` are those of the `Watch`, and None without a rule. Rows of steps from
    `stopped_at` on, and of later evaluations, are meaningless as well.

    `tables` has those of the diagnostics of evaluations, an entry an evaluation, `step_tables`
    those of the diagnostics of steps, an entry a step, which is meaningless where norms are not
    measured; they are None without any.
    """

    steps: Columns
    epochs: Columns
    evaluated_at: Int[Array, " epoch_capacity"]
    evaluations: Int[Array, ""]
    stopped_at: Int[Array, ""] | None = None
    kept_at: Int[Array, ""] | None = None
    path: Float[Array, "capacity+1 2"] | None = None
    tables: Tables | None = None
    step_tables: Tables | None = None

    @classmethod
    def empty(
        cls,
        steps: int,
        evaluations: int,
        evaluated: tuple[str, ...],
        *,
        has_path: bool,
        tables: Tables | None = None,
        step_tables: Tables | None = None,
    ) -> Measured:
        """Room for what is going to be measured.

        Args:
            steps: how many steps at most.
            evaluations: how many evaluations at most.
            evaluated: the names of what an evaluation measures.
            has_path: whether the parameters are a point of the plane.
            tables: the shapes of what diagnostics measure at an evaluation.
            step_tables: the shapes of what they measure at a step.
        """
        return cls(
            steps=Columns.zeros(STEP_MEASURES, steps),
            epochs=Columns.zeros(evaluated, evaluations),
            evaluated_at=jnp.zeros(evaluations, int),
            evaluations=jnp.zeros((), int),
            path=jnp.zeros((steps + 1, 2)) if has_path else None,
            tables=None if tables is None else room_for(tables, evaluations),
            step_tables=None if step_tables is None else room_for(step_tables, steps),
        )

    @classmethod
    def of(
        cls,
        leaves: list[Any],
        evaluated: tuple[str, ...],
        *,
        can_stop: bool,
        tables: jax.tree_util.PyTreeDef | None = None,
    ) -> Measured:
        """What was measured, from its leaves.

        Args:
            leaves: in their order; those of fields that are None are left out.
            evaluated: the names of what an evaluation measures.
            can_stop: whether a rule may stop the run early.
            tables: the structure of the tables of diagnostics, of evaluations and of steps, if
                there are any.
        """
        steps, epochs, evaluated_at, evaluations, *others = leaves
        ends = (others.pop(0), others.pop(0)) if can_stop else (None, None)
        columns = Columns(steps, STEP_MEASURES), Columns(epochs, evaluated)
        measured = cls(*columns, evaluated_at, evaluations, *ends)
        if tables is not None and tables.num_leaves:
            of_evaluations, of_steps = jax.tree.unflatten(tables, others[-tables.num_leaves :])
            measured = measured._replace(tables=of_evaluations, step_tables=of_steps)
            others = others[: -tables.num_leaves]
        return measured._replace(path=others[0]) if others else measured

    def with_step(self, index: Int[Array, ""], row: Columns) -> Measured:
        """Record what the step `start + index` measured."""
        return self._replace(steps=self.steps.with_row(index, row))

    def with_evaluation(
        self, step: Int[Array, ""], row: Columns, tables: Tables | None = None
    ) -> Measured:
        """Record what was evaluated after `step` steps, and what diagnostics measured.

        Args:
            step: how many steps were taken before it.
            row: what the evaluation measured.
            tables: what diagnostics measured, by table; None without any.
        """
        if self.tables is not None and tables is not None:
            index = self.evaluations
            known = self.tables
            tables = {name: known[name].with_row(index, tables[name]) for name in known}
        return self._replace(
            tables=tables,
            epochs=self.epochs.with_row(self.evaluations, row),
            evaluated_at=self.evaluated_at.at[self.evaluations].set(step),
            evaluations=self.evaluations + 1,
        )

    def with_ends(self, watch: Watch | None) -> Measured:
        """Record whether the run has stopped, and of which evaluation the parameters are kept."""
        if watch is None or watch.stopped_at is None:
            return self
        return self._replace(stopped_at=watch.stopped_at, kept_at=watch.kept_at)

    def with_position(self, index: Int[Array, ""], point: Float[Array, " 2"] | None) -> Measured:
        """Record the point that the parameters are after `start + index` steps, if they are one."""
        if point is None or self.path is None:
            return self
        return self._replace(path=self.path.at[index].set(point))


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


def augmentation_key(seed: Int[Array, ""] | int) -> PRNGKeyArray:
    """The key of one more stream, for the runs that change their inputs at random.

    A field of `Streams` would be part of the program of all others.
    """
    return jax.random.fold_in(jax.random.key(seed), len(Streams._fields))
