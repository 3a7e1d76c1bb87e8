"""What is known about a run before it trains."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from runner.measures import METRIC, ErrorKind


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is known about a run before it trains; its summary repeats most of it.

    Attributes:
        config: the resolved config.
        seed: the seed of the run.
        train_examples: how many examples an epoch has.
        total_steps: the planned number of steps.
        total_epochs: the planned number of epochs.
        device: what the run is computed on, in words.
        measure_every: the steps from one measurement of the norms to the next.
        lanes: how many runs are computed side by side.
        batch_size: how many examples the first step takes; None: as the config says.
        clips: whether gradients may be clipped, so that it is of interest how often that happened.
        error: what the errors are.
        started_from: where the initial weights come from, if from another run.
        stop_reason: why the run stops, if early stopping ends it.
        best_by: the measure by which an evaluation is the best one.
    """

    config: Mapping[str, Any]
    seed: int
    train_examples: int
    total_steps: int
    total_epochs: float
    device: str
    measure_every: int = 1
    lanes: int = 1
    batch_size: int | None = None
    clips: bool = False
    error: ErrorKind = ErrorKind.RATE
    started_from: Mapping[str, Any] | None = None
    stop_reason: str | None = None
    best_by: str = METRIC
