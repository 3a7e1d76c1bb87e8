"""Lanes: runs of one structure, side by side in one compiled program.

The experiments and states of several runs are stacked leaf by leaf; the data are shared. What is
compiled is the engine of a single run, over all lanes in the way that `runner.engine.strategy`
names.

No device ever waits for another: there is no communication between lanes. On a CPU `map` over one
device a core is fastest, since small operations gain nothing from batching; on an accelerator it is
`vmap`. Which one is used does not change a run beyond rounding.

The number of lanes is a shape, so it is compiled in. Where there are fewer runs than lanes, the
others are idle copies of the last run, which take no steps.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
import numpy.typing as npt
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

from runner.engine.compilation import RUNS_ONCE
from runner.engine.program import Program
from runner.engine.state import Arrays, Measured, State, Timeline
from runner.engine.strategy import Strategy
from runner.engine.train import initial_state, take_steps
from runner.experiment.experiment import Experiment

_Tree = TypeVar("_Tree")

_AXIS = "lanes"
_PER_LANE, _SHARED = PartitionSpec(_AXIS), PartitionSpec()
_STATES = 2
"""Which argument of `advance` the states are."""

PROGRAMS_KEPT = 16
"""How many compiled programs stay in memory. Each takes hundreds of memory mappings, and an
operating system allows a process some ten thousands; a sweep may need any number of programs."""

_one_at_a_time = Lock()
"""Held while programs are looked up: two threads that ask for the same ones get the same."""


class Lanes:
    """A number of lanes on some devices.

    Args:
        count: how many runs there is room for.
        strategy: how they are computed, not `auto`; `sequential` has one lane on one device.
        devices: what computes them; their number divides `count`.
    """

    def __init__(self, count: int, strategy: Strategy, devices: Sequence[jax.Device]) -> None:
        assert count % len(devices) == 0
        assert strategy != "auto"
        assert strategy != "sequential" or count == len(devices) == 1
        self.count = count
        self.strategy = strategy
        self.devices = tuple(devices)
        mesh = Mesh(np.array(self.devices), (_AXIS,))
        self._per_lane: Sharding = NamedSharding(mesh, _PER_LANE)
        self._shared = NamedSharding(mesh, _SHARED)

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

    def initialize(self, experiments: Experiment, arrays: Arrays) -> State:
        """The state of every lane before the first step."""
        program = self._programs(experiments).initialize
        return program.compiled(experiments, arrays)(experiments, arrays)

    def compile(self, experiments: Experiment, arrays: Arrays, timeline: Timeline) -> None:
        """Have the program of `advance` ready; takes no step.

        Args:
            experiments: stacked by `stack`.
            arrays: shared by `share`.
            timeline: any, since it is data.
        """
        self._advance(experiments, arrays, timeline)

    def _advance(
        self, experiments: Experiment, arrays: Arrays, timeline: Timeline
    ) -> jax.stages.Compiled:
        programs = self._programs(experiments)

        def others() -> tuple[Any, ...]:
            bounds = self._bounds(0, 0, [True] * self.count)
            return self._state_shapes(experiments, arrays), *bounds, timeline

        return programs.advance.compiled(experiments, arrays, others)

    def _state_shapes(self, experiments: Experiment, arrays: Arrays) -> State:
        """The shapes of what `initialize` returns, and the devices that it will be on."""
        placed = self._per_lane
        if self.strategy == "sequential":
            placed = SingleDeviceSharding(self.devices[0])
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(
                leaf.shape, leaf.dtype, sharding=placed, weak_type=leaf.weak_type
            ),
            self._programs(experiments).initialize.shapes(experiments, arrays),
        )

    def advance(
        self,
        experiments: Experiment,
        arrays: Arrays,
        states: State,
        start: int,
        until: int,
        timeline: Timeline,
        ended: Sequence[bool] = (),
    ) -> tuple[State, Measured]:
        """Take the steps `start`, ..., `until - 1` in every lane; see `engine.train.take_steps`.

        Args:
            experiments: stacked by `stack`.
            arrays: shared by `share`.
            states: the states after `start` steps; they are donated to the call.
            start: the first step to take.
            until: the step to stop before.
            timeline: where the phase begins and the run ends.
            ended: which lanes have ended. They take no steps where that saves time (with `map`),
                and what they measure is meaningless.

        Returns:
            The states after `until` steps, and what was measured. Both have a leading axis of
            lanes, except with the strategy `sequential`.
        """
        bounds = self._bounds(start, until, ended)
        program = self._advance(experiments, arrays, timeline)
        return program(experiments, arrays, states, *bounds, timeline)

    def _programs(self, experiments: Experiment) -> Programs:
        structure = jax.tree.structure(experiments)
        with _one_at_a_time:
            return programs_for(self.strategy, self.devices, structure)

    def _bounds(self, start: int, until: int, ended: Sequence[bool]) -> tuple[Any, Any]:
        """The first step and the step to stop before; with `map` they may differ by lane."""
        if self.strategy != "map":
            return start, until
        idle = np.array([*ended, *[True] * (self.count - len(ended))])
        # A lane whose bounds end before they start takes no steps and evaluates nothing.
        starts = np.where(idle, max(start, 1), start).astype(np.int32)
        ends = np.where(idle, 0, until).astype(np.int32)
        return jax.device_put((starts, ends), self._per_lane)

    def to_host(self, measured: Measured) -> Measured:
        """What was measured, as NumPy arrays with a leading axis of lanes; waits for it."""
        values = jax.device_get(measured)
        if self.strategy == "sequential":
            return jax.tree.map(lambda value: value[None], values)
        return values


class Programs(NamedTuple):
    """The compiled functions for experiments of one structure; see `Lanes`."""

    initialize: Program
    advance: Program


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
    initialize, advance = {"sequential": _single, "map": _mapped, "vmap": _vectorized}[strategy]()
    if len(devices) > 1:
        per_lane, shared = _PER_LANE, _SHARED
        bounds = per_lane if strategy == "map" else shared
        mesh = Mesh(np.array(devices), (_AXIS,))
        spread = functools.partial(jax.shard_map, mesh=mesh, out_specs=per_lane, check_vma=False)
        initialize = spread(initialize, in_specs=(per_lane, shared))
        advance = spread(advance, in_specs=(per_lane, shared, per_lane, bounds, bounds, shared))
    donated = () if strategy == "sequential" else _STATES
    made_from = f"{strategy} {structure}"
    return Programs(
        Program("initialize_lanes", initialize, devices, made_from, compiler_options=RUNS_ONCE),
        Program("advance_lanes", advance, devices, made_from, donate_argnums=donated),
    )


_Engine = tuple[Callable[..., State], Callable[..., tuple[State, Measured]]]


def _single() -> _Engine:
    return initial_state, take_steps


def _mapped() -> _Engine:
    def initialize(experiments: Experiment, arrays: Arrays) -> State:
        return lax.map(lambda experiment: initial_state(experiment, arrays), experiments)

    def advance(
        experiments: Experiment,
        arrays: Arrays,
        states: State,
        starts: Any,
        ends: Any,
        timeline: Timeline,
    ) -> tuple[State, Measured]:
        def lane(each: tuple[Experiment, State, Any, Any]) -> tuple[State, Measured]:
            experiment, state, start, until = each
            return take_steps(experiment, arrays, state, start, until, timeline)

        return lax.map(lane, (experiments, states, starts, ends))

    return initialize, advance


def _vectorized() -> _Engine:
    initialize, advance = _single()
    return (
        jax.vmap(initialize, in_axes=(0, None)),
        jax.vmap(advance, in_axes=(0, None, 0, None, None, None)),
    )


def _stacked(*leaves: float) -> npt.NDArray:
    return np.stack([as_array(leaf) for leaf in leaves])


def as_array(leaf: float) -> npt.NDArray:
    """A number as an array of the type that JAX gives it."""
    kind = float if isinstance(leaf, float) else int
    return np.asarray(leaf, jax.dtypes.canonicalize_dtype(kind))
