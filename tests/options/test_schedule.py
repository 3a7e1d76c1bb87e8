"""Schedules against their formulas, at the start, in the middle, at corners and at the end."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose

from runner.errors import ConfigError
from runner.experiment.table import OPTIONS
from runner.options.clock import Clock

PER_EPOCH, TOTAL = 20, 200
STEPS = np.array([0, 1, 10, 20, 40, 50, 59, 60, 99, 100, 101, 140, 149, 150, 160, 199, 200])
EPOCHS = STEPS / PER_EPOCH
PASSED = STEPS / TOTAL


def clock(step: float) -> Clock:
    return Clock(step, jnp.asarray(step / PER_EPOCH), PER_EPOCH, TOTAL, TOTAL / PER_EPOCH)


def multipliers(choice: dict, warmup: Any = "none") -> np.ndarray:
    experiment = compose({"epochs": 10}, schedule=choice, warmup=warmup)
    schedule = experiment.schedule
    return np.array(
        [experiment.warmup.multiplier(schedule, clock(step), schedule.init()) for step in STEPS]
    )


def cosine(progress: np.ndarray, start: float = 1.0, end: float = 0.0) -> np.ndarray:
    return end + (start - end) * (1 + np.cos(np.pi * progress)) / 2


def restarts(t: float) -> float:
    """Loshchilov & Hutter's loop: a first period of 1.5 units, each twice as long as the last."""
    begin, period = 0.0, 1.0
    while t >= begin + period:
        begin, period = begin + period, 2 * period
    return 0.1 + 0.9 * (1 + math.cos(math.pi * (t - begin) / period)) / 2


def name_of(value: Any) -> str:
    return value["name"] if isinstance(value, dict) else ""


FORMULAS: list[tuple[dict[str, Any], np.ndarray]] = [
    ({"name": "constant"}, np.ones(len(STEPS))),
    ({"name": "exp"}, 0.96**EPOCHS),
    ({"name": "exp", "decay_rate": 0.99, "unit": "step"}, 0.99**STEPS),
    ({"name": "natural_exp"}, np.exp(-0.04 * EPOCHS)),
    ({"name": "natural_exp", "decay_rate": 0.01, "unit": "step"}, np.exp(-0.01 * STEPS)),
    ({"name": "inverse_time"}, 1 / (1 + 0.1 * EPOCHS)),
    ({"name": "inverse_time", "decay_rate": 2.0, "unit": "step"}, 1 / (1 + 2.0 * STEPS)),
    ({"name": "inverse_sqrt"}, 1 / np.sqrt(1 + EPOCHS)),
    ({"name": "inverse_sqrt", "timescale": 4.0, "unit": "step"}, 1 / np.sqrt(1 + STEPS / 4)),
    ({"name": "linear"}, 1 - 0.99 * PASSED),
    ({"name": "linear", "final": 0.2, "length": 5}, 1 - 0.8 * np.minimum(EPOCHS / 5, 1)),
    ({"name": "polynomial", "power": 3.0, "final": 0.1}, 0.1 + 0.9 * (1 - PASSED) ** 3),
    (
        {"name": "polynomial", "length": 50, "unit": "step"},
        (1 - np.minimum(STEPS / 50, 1)) ** 2,
    ),
    ({"name": "step"}, 0.1 ** ((STEPS >= 100).astype(float) + (STEPS >= 150))),
    (
        {"name": "step", "milestones": [3, 7], "factor": 0.5},
        0.5 ** ((EPOCHS >= 3).astype(float) + (EPOCHS >= 7)),
    ),
    ({"name": "cosine"}, cosine(PASSED)),
    ({"name": "cosine", "final": 0.2, "length": 1}, cosine(np.minimum(EPOCHS, 1), end=0.2)),
    (
        {"name": "cosine", "final": 0.1, "length": 50, "unit": "step"},
        cosine(np.minimum(STEPS / 50, 1), end=0.1),
    ),
    (
        {"name": "cosine_restarts", "period": 1, "final": 0.1},
        np.array([restarts(t) for t in EPOCHS]),
    ),
    (
        {"name": "cosine_restarts", "period": 20, "growth": 1, "unit": "step"},
        cosine(np.mod(STEPS, 20) / 20),
    ),
    (
        {"name": "one_cycle"},
        np.where(
            PASSED < 0.3,
            cosine(PASSED / 0.3, start=0.04, end=1.0),
            cosine((PASSED - 0.3) / 0.7, end=4e-6),
        ),
    ),
    ({"name": "cyclic"}, 0.1 + 0.9 * (1 - abs(np.mod(EPOCHS, 4) / 2 - 1))),
    (
        {"name": "cyclic", "half_cycle": 25, "unit": "step", "decay_rate": 0.99, "low": 0.0},
        (1 - abs(np.mod(STEPS / 25, 2) - 1)) * 0.99**STEPS,
    ),
    (
        {"name": "trapezoid"},
        np.interp(PASSED, [0, 0.1, 0.8, 1], [0, 1, 1, 0]),
    ),
    (
        {"name": "trapezoid", "rise": 0.0, "fall": 0.5, "final": 0.3},
        np.interp(PASSED, [0, 0.5, 1], [1, 1, 0.3]),
    ),
]


@pytest.mark.parametrize(
    ("choice", "expected"), FORMULAS, ids=lambda x: x.get("name", "") if isinstance(x, dict) else ""
)
def test_formulas(choice: dict, expected: np.ndarray) -> None:
    np.testing.assert_allclose(multipliers(choice), expected, rtol=1e-5, atol=1e-6)


def test_every_schedule_is_checked() -> None:
    assert {choice["name"] for choice, _ in FORMULAS} | {"plateau"} == set(OPTIONS["schedule"])


def reduce_on_plateau(
    losses: list[float], *, factor: float, patience: int, threshold: float, least: float
) -> list[float]:
    """PyTorch's ReduceLROnPlateau as documented: `patience` bad evaluations are forgiven."""
    best, bad, rate, rates = float("inf"), 0, 1.0, []
    for loss in losses:
        if loss < best * (1 - threshold):
            best, bad = loss, 0
        else:
            bad += 1
        if bad > patience:
            rate, bad = max(rate * factor, least), 0
        rates.append(rate)
    return rates


LOSSES = [3.0, 2.0, 2.5, 2.1, 1.9999, 2.0, 1.5, 1.4999, 1.6, 1.6, 1.6, 1.6, 1.2, 9.0, 9.0, 9.0, 9.0]


def test_plateau_is_the_published_loop() -> None:
    choice = {"name": "plateau", "factor": 0.3, "patience": 3, "threshold": 0.01, "least": 0.05}
    schedule = compose(schedule=choice).schedule
    memory, got = schedule.init(), []
    for loss in LOSSES:
        memory = schedule.observe(memory, jnp.asarray(loss))
        got.append(float(schedule(clock(0), memory)))
    expected = reduce_on_plateau(LOSSES, factor=0.3, patience=2, threshold=0.01, least=0.05)
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert got[-1] == pytest.approx(0.05)


@pytest.mark.parametrize(("choice", "expected"), FORMULAS[:14], ids=lambda x: "")
def test_a_warmup_precedes_and_the_schedule_starts_after_it(
    choice: dict, expected: np.ndarray
) -> None:
    """For steps after the warm-up: the schedule alone, in a run shorter by the warm-up."""
    warm = 2
    got = multipliers(choice, {"name": "linear", "length": warm, "initial": 0.25})
    during = warm > EPOCHS
    np.testing.assert_allclose(got[during], 0.25 + 0.75 * EPOCHS[during] / warm, rtol=1e-6)
    alone = compose({"epochs": 8}, schedule=choice).schedule
    for step, value in zip(STEPS[~during], got[~during], strict=True):
        rest = step - warm * PER_EPOCH
        short = Clock(rest, jnp.asarray(rest / PER_EPOCH), PER_EPOCH, TOTAL - 40, 8.0)
        np.testing.assert_allclose(value, alone(short, alone.init()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "schedule", "warmup", "words"),
    [
        ({"epochs": 2}, {"name": "cosine", "length": 3}, "none", r"schedule\.length .* longer"),
        (
            {"epochs": 2},
            {"name": "linear", "length": 91, "unit": "step"},
            "none",
            r"91 steps is longer than the run of 90 steps",
        ),
        ({"epochs": 2}, {"name": "step", "milestones": [1, 3]}, "none", r"3 epochs is longer"),
        ({}, {"name": "step", "milestones": [3, 2]}, "none", r"milestones is wrong: they must"),
        ({}, {"name": "step", "milestones": []}, "none", r"the list is empty"),
        ({"epochs": 2}, {"name": "cyclic", "half_cycle": 3}, "none", r"half_cycle .* longer"),
        ({"epochs": 2}, {"name": "cosine_restarts", "period": 5}, "none", r"period .* longer"),
        ({}, {"name": "trapezoid", "rise": 0.9, "fall": 0.2}, "none", r"more than the run"),
        ({"epochs": 50}, {"name": "exp", "unit": "step"}, "none", r"use unit=epoch"),
        ({"epochs": 2}, "constant", {"name": "linear", "length": 2}, r"leave nothing"),
        ({"epochs": 3}, {"name": "cosine", "length": 3}, "linear", r"the run of 2 epochs"),
    ],
)
def test_what_does_not_fit_the_run_is_refused(
    settings: dict, schedule: Any, warmup: Any, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        compose(settings, schedule=schedule, warmup=warmup)


def test_a_length_that_ends_with_the_run_is_fine() -> None:
    compose({"epochs": 2}, schedule={"name": "cosine", "length": 2})
    compose({"epochs": 2}, schedule={"name": "cosine", "length": 90, "unit": "step"})
    compose({"epochs": 3}, schedule={"name": "cosine", "length": 2}, warmup="linear")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("constant", np.full(len(STEPS), 0.9)),
        ({"name": "linear", "length": 4}, 0.5 + 0.4 * np.minimum(EPOCHS / 4, 1)),
        (
            {"name": "sutskever", "period": 20},
            np.minimum(1 - 2.0 ** (-1 - np.log2(np.floor(STEPS / 20) + 1)), 0.9),
        ),
        (
            {"name": "one_cycle", "low": 0.8},
            np.where(
                PASSED < 0.3,
                cosine(PASSED / 0.3, start=0.9, end=0.8),
                cosine((PASSED - 0.3) / 0.7, start=0.8, end=0.9),
            ),
        ),
    ],
)
def test_momentum_schedules(choice: Any, expected: np.ndarray) -> None:
    schedule = compose(optimizer="momentum", momentum_schedule=choice).momentum_schedule
    got = [float(schedule(jnp.asarray(0.9), clock(step))) for step in STEPS]
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_momentum_schedules_set_the_numbers_they_name() -> None:
    adam = compose(optimizer="adam").optimizer
    assert adam.with_momentum(None, lambda b: b / 2).b1 == 0.45
    both = adam.with_momentum(("b1", "b2"), lambda b: b / 2)
    assert (both.b1, both.b2) == (0.45, 0.4995)
    inside = compose(optimizer={"name": "sam", "base": "momentum"}).optimizer
    assert inside.with_momentum(None, lambda b: b / 2).base.momentum == 0.45


@pytest.mark.parametrize(
    ("optimizer", "choice", "words"),
    [
        ("sgd", "linear", "no momentum that could follow"),
        (
            "adam",
            {"name": "linear", "of": ["momentum"]},
            "momentum is not a momentum of the optimizer; choose from b1, b2",
        ),
    ],
)
def test_momentum_schedules_need_momentum(optimizer: str, choice: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compose(optimizer=optimizer, momentum_schedule=choice)
