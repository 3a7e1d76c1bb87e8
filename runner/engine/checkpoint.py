"""A checkpoint: all that a run is continued from, to the bit.

The random numbers of a step follow from the seed and the number of the step, and the order of an
epoch is part of the state. So nothing is missing, wherever in an epoch the run is.
"""

from __future__ import annotations

from typing import NamedTuple

from runner.engine.state import State


class Checkpoint(NamedTuple):
    """A run between two of its chunks.

    Attributes:
        state: its state, as NumPy arrays.
        steps: after how many steps.
        seconds: the training time so far.
    """

    state: State
    steps: int
    seconds: float
