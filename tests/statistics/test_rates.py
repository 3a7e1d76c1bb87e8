"""Rates of convergence: of curves whose rates are known, with and without noise."""

from __future__ import annotations

import numpy as np
import pytest

from runner.statistics.rates import rate

STEPS = np.arange(0, 2001)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_a_power_of_the_steps_is_found(power: float) -> None:
    found = rate([(STEPS[1:], 3.0 * STEPS[1:] ** -power)])
    assert found is not None
    assert found.law == "sublinear"
    assert found.value == pytest.approx(power, abs=0.01)
    assert found.is_falling


@pytest.mark.parametrize("factor", [0.99, 0.999])
def test_a_factor_a_step_is_found(factor: float) -> None:
    found = rate([(STEPS, 5.0 * factor**STEPS)])
    assert found is not None
    assert found.law == "linear"
    assert found.value == pytest.approx(factor, abs=1e-6)
    assert found.steps_per_tenth == pytest.approx(-1 / np.log10(factor), rel=1e-3)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """1 / k with noise of a tenth, from step to step independent: 200 draws."""
    random = np.random.default_rng(0)
    k = STEPS[1:]
    found = [rate([(k, (1 + 0.1 * random.standard_normal(len(k))) / k)]) for _ in range(200)]
    assert all(each is not None and each.law == "sublinear" for each in found)
    covered = np.mean([each.low <= 1 <= each.high for each in found if each])
    assert 0.9 < covered < 1.0
    assert np.mean([each.high - each.low for each in found if each]) < 0.1


def test_of_several_curves_the_interval_is_that_over_them() -> None:
    powers = [0.8, 1.0, 1.2]
    found = rate([(STEPS[1:], STEPS[1:] ** -power) for power in powers])
    assert found is not None
    half = 4.303 * np.std(powers, ddof=1) / np.sqrt(3)  # Student's quantile for 2 degrees
    assert (found.low, found.high) == pytest.approx((1 - half, 1 + half), abs=0.02)


def test_what_rounding_leaves_is_not_fitted() -> None:
    curve = np.maximum(0.9**STEPS, 3e-15 * (1 + STEPS % 3))
    found = rate([(STEPS, curve)])
    assert found is not None
    assert found.law == "linear"
    assert found.value == pytest.approx(0.9, abs=1e-4)


def test_what_does_not_fall_has_no_rate() -> None:
    random = np.random.default_rng(1)
    flat = rate([(STEPS, 1 + 0.1 * random.standard_normal(len(STEPS)))])
    assert flat is not None
    assert not flat.is_falling
    assert str(flat) == "does not fall"
    stuck = rate([(STEPS, 1 + 0.001 * 0.9**STEPS)])  # in a local minimum
    assert stuck is not None
    assert not stuck.is_falling
    assert rate([(STEPS[:4], np.ones(4))]) is None
    assert rate([(STEPS[:0], np.ones(0))]) is None
