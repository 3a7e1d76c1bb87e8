"""Lanes: runs of one structure, side by side in one compiled program.

The experiments and states of several runs are stacked leaf by leaf; the data are shared. What is
compiled is the engine of a single run, over all lanes at once (`vmap`), or for one lane alone
(`sequential`).

No device ever waits for another: there is no communication between lanes. On a CPU the lanes take
turns instead (`runner.engine.turns`), which is fastest there, since small operations gain nothing
from batching; on an accelerator it is `vmap`. It does not change a run beyond rounding.

The number of lanes is a shape, so it is compiled in. Where there are fewer runs than lanes, the
others are idle copies of the last run, which take no steps.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
import numpy.typing as npt
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

from runner.engine.compilation import RUNS_ONCE
from runner.engine.diagnostics import chosen
from runner.engine.evaluation import measures
from runner.engine.kept_programs import Program
from runner.engine.side_by_side import SideBySide
from runner.engine.state import Arrays, Measured, Timeline
from runner.engine.step_diagnostics import chosen as chosen_of_steps
from runner.engine.strategy import Strategy
from runner.engine.train import first_tables, initial_state, take_steps
from runner.experiment.experiment import Experiment
from runner.options.schedule.power import Base

_Tree = TypeVar("_Tree")
Leaves = list[jax.Array]
"""The leaves of a state; only the compiled functions know its structure."""

_AXIS = "lanes"
_PER_LANE, _SHARED = PartitionSpec(_AXIS), PartitionSpec()
_STATES = 2
"""Which argument of `advance` the states are."""

PROGRAMS_KEPT = 16
"""How many compiled programs stay in memory. Each takes hundreds of memory mappings, and an
operating system allows a process some ten thousands; a sweep may need any number of programs."""

_one_at_a_time = Lock()
"""Held while programs are looked up: two threads that ask for the same ones get the same."""


class Lanes(SideBySide[Experiment, Arrays, Leaves, Measured]):
    """A number of lanes on some devices.

    Args:
        count: how many runs there is room for.
        strategy: `vmap`, or `sequential`, which has one lane on one device.
        devices: what computes them; their number divides `count`.
    """

    def __init__(self, count: int, strategy: Strategy, devices: Sequence[jax.Device]) -> None:
        assert count % len(devices) == 0
        assert strategy in ("vmap", "sequential")
        assert strategy != "sequential" or count == len(devices) == 1
        self.count = count
        self.strategy = strategy
        self.devices = tuple(devices)
        mesh = Mesh(np.array(self.devices), (_AXIS,))
        self._per_lane: Sharding = NamedSharding(mesh, _PER_LANE)
        if strategy == "sequential":
            self._per_lane = SingleDeviceSharding(self.devices[0])
        self._shared = NamedSharding(mesh, _SHARED)
        self._on_host: tuple[Leaves, list[npt.NDArray]] | None = None

    def stack(self, experiments: Sequence[Experiment]) -> Experiment:
        """The experiments as one, every number an array with an entry for each lane."""
        if self.strategy == "sequential":
            return jax.device_put(jax.tree.map(as_array, experiments[0]), self.devices[0])
        filled = [*experiments, *[experiments[-1]] * (self.count - len(experiments))]
        return jax.device_put(jax.tree.map(_stacked, *filled), self._per_lane)

    def share(self, tree: _Tree) -> _Tree:
        """The same arrays for all lanes, on every device."""
        if self.strategy == "sequential":
            return jax.device_put(tree, self.devices[0])
        return jax.device_put(tree, self._shared)

    def state_bytes(self, experiments: Experiment, arrays: Arrays) -> int:
        """How large the states of all lanes are."""
        program, shapes = self._programs(experiments).initialize, _shapes(experiments, arrays)
        lowered = program.lowered(shapes, lambda: (experiments, arrays))
        leaves = jax.tree.leaves(lowered.out_info)
        return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves)

    def initialize(self, experiments: Experiment, arrays: Arrays) -> Leaves:
        """The state of every lane before the first step."""
        program, shapes = self._programs(experiments).initialize, _shapes(experiments, arrays)
        return program.compiled(shapes, lambda: (experiments, arrays))(experiments, arrays)

    def restore(self, states: Sequence[list[Any]]) -> Leaves:
        """Put the leaves of a state of each run on the devices."""
        if self.strategy == "sequential":
            return jax.device_put(states[0], self.devices[0])
        filled = [*states, *[states[-1]] * (self.count - len(states))]
        stacked = [np.stack(leaves) for leaves in zip(*filled, strict=True)]
        return jax.device_put(stacked, self._per_lane)

    def compile(self, experiments: Experiment, arrays: Arrays, timeline: Timeline) -> None:
        """Have the program of `advance` ready; takes no step.

        Args:
            experiments: what `stack` returned.
            arrays: the data, as `share` returned them.
            timeline: where the phase begins and the run ends.
        """
        self._advance(experiments, arrays, timeline)

    def _advance(
        self, experiments: Experiment, arrays: Arrays, timeline: Timeline
    ) -> jax.stages.Compiled:
        programs, shapes = self._programs(experiments), _shapes(experiments, arrays)

        def arguments() -> tuple[Any, ...]:
            initialize = programs.initialize.lowered(shapes, lambda: (experiments, arrays))
            states = [
                jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=self._per_lane)
                for leaf in jax.tree.leaves(initialize.out_info)
            ]
            return experiments, arrays, states, 0, 0, timeline

        return programs.advance.compiled((len(timeline.phases.first_steps), *shapes), arguments)

    def advance(
        self,
        experiments: Experiment,
        arrays: Arrays,
        states: Leaves,
        start: int,
        until: int,
        timeline: Timeline,
        ended: Sequence[bool] = (),
    ) -> tuple[Leaves, Measured]:
        """Take steps in every lane; what lanes measure that have ended is meaningless.

        States and what is measured have a leading axis of lanes, except with the strategy
        `sequential`. With `vmap` the states are donated to the call.

        Args:
            experiments: what `stack` returned.
            arrays: the data, as `share` returned them.
            states: the leaves of the states before the first of the steps.
            start: the first step to take.
            until: the step to stop before.
            timeline: where the phase begins and the run ends.
            ended: which lanes have ended; not used here, where all lanes advance together.
        """
        program = self._advance(experiments, arrays, timeline)
        states, found = program(experiments, arrays, states, start, until, timeline)
        can_stop = experiments.stopping.measure is not None
        tables = self._structure_of_tables(experiments, arrays)
        evaluated = measures(experiments)
        return states, Measured.of(found, evaluated, can_stop=can_stop, tables=tables)

    def _structure_of_tables(
        self, experiments: Experiment, arrays: Arrays
    ) -> jax.tree_util.PyTreeDef | None:
        """The structure of what diagnostics measure, with all names; None without diagnostics."""
        if not chosen(experiments) and not chosen_of_steps(experiments):
            return None
        programs, shapes = self._programs(experiments), _shapes(experiments, arrays)
        if shapes not in programs.tables:
            tables = first_tables
            if self.strategy == "vmap":
                tables = jax.vmap(first_tables, in_axes=(0, None))
            found = jax.eval_shape(tables, experiments, arrays)
            programs.tables[shapes] = jax.tree.structure(found)
        return programs.tables[shapes]

    def _programs(self, experiments: Experiment) -> Programs:
        structure = jax.tree.structure(experiments)
        with _one_at_a_time:
            return programs_for(self.strategy, self.devices, structure)

    def state_of(self, states: Leaves, place: int) -> list[Any]:
        """The leaves of the state of one lane; with `vmap` those of all are copied to the host."""
        if self.strategy == "sequential":
            return states
        if self._on_host is None or self._on_host[0] is not states:
            self._on_host = states, jax.device_get(states)
        return [leaf[place] for leaf in self._on_host[1]]

    def to_host(self, measured: Measured) -> list[Measured]:
        """What each lane measured, as NumPy arrays; waits for it."""
        values = jax.device_get(measured)
        if self.strategy == "sequential":
            return [values]
        return [jax.tree.map(operator.itemgetter(lane), values) for lane in range(self.count)]


class Programs(NamedTuple):
    """The compiled functions for experiments of one structure; see `Lanes`."""

    initialize: Program
    advance: Program
    tables: dict[Hashable, jax.tree_util.PyTreeDef]  # structures of what diagnostics measure


@functools.lru_cache(maxsize=PROGRAMS_KEPT)
def programs_for(
    strategy: Strategy, devices: tuple[jax.Device, ...], structure: jax.tree_util.PyTreeDef
) -> Programs:
    """The compiled functions for experiments of one structure.

    Every structure has functions of its own, so that dropping them frees what was compiled for it.

    Args:
        strategy: how the lanes are computed.
        devices: what computes them.
        structure: of the experiments; it tells the cache which programs are meant.
    """
    initialize, advance = {"sequential": _single, "vmap": _vectorized}[strategy]()
    if len(devices) > 1:
        per_lane, shared = _PER_LANE, _SHARED
        mesh = Mesh(np.array(devices), (_AXIS,))
        spread = functools.partial(jax.shard_map, mesh=mesh, out_specs=per_lane, check_vma=False)
        initialize = spread(initialize, in_specs=(per_lane, shared))
        advance = spread(advance, in_specs=(per_lane, shared, per_lane, shared, shared, shared))
    donated = () if strategy == "sequential" else _STATES
    made_from = f"{strategy} {structure}"
    return Programs(
        Program("initialize_lanes", initialize, devices, made_from, compiler_options=RUNS_ONCE),
        Program("advance_lanes", advance, devices, made_from, donate_argnums=donated),
        {},
    )


_Engine = tuple[Callable[..., Leaves], Callable[..., tuple[Leaves, Leaves]]]


def _single() -> _Engine:
    """The engine with states as leaves: what is kept of a program says nothing of its trees."""
    initial = jax.jit(functools.partial(initial_state))  # traced once for both functions

    def initialize(experiment: Experiment, arrays: Arrays) -> Leaves:
        return jax.tree.leaves(initial(experiment, arrays))

    def advance(
        experiment: Experiment, arrays: Arrays, state: Leaves, *bounds: Any
    ) -> tuple[Leaves, Leaves]:
        structure = jax.tree.structure(initial.eval_shape(experiment, arrays))
        done = take_steps(experiment, arrays, jax.tree.unflatten(structure, state), *bounds)
        return jax.tree.leaves(done[0]), jax.tree.leaves(done[1])

    return initialize, advance


def _vectorized() -> _Engine:
    initialize, advance = _single()
    return (
        jax.vmap(initialize, in_axes=(0, None)),
        jax.vmap(advance, in_axes=(0, None, 0, None, None, None)),
    )


def _shapes(experiments: Experiment, arrays: Arrays) -> tuple[Any, ...]:
    """What the shapes of a state follow from, for experiments of one structure."""
    leaves = (jax.tree.leaves(experiments)[0], *jax.tree.leaves(arrays))
    return tuple((leaf.shape, leaf.dtype.str, leaf.weak_type) for leaf in leaves)


def _stacked(*leaves: float) -> npt.NDArray:
    return np.stack([as_array(leaf) for leaf in leaves])


def as_array(leaf: float) -> npt.NDArray:
    """A number as an array of the type that JAX gives it; a base as its two parts."""
    if isinstance(leaf, Base):
        return np.asarray(leaf.parts(), jax.dtypes.canonicalize_dtype(float))
    kind = float if isinstance(leaf, float) else int
    return np.asarray(leaf, jax.dtypes.canonicalize_dtype(kind))
