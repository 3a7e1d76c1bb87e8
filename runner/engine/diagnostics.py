"""Diagnostics at evaluations, on a probe batch: the first training examples.

What diagnostics remember is state, which no step changes or needs. Without diagnostics there is no
memory, and nothing here is part of the program.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from runner.engine.state import Arrays, Memories, State
from runner.engine.tables import Recorded, Tables
from runner.experiment.experiment import Experiment
from runner.options.diagnostics.base import Diagnostic, Probe
from runner.options.layer import LayerState, Params
from runner.options.parameters import LOGITS
from runner.options.signals import Signals, signals_of

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


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
        probed = _probes(experiment, arrays._replace(statistics=statistics), params, layers)
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
) -> tuple[Memories | None, Tables | None]:
    """Measure at an evaluation.

    Args:
        experiment: the options.
        arrays: the data, with the statistics of the preprocessing ready.
        memories: what is remembered of earlier evaluations.
        step: how many steps have been taken.
        params: the parameters that are evaluated.
        layers: the state of the layers that belongs to them.

    Returns:
        What is remembered after, and the tables of all diagnostics; None where there are none.
    """
    if memories is None:
        return None, None
    probed = list(_probes(experiment, arrays, params, layers))
    now = tuple(each.memory(probe) for each, probe in probed)
    start = jax.tree.map(lambda new, old: jnp.where(step == 0, new, old), now, memories.start)
    tables: Tables = {}
    for (each, probe), own_start, before in zip(probed, start, memories.before, strict=True):
        measured = each.measure(probe, own_start, before)
        tables |= {name: Recorded.of(table) for name, table in measured.items()}
    return Memories(start, now), tables


def shapes_of_tables(experiment: Experiment, arrays: Arrays, state: State) -> Tables | None:
    """The shapes of what `diagnosed` measures, with all names; None without diagnostics."""

    def tables(memories: Memories, params: Params, layers: LayerState) -> Tables | None:
        statistics = experiment.preprocessing.ready(arrays.statistics)
        ready = arrays._replace(statistics=statistics)
        return diagnosed(experiment, ready, memories, jnp.zeros((), int), params, layers)[1]

    if state.memories is None:
        return None
    return jax.eval_shape(tables, state.memories, state.params, state.layers)


def _probes(
    experiment: Experiment, arrays: Arrays, params: Params, layers: LayerState
) -> Iterator[tuple[Diagnostic, Probe]]:
    """Every diagnostic with what it looks at; those of as many examples share it."""
    probes: dict[int, Probe] = {}
    for each in chosen(experiment):
        if each.examples not in probes:
            probes[each.examples] = _probe(experiment, arrays, params, layers, each.examples)
        yield each, probes[each.examples]


def _probe(
    experiment: Experiment, arrays: Arrays, params: Params, layers: LayerState, examples: int
) -> Probe:
    """The signals of the first examples, and the gradient of their objective."""
    network = experiment.network(watched=True)
    inputs = experiment.preprocessing(arrays.statistics, arrays.inputs[:examples])
    names: list[str] = []

    def objective(params: Params) -> tuple[Float[Array, ""], tuple[Signals, ...]]:
        outputs, after = network.apply(params, layers, inputs, False)
        targets = arrays.targets[:examples]
        losses, _ = experiment.losses_and_errors(outputs, targets, arrays.target_unit)
        terms = [each.term(params, outputs, losses) for each in experiment.regularization]
        signals = signals_of(after)
        signals[LOGITS] = Signals(outputs, outputs, jnp.zeros(outputs.shape, bool))
        names.extend(signals)  # a dictionary would lose its order on the way out
        return losses.mean() + sum(terms), tuple(signals.values())

    gradient, signals = jax.grad(objective, has_aux=True)(params)
    return Probe(params, gradient, tuple(names), signals)
