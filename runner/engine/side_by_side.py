"""What computes experiments side by side, as the host's loop uses it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import jax

from runner.engine.state import Arrays, Measured, Timeline
from runner.experiment.experiment import Experiment

Stacked = TypeVar("Stacked")
"""Experiments with every number an array."""
Shared = TypeVar("Shared")
"""The arrays of the data, where they are needed."""
States = TypeVar("States")
Results = TypeVar("Results")
"""What is measured, perhaps still being computed."""


class SideBySide(Protocol[Stacked, Shared, States, Results]):
    """A number of experiments on some devices: `Lanes`, or `Turns`.

    What a method returns is only passed on to the others, so each class has its own types of it.

    Attributes:
        count: how many experiments there is room for.
        devices: what computes them.
    """

    count: int
    devices: tuple[jax.Device, ...]

    def stack(self, experiments: Sequence[Experiment]) -> Stacked:
        """Put the numbers of experiments on the devices."""

    def share(self, tree: Arrays) -> Shared:
        """Put the arrays that all experiments share on the devices."""

    def state_bytes(self, experiments: Stacked, arrays: Shared) -> int:
        """How large the states are together; computes nothing."""

    def initialize(self, experiments: Stacked, arrays: Shared) -> States:
        """Compute the states before the first step."""

    def restore(self, states: Sequence[list[Any]]) -> States:
        """Put states that were read by `state_of` on the devices, one for each experiment."""

    def compile(self, experiments: Stacked, arrays: Shared, timeline: Timeline) -> None:
        """Have the program of `advance` ready; takes no step.

        Args:
            experiments: made by `stack`.
            arrays: made by `share`.
            timeline: any, since it is data.
        """

    def advance(
        self,
        experiments: Stacked,
        arrays: Shared,
        states: States,
        start: int,
        until: int,
        timeline: Timeline,
        ended: Sequence[bool] = (),
    ) -> tuple[States, Results]:
        """Take the steps `start`, ..., `until - 1`; see `runner.engine.train.take_steps`.

        Args:
            experiments: made by `stack`.
            arrays: made by `share`.
            states: the states after `start` steps; they may be donated to the call.
            start: the first step to take.
            until: the step to stop before.
            timeline: where the phase begins and the run ends.
            ended: which experiments have ended.

        Returns:
            The states after `until` steps, and what was measured.
        """

    def state_of(self, states: States, place: int) -> list[Any]:
        """The leaves of the state of one experiment; they are valid until the next `advance`."""

    def to_host(self, measured: Results) -> Sequence[Measured | None]:
        """Wait for what each experiment measured, as NumPy arrays; None of what had ended."""
