"""The states of experiments that train side by side: where each starts, and what is read of it."""

from __future__ import annotations

import functools
from abc import ABC
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from runner.engine.checkpoint import Checkpoint
from runner.engine.chunk import Chunk
from runner.engine.side_by_side import SideBySide
from runner.engine.state import State
from runner.engine.weights import (
    Weights,
    WeightsKind,
    started_from,
    state_shapes,
    weights_left,
)
from runner.options.parameters import Path
from runner.status import Status

Computed = SideBySide[Any, Any, Any, Any]
"""How the experiments are computed."""


class WithStates(ABC):
    """Experiments side by side, with the state of each.

    Attributes:
        lanes: how they are computed.
        state: that of all lanes, on their devices; None before the first step is prepared.
        at_rest: whether the device has nothing to do, so that the state is that after the last
            chunk.
    """

    lanes: Computed
    state: Any
    at_rest: bool
    _numbers: list[Any]
    _placed: Any
    _first_step: int
    _start: list[list[Any]] | None
    _seconds: list[float]

    def checkpoint(self, place: int, chunk: Chunk) -> Checkpoint:
        """Everything from which the experiment in this place can be continued to the bit.

        Args:
            place: which experiment.
            chunk: the last one; nothing was computed since (`at_rest`).
        """
        assert self.at_rest
        state = jax.device_get(self._state_of(place))
        return Checkpoint(state, chunk.steps_taken, chunk.seconds)

    def resume(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Start from checkpoints of the experiments, all after the same number of steps.

        To be called before `prepare`, `compile` and the first steps.

        Args:
            checkpoints: one for each experiment; the states are structured as `state_shapes`.
        """
        self._first_step = checkpoints[0].steps
        assert {each.steps for each in checkpoints} == {self._first_step}
        self._start = [jax.tree.leaves(each.state) for each in checkpoints]
        self._seconds = [each.seconds for each in checkpoints]

    @property
    def steps_before(self) -> int:
        """After how many steps the experiments go on; 0: they start."""
        return self._first_step

    def started_with(
        self, place: int, params: Mapping[Path, Any], layers: Mapping[Path, Any]
    ) -> Checkpoint:
        """The state before the first step of an experiment that starts from given parameters.

        Args:
            place: which experiment.
            params: the parameters that are taken, by path.
            layers: the state of the layers that belongs to them, by path.
        """
        state = started_from(self._numbers[place], self._placed, params, layers)
        return Checkpoint(state, steps=0, seconds=0.0)

    def state_shapes(self, place: int) -> State:
        """The state of one experiment, with the shape and the type of each array in its place."""
        return state_shapes(self._numbers[place], self._placed)

    def _state_of(self, place: int) -> State:
        return jax.tree.unflatten(self._structure, self.lanes.state_of(self.state, place))

    @functools.cached_property
    def _structure(self) -> Any:
        """How the state of every one of the experiments is nested."""
        return jax.tree.structure(self.state_shapes(0))

    def weights(self, place: int, chunk: Chunk) -> dict[WeightsKind, Weights]:
        """The parameters that the experiment in this place leaves with its last chunk."""
        own = self._numbers[place]
        if not own.weights or not (chunk.status == Status.FINISHED or own.keeps_best):
            return {}
        return weights_left(own, self._placed, self._state_of(place), chunk)
