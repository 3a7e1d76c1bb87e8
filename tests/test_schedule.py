"""Schedules against their formulas, at the start, in the middle, at corners and at the end."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import compose

from runner.errors import ConfigError
from runner.options.schedule import Clock

PER_EPOCH, TOTAL = 20, 200
STEPS = np.array([0, 1, 10, 20, 50, 99, 100, 101, 199, 200])
EPOCHS = STEPS / PER_EPOCH


def multipliers(choice: dict) -> np.ndarray:
    schedule = compose(schedule=choice).schedule
    return np.array([schedule(Clock(step, PER_EPOCH, TOTAL)) for step in STEPS])


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"name": "constant"}, np.ones(len(STEPS))),
        ({"name": "exp"}, 0.96**EPOCHS),
        ({"name": "exp", "decay_rate": 0.9, "unit": "step"}, 0.9**STEPS),
        ({"name": "inverse_time"}, 1 / (1 + 0.1 * EPOCHS)),
        ({"name": "inverse_time", "decay_rate": 2.0, "unit": "step"}, 1 / (1 + 2.0 * STEPS)),
        ({"name": "cosine"}, (1 + np.cos(np.pi * STEPS / TOTAL)) / 2),
        (
            {"name": "cosine", "final": 0.2, "length": 1},
            0.2 + 0.8 * (1 + np.cos(np.pi * np.minimum(EPOCHS, 1))) / 2,
        ),
        (
            {"name": "cosine", "final": 0.1, "length": 50, "unit": "step"},
            0.1 + 0.9 * (1 + np.cos(np.pi * np.minimum(STEPS / 50, 1))) / 2,
        ),
    ],
)
def test_formulas(choice: dict, expected: np.ndarray) -> None:
    np.testing.assert_allclose(multipliers(choice), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("choice", [{"length": 3}, {"length": 91, "unit": "step"}])
def test_a_cosine_longer_than_the_run_is_refused(choice: dict) -> None:
    with pytest.raises(ConfigError, match=r"schedule\.length does not fit the run: .* longer"):
        compose({"epochs": 2}, schedule={"name": "cosine", **choice})


def test_a_cosine_as_long_as_the_run_is_fine() -> None:
    compose({"epochs": 2}, schedule={"name": "cosine", "length": 2})
    compose({"epochs": 2}, schedule={"name": "cosine", "length": 90, "unit": "step"})
