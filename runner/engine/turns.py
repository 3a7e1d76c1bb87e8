"""Lanes that take turns: the program of a run alone, called for each lane.

A lane therefore equals the run alone to the bit, whatever is compiled: it is the same program. Two
programs of the same operations are not always equal to the bit, since XLA fuses operations
differently in each, and within a fusion LLVM contracts a product and a sum to one rounding.

The lanes are divided among worker threads, one for each device that is asked for. CPU devices are
cores of the same machine, so all workers use the first of them, and its program is compiled once.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import jax

from runner.engine.lanes import Lanes, Leaves, as_array
from runner.engine.side_by_side import SideBySide
from runner.engine.state import Arrays, Measured, Timeline
from runner.engine.strategy import Strategy
from runner.experiment.experiment import Experiment

_Tree = TypeVar("_Tree")


class Turn(NamedTuple):
    """What a lane did in a call: its state, and what was measured; None if it had ended before."""

    state: Leaves
    measured: Measured | None


Turning = Future[Turn]
"""A turn that may still be computed."""


class Turns(
    SideBySide[Sequence[Experiment], Sequence[Arrays], Sequence[Turning], Sequence[Turning]]
):
    """A number of lanes, computed one after the other by each worker.

    Args:
        count: how many runs there is room for.
        devices: how many workers there are, and where they compute.
    """

    strategy: Strategy = "map"

    def __init__(self, count: int, devices: Sequence[jax.Device]) -> None:
        self.count = count
        self.devices = tuple(devices)
        places = devices[:1] if devices[0].platform == "cpu" else devices
        self._places = [Lanes(1, "sequential", [device]) for device in places]
        self._workers = ThreadPoolExecutor(len(devices))

    def _place(self, lane: int) -> int:
        """Which of the places computes a lane."""
        return lane % len(self._places)

    def stack(self, experiments: Sequence[Experiment]) -> list[Experiment]:
        """The experiments, every number an array."""
        arrays = [jax.tree.map(as_array, experiment) for experiment in experiments]
        places = [self._places[self._place(lane)].devices[0] for lane in range(len(arrays))]
        return jax.device_put(arrays, places)

    def share(self, tree: _Tree) -> list[_Tree]:
        """The same arrays in every place."""
        return [place.share(tree) for place in self._places]

    def state_bytes(self, experiments: Sequence[Experiment], arrays: Sequence[Arrays]) -> int:
        """How large the states of all lanes are."""
        return self.count * self._places[0].state_bytes(experiments[0], arrays[0])

    def initialize(
        self, experiments: Sequence[Experiment], arrays: Sequence[Arrays]
    ) -> list[Turning]:
        """Compute the states before the first step, as turns that have been taken."""
        places = [self._place(lane) for lane in range(len(experiments))]
        return [
            _taken(self._places[at].initialize(experiment, arrays[at]))
            for at, experiment in zip(places, experiments, strict=True)
        ]

    def restore(self, states: Sequence[list[Any]]) -> list[Turning]:
        """Put the leaves of a state of each lane in its place, as turns that have been taken."""
        return [
            _taken(self._places[self._place(lane)].restore([state]))
            for lane, state in enumerate(states)
        ]

    def compile(
        self, experiments: Sequence[Experiment], arrays: Sequence[Arrays], timeline: Timeline
    ) -> None:
        """Have the program of a run alone ready in every place; takes no step.

        Args:
            experiments: one for each lane, as `stack` returned them.
            arrays: the data in each place, as `share` returned them.
            timeline: where the phase begins and the run ends.
        """
        for experiment, place, own in zip(experiments, self._places, arrays, strict=False):
            place.compile(experiment, own, timeline)

    def advance(
        self,
        experiments: Sequence[Experiment],
        arrays: Sequence[Arrays],
        states: Sequence[Turning],
        start: int,
        until: int,
        timeline: Timeline,
        ended: Sequence[bool] = (),
    ) -> tuple[list[Turning], list[Turning]]:
        """Take steps in every lane that has not ended.

        The turns are returned twice, as states and as what is measured; they are still being
        computed.

        Args:
            experiments: one for each lane, as `stack` returned them.
            arrays: the data in each place, as `share` returned them.
            states: the turns before, one for each lane.
            start: the first step to take.
            until: the step to stop before.
            timeline: where the phase begins and the run ends.
            ended: which lanes have ended, and take no step; lanes beyond its end have not.
        """

        def turn(lane: int) -> Turn:
            state, at = states[lane].result().state, self._place(lane)
            bounds = start, until, timeline
            done = self._places[at].advance(experiments[lane], arrays[at], state, *bounds)
            return Turn(*jax.block_until_ready(done))

        ended = [*ended, *[False] * (len(states) - len(ended))]
        turns = [
            states[lane] if has_ended else self._workers.submit(turn, lane)
            for lane, has_ended in enumerate(ended)
        ]
        return turns, turns

    def state_of(self, states: Sequence[Turning], place: int) -> list[Any]:
        """The leaves of the state of one lane; waits for its turn."""
        return states[place].result().state

    def to_host(self, measured: Sequence[Turning]) -> list[Measured | None]:
        """What each lane measured, as NumPy arrays; waits for it."""
        return [jax.device_get(turn.result().measured) for turn in measured]


def _taken(state: Leaves) -> Turning:
    """A turn that has been taken, and measured nothing."""
    turn: Future[Turn] = Future()
    turn.set_result(Turn(state, None))
    return turn


def lanes_for(count: int, strategy: Strategy, devices: Sequence[jax.Device]) -> Lanes | Turns:
    """Lanes that are computed by a strategy.

    Args:
        count: how many runs there is room for.
        strategy: how they are computed, not `auto`.
        devices: what computes them; their number divides `count`.
    """
    if strategy == "map":
        return Turns(count, devices)
    return Lanes(count, strategy, devices)
