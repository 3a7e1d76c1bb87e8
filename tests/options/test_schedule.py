"""Schedules against their formulas, at the start, in the middle, at corners and at the end."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose, read_option
from engine_alone import one_phase

from runner.engine.lanes import as_array
from runner.errors import ConfigError
from runner.experiment.experiment import Experiment
from runner.experiment.plan import tabulated
from runner.experiment.table import OPTIONS
from runner.options.clock import Clock
from runner.options.schedule.base import Schedule

PER_EPOCH, TOTAL = 20, 200
STEPS = np.array([0, 1, 10, 20, 40, 50, 59, 60, 99, 100, 101, 140, 149, 150, 160, 199, 200])
EPOCHS = STEPS / PER_EPOCH
PASSED = STEPS / TOTAL


def clock(step: float) -> Clock:
    epoch = jnp.asarray(step / PER_EPOCH)
    return Clock(step, epoch, TOTAL, TOTAL / PER_EPOCH, one_phase(PER_EPOCH))


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
    ({"name": "exp", "decay_steps": 3}, 0.96 ** (EPOCHS / 3)),
    ({"name": "exp", "decay_steps": 2, "staircase": True}, 0.96 ** (STEPS // 40)),
    (
        {"name": "exp", "decay_rate": 0.5, "decay_steps": 50, "staircase": True, "unit": "step"},
        0.5 ** (STEPS // 50),
    ),
    (
        {"name": "natural_exp", "decay_steps": 30, "unit": "step"},
        np.exp(-0.04 * STEPS / 30),
    ),
    ({"name": "natural_exp", "staircase": True}, np.exp(-0.04 * (STEPS // 20))),
    ({"name": "inverse_time", "decay_steps": 4}, 1 / (1 + 0.1 * EPOCHS / 4)),
    ({"name": "inverse_time", "decay_steps": 4, "staircase": True}, 1 / (1 + 0.1 * (STEPS // 80))),
    (
        {"name": "inverse_sqrt", "timescale": 50.0, "staircase": True, "unit": "step"},
        1 / np.sqrt(1 + STEPS // 50),
    ),
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
    ({"name": "range_test"}, 10 ** (-3 + 6 * PASSED)),
    (
        {"name": "range_test", "initial": 0.5, "final": 8.0},
        np.geomspace(0.5, 8, TOTAL + 1)[STEPS],
    ),
    (
        {"name": "range_test", "initial": 0.5, "final": 8.0, "growth": "linear"},
        np.linspace(0.5, 8, TOTAL + 1)[STEPS],
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


def test_plateau_needs_validation() -> None:
    with pytest.raises(ConfigError, match=r"plateau .* no validation split"):
        compose(schedule="plateau", data={"name": "digits", "validation_examples": 0})


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
        epoch = jnp.asarray(rest / PER_EPOCH)
        short = Clock(rest, epoch, TOTAL - 40, 8.0, one_phase(PER_EPOCH))
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
        ({}, {"name": "range_test", "final": 1e-4}, "none", r"final .*greater than initial=0.001"),
        ({"epochs": 2}, "constant", {"name": "linear", "length": 2}, r"leave nothing"),
        ({"epochs": 3}, {"name": "cosine", "length": 3}, "linear", r"the run of 2 epochs"),
    ],
)
def test_what_does_not_fit_the_run_is_refused(
    settings: dict, schedule: Any, warmup: Any, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        compose(settings, schedule=schedule, warmup=warmup)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ({"name": "exp", "unit": "step"}, "after 2250 steps .* by 1.3e-40, .* schedule.unit=epoch"),
        ({"name": "natural_exp", "decay_rate": 1.0}, "after 50 epochs .* by 1.9e-22.*slowly$"),
        ({"name": "exp", "unit": "step", "decay_steps": 45}, None),
    ],
)
def test_a_decay_that_ends_learning_is_a_caution(schedule: dict, words: str | None) -> None:
    """0.96 in every iteration is what a textbook writes; it may be asked for."""
    experiment = compose({"epochs": 50}, schedule=schedule)
    cautions = list(experiment.schedule.cautions(experiment.facts()))
    assert len(cautions) == (words is not None)
    assert all(re.search(words or "", caution) for caution in cautions)


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


# --- many steps --------------------------------------------------------------------------------

MANY = 1_000_000
SOME = np.unique(np.concatenate([np.geomspace(1, MANY, 300), np.arange(0, MANY, 4999)])).astype(int)
OVER_MANY_STEPS: list[tuple[dict[str, Any], Callable[[float], float]]] = [
    ({"name": "exp", "decay_rate": 0.999982}, lambda t: 0.999982**t),
    ({"name": "natural_exp", "decay_rate": 1.8e-5}, lambda t: math.exp(-1.8e-5 * t)),
    (
        {"name": "exp", "decay_rate": 0.96, "decay_steps": 999},
        lambda t: 0.96 ** (t / 999),
    ),
    (
        {"name": "exp", "decay_rate": 0.96, "decay_steps": 4999, "staircase": True},
        lambda t: 0.96 ** (t // 4999),
    ),
    (
        {"name": "natural_exp", "decay_rate": 1.7, "decay_steps": 70_001},
        lambda t: math.exp(-1.7 * t / 70_001),
    ),
    ({"name": "inverse_time", "decay_rate": 0.01}, lambda t: 1 / (1 + 0.01 * t)),
    ({"name": "inverse_sqrt", "timescale": 3.0}, lambda t: 1 / math.sqrt(1 + t / 3)),
    ({"name": "polynomial", "final": 0.1}, lambda t: 0.1 + 0.9 * (1 - t / MANY) ** 2),
    ({"name": "linear"}, lambda t: 1 - 0.99 * t / MANY),
    ({"name": "cosine"}, lambda t: (1 + math.cos(math.pi * t / MANY)) / 2),
    (
        {"name": "cosine_restarts", "period": 300, "growth": 1},
        lambda t: (1 + math.cos(math.pi * (t % 300) / 300)) / 2,
    ),
    (
        {"name": "cyclic", "half_cycle": 300, "decay_rate": 0.999999},
        lambda t: 0.1 + 0.9 * (1 - abs(t / 300 % 2 - 1)) * 0.999999**t,
    ),
]


@pytest.mark.parametrize(
    ("choice", "formula"), OVER_MANY_STEPS, ids=lambda x: x["name"] if isinstance(x, dict) else ""
)
def test_a_million_steps_of_a_schedule_are_exact(
    choice: dict[str, Any], formula: Callable[[float], float]
) -> None:
    settings = {"steps": MANY, "measure_every": 500}
    composed = compose(settings, batch_size="full", schedule={**choice, "unit": "step"}).schedule

    def multiplier(schedule: Schedule, step: jax.Array) -> jax.Array:
        clock = Clock(step, step.astype(float), MANY, float(MANY), one_phase(1))
        return schedule(clock, ())

    numbers = jax.tree.map(as_array, composed)
    found = jax.vmap(multiplier, in_axes=(None, 0))(numbers, jnp.asarray(SOME))
    np.testing.assert_allclose(found, [formula(int(t)) for t in SOME], rtol=1e-6, atol=1e-6)
    if choice["name"] in ("exp", "natural_exp"):
        exact = np.array([formula(int(t)) for t in SOME])
        np.testing.assert_allclose(found[exact > 1e-30], exact[exact > 1e-30], rtol=3e-7)


def one_cycle_of_pytorch(step: int, total: int, peak: float) -> float:
    """The multiplier of `torch.optim.lr_scheduler.OneCycleLR`: its phases, its `_annealing_cos`."""
    top, last = peak * total - 1, total - 1
    low, final = 1 / 25, 1 / 25 / 1e4
    begin, end, fraction = (low, 1.0, step / top)
    if step > top:
        begin, end, fraction = 1.0, final, (step - top) / (last - top)
    return end + (begin - end) / 2 * (math.cos(math.pi * fraction) + 1)


def test_one_cycle_is_that_of_pytorch_up_to_the_step_in_which_it_ends() -> None:
    """As its documentation says: the same over one step less, and by how much they differ."""
    total, peak = 360, 0.3
    torch = np.array([one_cycle_of_pytorch(step, total, peak) for step in range(total)])

    def ours(steps: int, peak: float) -> np.ndarray:
        schedule = compose(schedule={"name": "one_cycle", "peak": peak}).schedule
        clock = Clock(jnp.arange(total), jnp.arange(total) / 1.0, steps, steps, one_phase(1))
        return np.asarray(schedule(clock, ()))

    np.testing.assert_allclose(
        ours(total - 1, (peak * total - 1) / (total - 1)), torch, rtol=1e-5, atol=1e-6
    )
    assert 0.005 < abs(ours(total, peak) - torch).max() < 1 / (peak * total)


# --- across the phases of a growing batch -------------------------------------------------------

GROWING = {"name": "growing", "size": 32, "every": 2}
PHASES = [(45, 2), (23, 2), (12, 2), (6, 1)]  # 1437 digits: steps an epoch, and epochs
TIMES = [(0.0, 0.0)]  # every time of the run in steps and in epochs
for per_epoch, epochs in PHASES:
    before = TIMES[-1]
    for step in range(1, per_epoch * epochs + 1):
        TIMES.append((before[0] + step, before[1] + step / per_epoch))

SHAPES: dict[str, Callable[[float, float], float]] = {  # of the time and the length of the run
    "exp": lambda t, end: 0.96**t,
    "natural_exp": lambda t, end: math.exp(-0.04 * t),
    "inverse_time": lambda t, end: 1 / (1 + 0.1 * t),
    "inverse_sqrt": lambda t, end: 1 / math.sqrt(1 + t),
    "linear": lambda t, end: 1 - 0.99 * t / end,
    "polynomial": lambda t, end: (1 - t / end) ** 2,
    "step": lambda t, end: 0.1 ** ((t >= end / 2) + (t >= end * 3 / 4)),
    "cosine": lambda t, end: (1 + math.cos(math.pi * t / end)) / 2,
    "cosine_restarts": lambda t, end: (restarts(t) - 0.1) / 0.9,
    "one_cycle": lambda t, end: float(
        cosine(t / end / 0.3, 0.04, 1.0)
        if t < 0.3 * end
        else cosine((t / end - 0.3) / 0.7, end=4e-6)
    ),
    "range_test": lambda t, end: 10 ** (-3 + 6 * t / end),
    "cyclic": lambda t, end: 0.1 + 0.9 * (1 - abs(t / 2 % 2 - 1)),
    "trapezoid": lambda t, end: float(np.interp(t / end, [0, 0.1, 0.8, 1], [0, 1, 1, 0])),
}
LENGTHS = {"step": 40, "epoch": 3}  # of the warm-up: within the first and within the second phase


@pytest.mark.parametrize("name", SHAPES)
def test_warmup_and_schedule_run_through_the_phases_of_a_growing_batch(name: str) -> None:
    """The warm-up ends where its own unit says; then the schedule starts, in its own unit.

    Where a fractional epoch is a difference of two, rounding decides on which side of a jump it is.
    """
    has_unit = "unit" in read_option("schedule", name)
    for unit in ("step", "epoch") if has_unit else ("epoch",):
        own = 0 if unit == "step" else 1
        for place, (warm_unit, length) in enumerate(LENGTHS.items()):
            start = next(both[own] for both in TIMES if both[place] == length)
            end = TIMES[-1][own] - start
            experiment = compose(
                {"epochs": 7},
                batch_size=GROWING,
                schedule={"name": name} | ({"unit": unit} if has_unit else {}),
                warmup={"name": "linear", "length": length, "unit": warm_unit},
            )
            found = through_the_run(experiment)
            for both, got in zip(TIMES, found, strict=True):
                t = both[own] - start
                if both[place] < length:
                    expected = [both[place] / length]
                else:
                    off = 1e-6 if (unit, warm_unit) == ("epoch", "step") else 0.0
                    near = {t, max(t - off, 0.0), min(t + off, end)}
                    expected = [SHAPES[name](time, end) for time in near]
                error = min(abs(got - one) / (1e-6 + 1e-5 * one) for one in expected)
                assert error <= 2, (unit, warm_unit, both, got, expected)


def through_the_run(experiment: Experiment) -> np.ndarray:
    """The multiplier at every time of the run."""
    steps, epochs = map(jnp.asarray, zip(*TIMES, strict=True))
    phases = tabulated(experiment.phases())

    def multiplier(step: jax.Array, epoch: jax.Array) -> jax.Array:
        clock = Clock(step, epoch, *TIMES[-1], phases)
        return experiment.warmup.multiplier(experiment.schedule, clock, ())

    return np.asarray(jax.vmap(multiplier)(steps, epochs))
