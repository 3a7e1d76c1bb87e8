"""What batches cost and buy: speeds from known times, memory against a count by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import DEFAULTS, choose

from runner.compare.batch_costs import SEGMENTS, examples_per_second
from runner.compare.figures.batch_cost import batch_cost_figure
from runner.compare.grouping import Group
from runner.compare.runs import Run
from runner.engine.chunk import STEP_DTYPE
from runner.errors import ConfigError

TRAIN = 1437
UNITS, PIXELS, CLASSES = 256, 64, 10
DEVIATION = np.array([8.0, 5.7, 4.1, 2.8])


class Timed(Run):
    """A run of steps that took so long each."""

    def __init__(self, size: Any, each: np.ndarray, noise: bool = False) -> None:
        chosen = {
            "batch_size": {"name": "mini", "size": size} if isinstance(size, int) else size,
            "model": {"name": "mlp", "widths": [UNITS]},
        }
        config = {
            group: choose(group, chosen.get(group, name), name) for group, name in DEFAULTS.items()
        }
        for stack in ("gradient", "regularization", "augmentation", "diagnostics"):
            config[stack] = {config[stack]["name"]: config[stack]}
        super().__init__(
            None, {"status": "finished", "train_examples": TRAIN}, config | {"seed": 0}
        )
        self.rows = np.zeros(len(each), STEP_DTYPE)
        self.rows["step"], self.rows["seconds"] = np.arange(len(each)), np.cumsum(each)
        kinds = [("name", "U8"), ("deviation", float, len(DEVIATION)), ("signal", float)]
        self.noise = np.array([("all", DEVIATION, 9.0)] * noise, kinds)

    @property
    def steps(self) -> Any:
        return self.rows

    def diagnostics(self, table: str) -> Any:
        return self.noise


def steady(size: Any, seconds: float = 1e-3) -> Timed:
    return Timed(size, np.full(400, seconds))


def grouped(*runs: Timed) -> list[Group]:
    return [Group({"batch_size": run.settings["batch_size"]}, [run]) for run in runs]


def test_the_speed_is_that_of_most_parts_of_a_run() -> None:
    """At 2 ms a step; evaluations and another program take the machine for a third of it."""
    each = np.full(400, 2e-3)
    each[:8] += 0.5
    each[300:] *= 4
    assert examples_per_second(Timed(16, each)) == pytest.approx(16 / 2e-3 * TRAIN / 1440, rel=1e-3)
    whole = {"name": "mini", "size": 1000, "drop_remainder": True}
    assert examples_per_second(Timed(whole, each)) == pytest.approx(1000 / 2e-3, rel=1e-3)
    assert examples_per_second(Timed("full", each)) == pytest.approx(TRAIN / 2e-3, rel=1e-3)
    assert np.isnan(examples_per_second(Timed(16, each[:SEGMENTS])))


def test_the_figure_has_speed_memory_and_the_error_of_the_gradient() -> None:
    small, large = Timed(256, np.full(400, 1e-3), noise=True), steady(1024, 4e-3)
    groups = grouped(large, small)
    groups[1].runs.append(steady(256, 2e-3))
    figure = batch_cost_figure(groups, "all")
    assert [panel.get_xscale() + panel.get_yscale() for panel in figure.axes] == ["loglog"] * 3
    assert figure.axes[0].get_ylabel() == "examples a second"
    lines = [
        {str(line.get_label()).partition(":")[0]: np.array(line.get_data(), float) for line in own}
        for own in (panel.get_lines() for panel in figure.axes)
    ]
    speeds = np.array([0.75 * TRAIN / 6 / 1e-3, TRAIN / 2 / 4e-3])  # the median of two runs
    np.testing.assert_allclose(lines[0]["_median"], [[256, 1024], speeds], rtol=1e-3)

    parameters = (PIXELS + 1) * UNITS + (UNITS + 1) * CLASSES
    state = 4 * (parameters + TRAIN)  # and the order of the examples, two sums
    np.testing.assert_allclose(1e6 * lines[1]["_state"][1], state, atol=16)
    low, high = 1e6 * lines[1]["_peak"][1]
    # Inputs, and twice the hidden units and the logits: their values and their gradients.
    of_an_example = 4 * (PIXELS + 2 * UNITS + 2 * CLASSES)
    assert (high - low) / (1024 - 256) == pytest.approx(of_an_example, rel=0.15)
    assert low > state + 256 * of_an_example * 0.85

    np.testing.assert_allclose(lines[2]["_deviation"], [[1, 2, 4, 8], DEVIATION])
    np.testing.assert_allclose(lines[2]["_law"], [[1, 1024], [8, 8 / 32]])
    np.testing.assert_allclose(lines[2]["_norm"][1], 3)


def test_what_the_figure_needs_is_said() -> None:
    groups = grouped(steady(4), steady(8))
    with pytest.raises(ConfigError, match="diagnostics=noise"):
        batch_cost_figure(groups, "gradient_error")
    assert len(batch_cost_figure(groups, "throughput").axes) == 1
    with pytest.raises(ConfigError, match="differ in batch_size"):
        batch_cost_figure([Group({}, groups[0].runs)], "throughput")
    with pytest.raises(ConfigError, match="batches of one size; batch_size=growing has more"):
        batch_cost_figure([Group({"batch_size": "growing"}, groups[0].runs)], "throughput")
