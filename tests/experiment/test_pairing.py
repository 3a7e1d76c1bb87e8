"""What is said of an activation and an initializer that do not go together."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from conftest import compose

from runner.execution.run import start_record
from runner.experiment.pairing import SATURATING, SUITED, cautions
from runner.experiment.table import OPTIONS

LARGE = {"name": "normal", "stddev": 1.0}


def said(**choices: Any) -> list[str]:
    return [f"{key}: {caution}" for key, caution in cautions(compose(**choices))]


def test_the_table_names_every_activation_and_only_initializers_that_exist() -> None:
    assert set(SUITED) == set(OPTIONS["activation"])
    assert set(SATURATING) <= set(SUITED)
    assert {name for suited in SUITED.values() for name in suited} <= set(OPTIONS["initializer"])


@pytest.mark.parametrize("activation", SUITED)
def test_nothing_is_said_of_what_suits(activation: str) -> None:
    for initializer in SUITED[activation]:
        assert said(activation=activation, initializer=initializer) == []


@pytest.mark.parametrize("activation", sorted(set(SUITED) - {"selu"}))
def test_nothing_is_said_of_the_default_initializer(activation: str) -> None:
    assert said(activation=activation) == []


def test_a_poor_pairing_is_one_line_with_what_to_type() -> None:
    (line,) = said(activation="selu")
    assert line.startswith("initializer: selu keeps mean 0 and variance 1")
    assert "use initializer=lecun_normal" in line
    (line,) = said(activation="tanh", initializer=LARGE)
    assert "start a saturating activation where its slope is near 0" in line
    assert "use initializer=xavier_uniform or a smaller initializer.stddev" in line
    several = {"name": "truncated_normal", "stddev": [0.01, 1.0]}
    assert said(activation="hard_sigmoid", initializer=several) == [line]
    assert said(activation="tanh", initializer={"name": "normal", "stddev": 0.1}) == []


def test_a_sweep_over_activations_says_it_once() -> None:
    lines = {line for name in SUITED for line in said(activation=name, initializer=LARGE)}
    assert len(lines) == 2, "one for all that saturate, one for selu"


@pytest.mark.parametrize(
    "without_effect", [{"model": "linear"}, {"normalization": "batch"}, {"data": "rosenbrock"}]
)
def test_nothing_is_said_where_the_pairing_has_no_effect(without_effect: dict) -> None:
    assert said(activation="selu", **without_effect) == []


def test_it_is_in_the_log_of_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        start_record(compose(activation="selu"), tmp_path, {})
    assert "initializer: selu keeps mean 0" in caplog.text
