"""The time that schedules depend on, in steps or in epochs, both from 0.

A run has one or several phases, each of one batch size. Within a phase an epoch has a fixed number
of steps; a growing batch has fewer in each later phase. Every time is counted over the whole run,
and a time in one unit is converted to the other by the phase in which it lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Array, Float, Int, Num

Unit = Literal["epoch", "step"]


class Phases(NamedTuple):
    """The first step and the first epoch of each phase, and the number of steps in its epochs.

    Entries after the last phase start later than any run ends.
    """

    first_steps: Num[Array | np.ndarray, " phases"]
    first_epochs: Num[Array | np.ndarray, " phases"]
    steps_per_epoch: Int[Array | np.ndarray, " phases"]

    def in_both_units(self, time: Any, unit: Unit) -> tuple[Any, Any]:
        """Return a time in steps and in epochs.

        Args:
            time: the time; at least 0.
            unit: the unit of `time`.
        """
        starts = self.first_steps if unit == "step" else self.first_epochs
        phase = (starts <= time).sum() - 1
        step, epoch = self.first_steps[phase], self.first_epochs[phase]
        if unit == "step":
            return time, epoch + (time - step) / self.steps_per_epoch[phase]
        return step + (time - epoch) * self.steps_per_epoch[phase], time


class Clock(NamedTuple):
    """The time of a step, the length of the whole run, and its phases."""

    step: Num[Array, ""]
    epoch: Float[Array, ""]  # with its fraction
    total_steps: Num[Array, ""] | int
    total_epochs: Float[Array, ""] | float
    phases: Phases

    def time(self, unit: Unit) -> Num[Array, ""]:
        """Return the time t."""
        return self.epoch if unit == "epoch" else self.step

    def end(self, unit: Unit) -> Num[Array, ""] | float:
        """Return the time at which the run ends."""
        return self.total_epochs if unit == "epoch" else self.total_steps

    def progress(self, length: Int[Array, ""] | int | None, unit: Unit) -> Float[Array, ""]:
        """Return the fraction of `length` (None: the whole run) that has passed, at most 1."""
        whole = self.end(unit) if length is None else length
        fraction = self.time(unit) / whole
        return fraction.clip(0, 1)

    def since(self, start: Int[Array, ""] | int, unit: Unit) -> Clock:
        """Return a clock that is 0 at `start`, for a run that is shorter by `start`."""
        steps, epochs = self.phases.in_both_units(start, unit)
        return Clock(
            self.step - steps,
            self.epoch - epochs,
            self.total_steps - steps,
            self.total_epochs - epochs,
            self.phases._replace(
                first_steps=self.phases.first_steps - steps,
                first_epochs=self.phases.first_epochs - epochs,
            ),
        )
