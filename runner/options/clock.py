"""Time as a schedule sees it: in steps or in epochs, both from 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int, Num

Unit = Literal["epoch", "step"]


class Clock(NamedTuple):
    """The time of a step, and the length of the whole run.

    `epoch` counts epochs with their fractions; `steps_per_epoch` is that of the current epoch.
    """

    step: Num[Array, ""]
    epoch: Float[Array, ""]
    steps_per_epoch: int
    total_steps: Num[Array, ""] | int
    total_epochs: Float[Array, ""] | float

    def time(self, unit: Unit) -> Num[Array, ""]:
        """The time t."""
        return self.epoch if unit == "epoch" else self.step

    def end(self, unit: Unit) -> Num[Array, ""] | float:
        """The time at which the run ends."""
        return self.total_epochs if unit == "epoch" else self.total_steps

    def progress(self, length: Int[Array, ""] | int | None, unit: Unit) -> Float[Array, ""]:
        """The fraction of `length` (None: the whole run) that has passed, at most 1."""
        whole = self.end(unit) if length is None else length
        fraction = self.time(unit) / whole
        return fraction.clip(0, 1)

    def since(self, start: Int[Array, ""] | int, unit: Unit) -> Clock:
        """The clock of what begins at `start`: 0 then, and the run that much shorter."""
        steps = start if unit == "step" else start * self.steps_per_epoch
        epochs = start if unit == "epoch" else start / self.steps_per_epoch
        return self._replace(
            step=self.step - steps,
            epoch=self.epoch - epochs,
            total_steps=self.total_steps - steps,
            total_epochs=self.total_epochs - epochs,
        )
