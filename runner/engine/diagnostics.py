"""Diagnostics at evaluations, on a probe batch: the first training examples.

What diagnostics remember is state, which no step changes or needs. Without diagnostics there is no
memory, and nothing here is part of the program.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from runner.engine.state import Arrays, Memories, State, streams
from runner.engine.tables import Recorded, Tables
from runner.experiment.experiment import Experiment
from runner.options.diagnostics.base import Diagnostic, Probe, ThroughTime
from runner.options.gradient import NoTreatment
from runner.options.layer import LayerState, Params
from runner.options.parameters import LOGITS
from runner.options.regularization.base import RandomMasks
from runner.options.signals import Signals, States, nudged, signals_of, states_of

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


_Place = tuple[str, ...]
"""The names on the way to a layer."""

_Nudges = dict[_Place, Any]

_DIAGNOSTICS = 2**31 - 1
"""What is folded into a stream of random numbers to make that of the diagnostics."""


def chosen(experiment: Experiment) -> list[Diagnostic]:
    """The diagnostics that measure something."""
    return [each for each in experiment.diagnostics if each.examples]


def first_memories(
    experiment: Experiment, arrays: Arrays, params: Params, layers: LayerState
) -> Memories | None:
    """What is remembered before the first evaluation: NaN in the right shapes; None if nothing is.

    Args:
        experiment: the options.
        arrays: the data.
        params: the initial parameters.
        layers: the initial state of the layers.
    """
    diagnostics = chosen(experiment)
    if not diagnostics:
        return None

    def memories(params: Params, layers: LayerState) -> tuple[Any, ...]:
        statistics = experiment.preprocessing.ready(arrays.statistics)
        ready = arrays._replace(statistics=statistics)
        probed = _probes(experiment, ready, params, layers, jnp.zeros(()))
        return tuple(each.memory(probe) for each, probe in probed)

    shapes = jax.eval_shape(memories, params, layers)
    unknown = jax.tree.map(lambda one: jnp.full(one.shape, jnp.nan, one.dtype), shapes)
    return Memories(unknown, unknown)


def diagnosed(
    experiment: Experiment,
    arrays: Arrays,
    memories: Memories | None,
    step: Int[Array, ""],
    params: Params,
    layers: LayerState,
    learning_rate: Float[Array, ""],
) -> tuple[Memories | None, Tables | None]:
    """Measure at an evaluation.

    Args:
        experiment: the options.
        arrays: the data, with the statistics of the preprocessing ready.
        memories: what is remembered of earlier evaluations.
        step: how many steps have been taken.
        params: the parameters that are evaluated.
        layers: the state of the layers that belongs to them.
        learning_rate: of the step that starts here.

    Returns:
        What is remembered after, and the tables of all diagnostics; None where there are none.
    """
    if memories is None:
        return None, None
    probed = list(_probes(experiment, arrays, params, layers, learning_rate))
    now = tuple(each.memory(probe) for each, probe in probed)
    start = jax.tree.map(lambda new, old: jnp.where(step == 0, new, old), now, memories.start)
    tables: Tables = {}
    for (each, probe), own_start, before in zip(probed, start, memories.before, strict=True):
        measured = each.measure(probe, own_start, before)
        tables |= {name: Recorded.of(table) for name, table in measured.items()}
    return Memories(start, now), tables


def shapes_of_tables(experiment: Experiment, arrays: Arrays, state: State) -> Tables | None:
    """The shapes of what `diagnosed` measures, with all names; None without diagnostics.

    Args:
        experiment: the experiment, of one lane.
        arrays: the data.
        state: the state of the lane, or its shapes; nothing is computed from it.
    """

    def tables(memories: Memories, params: Params, layers: LayerState) -> Tables | None:
        statistics = experiment.preprocessing.ready(arrays.statistics)
        ready = arrays._replace(statistics=statistics)
        step, rate = jnp.zeros((), int), jnp.zeros(())
        return diagnosed(experiment, ready, memories, step, params, layers, rate)[1]

    if state.memories is None:
        return None
    return jax.eval_shape(tables, state.memories, state.params, state.layers)


def _probes(
    experiment: Experiment,
    arrays: Arrays,
    params: Params,
    layers: LayerState,
    learning_rate: Float[Array, ""],
) -> Iterator[tuple[Diagnostic, Probe]]:
    """Every diagnostic with what it looks at; those of as many examples share it."""
    probes: dict[int, Probe] = {}
    for each in chosen(experiment):
        if each.examples not in probes:
            batch = ProbeBatch(experiment, arrays, layers, each.examples)
            probes[each.examples] = batch.probe(params, learning_rate)
        yield each, probes[each.examples]


class ProbeBatch:
    """The first training examples, and functions of the parameters on them.

    Args:
        experiment: the options.
        arrays: the data, with the statistics of the preprocessing ready.
        layers: the state of the layers.
        examples: how many examples.
    """

    def __init__(
        self, experiment: Experiment, arrays: Arrays, layers: LayerState, examples: int
    ) -> None:
        self._experiment = experiment
        self._arrays = arrays
        self._layers = layers
        self._examples = examples
        self._inputs = experiment.preprocessing(arrays.statistics, arrays.inputs[:examples])

    def probe(self, params: Params, learning_rate: Float[Array, ""]) -> Probe:
        """What diagnostics look at."""
        names: list[str] = []

        def objective(
            params: Params, nudges: _Nudges
        ) -> tuple[Float[Array, ""], tuple[tuple[Signals, ...], dict[_Place, States]]]:
            outputs, losses, signals, states = self._losses(params, nudges=nudges)
            names.extend(signals)  # a dictionary would lose its order on the way out
            return self._objective(params, outputs, losses), (tuple(signals.values()), states)

        nudges = self._nudges(params)
        derivative = jax.grad(objective, (0, 1), has_aux=True)
        (gradient, of_states), (signals, states) = derivative(params, nudges)
        through_time = {
            "/".join(place): ThroughTime(states[place].values, of_states[place]) for place in nudges
        }
        return Probe(
            params,
            gradient,
            tuple(names),
            signals,
            through_time,
            self.objective,
            self.example_losses,
            learning_rate,
            jax.random.fold_in(streams(self._experiment.seed).noise, _DIAGNOSTICS),
            self.sharpness_limit(),
            self._experiment.normalization.over_batch,
        )

    def _nudges(self, params: Params) -> _Nudges:
        """Zeros for the states of each recurrent layer, in the order of the layers."""
        if not self._experiment.model.is_recurrent:
            return {}
        places: list[_Place] = []

        def states(params: Params) -> dict[_Place, States]:
            found = self._losses(params)[3]
            places.extend(found)
            return found

        shapes = jax.eval_shape(states, params)
        return {place: jnp.zeros_like(shapes[place].values) for place in places}

    def objective(
        self, params: Params, *, fixed_statistics: bool = False, rows: Any = None
    ) -> Float[Array, ""]:
        """The mean loss and the terms of the regularizations (see `OfParams`).

        Args:
            params: of the shapes of those that are evaluated.
            fixed_statistics: whether normalizations over the batch use those of evaluations.
            rows: integers `[some]`, which examples of the probe batch; None: all.
        """
        inside = self._losses(params, fixed_statistics=fixed_statistics, rows=rows)
        return self._objective(params, *inside[:2])

    def example_losses(
        self, params: Params, *, fixed_statistics: bool = False, rows: Any = None
    ) -> Float[Array, " examples"]:
        """The loss of each example (see `OfParams`).

        Args:
            params: of the shapes of those that are evaluated.
            fixed_statistics: whether normalizations over the batch use those of evaluations.
            rows: integers `[some]`, which examples of the probe batch; None: all.
        """
        return self._losses(params, fixed_statistics=fixed_statistics, rows=rows)[1]

    def _losses(
        self,
        params: Params,
        *,
        fixed_statistics: bool = False,
        rows: Any = None,
        nudges: _Nudges | None = None,
    ) -> tuple[Array, Float[Array, " examples"], dict[str, Signals], dict[_Place, States]]:
        """The outputs, the losses and, of a network that is watched, what is inside."""
        arrays, watched = self._arrays, not fixed_statistics
        network = self._experiment.network(sampling=watched, watched=watched)
        inputs, targets = self._inputs, arrays.targets[: self._examples]
        if rows is not None:
            inputs, targets = inputs[rows], targets[rows]
        layers = nudged(self._layers, nudges or {})
        outputs, after = network.apply(params, layers, inputs, False)
        targets = self._experiment.targets(inputs, targets)
        losses, _ = self._experiment.losses_and_errors(outputs, targets, arrays.target_unit)
        signals = {} if fixed_statistics else signals_of(after)
        signals[LOGITS] = Signals(outputs, outputs, jnp.zeros(outputs.shape, bool))
        return outputs, losses, signals, states_of(after)

    def _objective(
        self, params: Params, outputs: Array, losses: Float[Array, " examples"]
    ) -> Float[Array, ""]:
        terms = [each.term(params, outputs, losses) for each in self._experiment.regularization]
        return losses.mean() + sum(terms)

    def sharpness_limit(self) -> Float[Array, ""]:
        """That of the optimizer, where each step minimizes the objective of this batch."""
        experiment, examples = self._experiment, self._arrays.targets.shape[0]
        limit = experiment.optimizer.sharpness_limit()
        is_random = (
            experiment.sampling.fresh
            or not experiment.sampling.partitions
            or any(isinstance(each, RandomMasks) for each in experiment.regularization)
            or any(not isinstance(each, NoTreatment) for each in experiment.gradient)
            or any(each.changes for each in experiment.augmentation)
        )
        is_whole = experiment.batch_size.batches(examples) == (1, 0) and self._examples >= examples
        if limit is None or is_random or not is_whole:
            return jnp.array(jnp.nan)
        return jnp.asarray(limit, float)
