"""Rates that theory knows: against the textbook's formulas, and against steps taken in NumPy."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest
from conftest import DEFAULTS, choose

from runner.compare.curve_summary import table
from runner.compare.figures.rate import rate_figure
from runner.compare.grouping import Group
from runner.compare.paper_table import csv_table
from runner.compare.rate_theory import factor_in_theory
from runner.compare.rates import rate_cells, rate_columns
from runner.compare.runs import Run
from runner.engine.chunk import EPOCH_DTYPE, STEP_DTYPE


class Excess(Run):
    """A run on a problem whose least loss is 0, with these losses."""

    def __init__(self, losses: np.ndarray, **choices: Any) -> None:
        chosen = {"batch_size": "full", "data": "noisy_quadratic", **choices}
        config = {
            group: choose(group, chosen.get(group, name), name) for group, name in DEFAULTS.items()
        }
        config["gradient"] = {config["gradient"]["name"]: config["gradient"]}
        summary = {"status": "finished", "total_steps": len(losses), "total_epochs": len(losses)}
        super().__init__(None, {**summary, "train_examples": 1000}, config)
        self.rows = np.zeros(len(losses), STEP_DTYPE)
        self.rows["step"], self.rows["train_loss"] = np.arange(len(losses)), losses

    @property
    def steps(self) -> Any:
        return self.rows

    @property
    def epochs(self) -> Any:
        return np.zeros(0, EPOCH_DTYPE)


def theory(measure: str = "train_loss", **choices: Any) -> float | None:
    return factor_in_theory(Excess(np.zeros(0), **choices), measure)


def quadratic(condition: float) -> dict[str, Any]:
    return {"name": "noisy_quadratic", "condition": condition}


@pytest.mark.parametrize("c", [10.0, 1000.0])
def test_at_the_recommended_settings_it_is_the_factor_of_the_textbook(c: float) -> None:
    root = np.sqrt(c)
    heavy_ball = ((root - 1) / (root + 1)) ** 2
    known: list[tuple[dict[str, Any], float]] = [
        ({"name": "sgd", "learning_rate": 2 / (1 + 1 / c)}, ((c - 1) / (c + 1)) ** 2),
        ({"name": "sgd", "learning_rate": 1.0}, (1 - 1 / c) ** 2),
        (
            {
                "name": "momentum",
                "learning_rate": 4 / (1 + 1 / root) ** 2,
                "momentum": heavy_ball,
            },
            heavy_ball,
        ),
        (
            {"name": "nesterov", "learning_rate": 1.0, "momentum": (root - 1) / (root + 1)},
            (1 - 1 / root) ** 2,
        ),
    ]
    for optimizer, factor in known:
        # Where two eigenvalues meet they move by the root of what rounding changes.
        assert theory(data=quadratic(c), optimizer=optimizer) == pytest.approx(factor, abs=1e-6)


def by_hand(name: str, numbers: dict[str, float], curvature: np.ndarray, steps: int) -> np.ndarray:
    """The excess after each step of the published rule, from (1, ..., 1)."""
    rate, theta, kept = numbers["learning_rate"], np.ones(len(curvature)), 0.0
    momentum, found = numbers.get("momentum", 0.0), []
    for _ in range(steps):
        found.append(0.5 * (curvature * theta**2).sum())
        slope = curvature * theta
        if name == "qhm":
            kept = momentum * kept + (1 - momentum) * slope
            theta = theta - rate * ((1 - numbers["nu"]) * slope + numbers["nu"] * kept)
        else:
            kept = momentum * kept + slope
            theta = theta - rate * (slope + momentum * kept if name == "nesterov" else kept)
    return np.array(found)


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("sgd", {"learning_rate": 1.2}),
        ("momentum", {"learning_rate": 0.9, "momentum": 0.3}),
        ("momentum", {"learning_rate": 3.3, "momentum": 0.9}),
        ("nesterov", {"learning_rate": 0.7, "momentum": 0.2}),
        ("nesterov", {"learning_rate": 1.2, "momentum": 0.6}),
        ("qhm", {"learning_rate": 1.0, "momentum": 0.5, "nu": 0.7}),
    ],
)
def test_the_excess_falls_by_it_in_the_long_run(name: str, numbers: dict[str, float]) -> None:
    """Over the whole spectrum, of which theory looks at the ends."""
    curvature = 20.0 ** -np.linspace(0, 1, 30)
    excess = by_hand(name, numbers, curvature, 1200)
    measured = (excess[1100:].mean() / excess[700:800].mean()) ** (1 / 400)
    data = {**quadratic(20.0), "dimensions": 30}
    found = theory(data=data, optimizer={"name": name, **numbers})
    assert found == pytest.approx(measured, rel=1e-3)


@pytest.mark.parametrize(
    "choices",
    [
        {"optimizer": "adam"},
        {"batch_size": "mini"},
        {"batch_size": {"name": "full", "learning_rate_power": 1.0}},
        {"sampling": "replacement"},
        {"schedule": "exp"},
        {"warmup": "linear"},
        {"gradient": "clip_norm"},
        {"data": "rosenbrock"},
        {"data": "digits"},
        {"measure": "validation_loss"},
        {"optimizer": {"name": "sgd", "learning_rate": 2.5}},
    ],
    ids=str,
)
def test_where_theory_knows_nothing_it_says_nothing(choices: dict[str, Any]) -> None:
    assert theory() == pytest.approx((1 - 0.1 / 100) ** 2)
    assert theory(**choices) is None


def test_a_surface_has_no_noise_and_the_ends_of_its_spectrum() -> None:
    """1 and 16 of the ravine, and those of a matrix that NumPy draws for DeepOBS."""
    sgd = {"name": "sgd", "learning_rate": 0.01}
    ravine = {"name": "ravine", "condition": 16.0}
    assert theory(data=ravine, batch_size="mini", optimizer=sgd) == pytest.approx(0.99**2)
    random = np.random.RandomState(42)
    least = random.uniform(0, 1, 90).min()
    found = theory(data="quadratic", optimizer=sgd)
    assert found == pytest.approx((1 - 0.01 * least) ** 2)


def test_figures_have_it_as_a_line() -> None:
    """From the first excess, a factor a step; and against the number that differs."""
    steps = np.arange(200.0)
    groups = []
    for condition in (10.0, 20.0, 40.0):
        sgd = {"name": "sgd", "learning_rate": 1.0}
        run = Excess(2 * 0.8**steps, data=quadratic(condition), optimizer=sgd)
        groups.append(Group({"data.condition": condition}, [run]))
    factors = [(1 - 1 / c) ** 2 for c in (10, 20, 40)]

    def line(figure: Any) -> np.ndarray:
        lines = figure.axes[0].get_lines()
        (found,) = (one for one in lines if str(one.get_label()).startswith("_theory"))
        return np.array(found.get_data(), float)

    start, end = line(rate_figure(groups[:1], "train_loss")).T
    assert start == pytest.approx([0, 2])
    assert np.log(end[1] / 2) / end[0] == pytest.approx(np.log(factors[0]))
    across, up = line(rate_figure(groups, "train_loss", "data.condition"))
    np.testing.assert_allclose(across, [10, 20, 40])
    np.testing.assert_allclose(up, np.log(0.1) / np.log(factors))
    at_once = Excess(2 * 0.8**steps, data=quadratic(1.0), optimizer=sgd)  # the factor is 0
    figure = rate_figure([Group({"optimizer": "sgd"}, [at_once])], "train_loss")
    labels = [str(one.get_label()) for one in figure.axes[0].get_lines()]
    assert not any(label.startswith("_theory") for label in labels)


def test_tables_have_the_fitted_rate_and_that_of_theory() -> None:
    falling = Excess(3 * 0.9 ** np.arange(400.0), optimizer={"name": "sgd", "learning_rate": 1.0})
    stuck = Excess(np.full(400, 2.0), optimizer="adam")
    groups = [Group({"optimizer": str(n)}, [run]) for n, run in enumerate((falling, stuck))]
    header, *lines = rate_cells(table(groups, "train_loss"), "train_loss")
    assert header == ["final excess", "rate (95 %)", "theory"]
    assert lines[0][1].startswith("0.9000^k (0.8999 to ")
    assert [lines[0][2], *lines[1][1:]] == ["0.9801^k", "does not fall", "-"]
    assert rate_columns(groups, "train_loss")[2] == ["does not fall", "", "", "", ""]
    text = csv_table(table(groups, "train_loss"), "train_loss", with_rates=True)
    first, second = csv.DictReader(io.StringIO(text))
    assert first["rate_law"] == "linear"
    assert float(first["rate"]) == pytest.approx(0.9, rel=1e-3)
    assert float(first["rate_low_95"]) < 0.9 < float(first["rate_high_95"])
    assert float(first["rate_in_theory"]) == pytest.approx(0.99**2)
    assert second["rate_in_theory"] == ""
