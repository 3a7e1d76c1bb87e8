"""The time that schedules depend on, in steps or in epochs, both from 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int, Num

Unit = Literal["epoch", "step"]


class Clock(NamedTuple):
    """The time of a step and the length of the whole run."""

    step: Num[Array, ""]
    epoch: Float[Array, ""]  # with its fraction
    steps_per_epoch: int  # in the current epoch
    total_steps: Num[Array, ""] | int
    total_epochs: Float[Array, ""] | float

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
        steps = start if unit == "step" else start * self.steps_per_epoch
        epochs = start if unit == "epoch" else start / self.steps_per_epoch
        return self._replace(
            step=self.step - steps,
            epoch=self.epoch - epochs,
            total_steps=self.total_steps - steps,
            total_epochs=self.total_epochs - epochs,
        )
