"""How fast training goes, for estimates of the time left."""

from __future__ import annotations

from collections import deque

LEAST_SECONDS = 0.25
"""The shortest time from which the speed is estimated: a short chunk may be mostly overhead."""

WINDOW_SECONDS = 2.0
"""Older measurements are dropped as soon as the newer ones cover this."""


class Speed:
    """The recent speed of something, from how much was done in how many seconds."""

    def __init__(self) -> None:
        self._measurements: deque[tuple[float, float]] = deque()

    def add(self, amount: float, seconds: float) -> None:
        """Add a measurement: the amount that was done in a number of seconds."""
        self._measurements.append((amount, seconds))
        while self._seconds() - self._measurements[0][1] >= WINDOW_SECONDS:
            self._measurements.popleft()

    def per_second(self) -> float | None:
        """The amount a second; None until it has been measured for long enough."""
        if self._seconds() < LEAST_SECONDS:
            return None
        return sum(amount for amount, _ in self._measurements) / self._seconds()

    def _seconds(self) -> float:
        return sum(seconds for _, seconds in self._measurements)
