"""The rules of early stopping against the published loops, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose

from runner.errors import ConfigError
from runner.options.stopping import Stopping

LOSSES = [3.0, 2.0, 2.5, 2.1, 1.9999, 2.0, math.nan, 1.5, 1.4999, 1.6, 1.6, 1.6, 1.6, 1.2]


def early_stopping_of_keras(values: Sequence[float], patience: int, min_delta: float) -> int | None:
    """`keras.callbacks.EarlyStopping(mode="min")`, version 3: the evaluation at which it stops."""
    best, wait = math.inf, 0
    for number, current in enumerate(values):
        wait += 1
        if current < best - min_delta:
            best, wait = current, 0
            continue
        if wait >= patience and number > 0:
            return number
    return None


def first_stop(rule: Stopping, values: Sequence[float]) -> int | None:
    memory = rule.init()
    for number, value in enumerate(values):
        memory = rule.observe(memory, {rule.measure: jnp.asarray(value)})
        if rule.stopped(memory):
            return number
    return None


def test_patience_is_that_of_keras() -> None:
    random = np.random.default_rng(0)
    curves = [LOSSES, *np.cumsum(random.normal(-0.02, 0.2, (4, 14)), axis=1).astype(np.float32)]
    stops = set()
    for patience in (1, 2, 4):
        for min_delta in (0.0, 0.25):
            numbers = {"name": "patience", "patience": patience, "min_delta": min_delta}
            rule = compose(stopping=numbers).stopping
            for values in curves:
                expected = early_stopping_of_keras(values, patience, min_delta)
                assert first_stop(rule, values) == expected
                stops.add(expected)
    assert len(stops) > 5, "the curves tell the rules apart"


def test_a_target_is_met_at_or_below_its_value() -> None:
    def stop(value: float, values: Sequence[float]) -> int | None:
        return first_stop(compose(stopping={"name": "target", "value": value}).stopping, values)

    assert stop(2.0, LOSSES) == 1
    assert stop(1.5, LOSSES) == 7
    assert stop(1.0, LOSSES) is None
    assert stop(-2.0, [0.0, -1.9999, -2.0]) == 2, "a loss on a surface may be negative"


@pytest.mark.parametrize("examples", [360, 1000, 5000, 10_000])
def test_rounding_keeps_no_error_rate_from_its_target(examples: int) -> None:
    """A mean over examples as the engine forms it, in single precision."""
    weights = np.zeros(examples, np.float32)
    for errors in np.unique(np.geomspace(1, examples / 2, 12).astype(int)):
        weights[:errors] = 1 / examples
        rate = float(weights.sum())
        rule = compose(stopping={"name": "target", "value": float(errors / examples)}).stopping
        assert first_stop(rule, [1.0, rate]) == 1
        assert first_stop(rule, [1.0, (errors + 1) / examples]) is None


@pytest.mark.parametrize("name", ["patience", "target"])
def test_a_rule_needs_validation(name: str) -> None:
    words = r"stopping does not fit .* no validation split \(validation_examples=0\); use"
    with pytest.raises(ConfigError, match=words):
        compose(stopping=name, data={"name": "digits", "validation_examples": 0})


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"patience": 0}, r"stopping\.patience=0 is out of range: it must be at least 1"),
        ({"min_delta": -0.1}, r"stopping\.min_delta=-0\.1 is out of range"),
        ({"measure": "test_loss"}, r"measure=test_loss must be one of validation_loss, valid"),
    ],
)
def test_what_makes_no_rule_is_refused(numbers: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compose(stopping={"name": "patience", **numbers})


@pytest.mark.parametrize(
    ("settings", "evaluations"),
    [
        ({"epochs": 4}, 4),
        ({"epochs": 5, "evaluate_every": 2}, 3),  # after 2, 4 and 5 epochs
        ({"steps": 50}, 2),  # of 45 steps an epoch
        ({"epochs": 1, "min_steps": 91}, 3),
    ],
)
def test_patience_that_a_run_cannot_exhaust_is_said(
    settings: dict[str, int], evaluations: int
) -> None:
    for patience in (evaluations - 1, evaluations):
        chosen = compose(settings, stopping={"name": "patience", "patience": max(patience, 1)})
        cautions = list(chosen.stopping.cautions(chosen.facts()))
        assert len(cautions) == (patience == evaluations)
    assert cautions[0].startswith(f"patience={evaluations} cannot end this run early")


@pytest.mark.parametrize(
    ("data", "numbers", "said"),
    [
        ("digits", {"value": 5.0}, True),
        ("digits", {"value": 0.05}, False),
        ("digits", {"value": 2.0, "measure": "validation_loss"}, False),
        ("beale", {"value": 5.0}, False),  # a distance
    ],
)
def test_a_percentage_typed_as_a_number_is_said(
    data: str, numbers: dict[str, Any], said: bool
) -> None:
    chosen = compose(data=data, stopping={"name": "target", **numbers})
    assert bool(list(chosen.stopping.cautions(chosen.facts()))) == said


def test_the_reason_says_what_did_not_improve() -> None:
    reasons = [
        compose(stopping=choice).stopping.reason()
        for choice in (
            "patience",
            {"name": "patience", "measure": "validation_error", "patience": 1, "min_delta": 0.01},
            {"name": "target", "value": 0.1},
        )
    ]
    assert reasons == [
        "no better validation_loss for 5 evaluations",
        "no better validation_error by more than 0.01 for 1 evaluation",
        "validation_error at most 0.1",
    ]
