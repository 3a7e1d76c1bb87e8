"""Range tests: the rule on losses whose answer is known, and whether its rate is a good one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from conftest import compose
from test_compare import leave, optimizer, run_of

from runner.compare.figures.curves import curves_figure
from runner.compare.figures.final import final_figure
from runner.compare.grouping import Group, group_runs
from runner.compare.range_test import notes, sentence, suggested
from runner.compare.runs import Run, read_run
from runner.compare.view import View
from runner.engine.chunk import STEP_DTYPE
from runner.engine.loop import Training
from runner.engine.turns import lanes_for
from runner.errors import ConfigError
from runner.execution.run import run

RATES = np.geomspace(1e-5, 10, 601)  # a hundred steps for a factor of ten
PLACE = np.log10(RATES)


class Losses(Run):
    """A range test with these losses."""

    def __init__(
        self,
        losses: np.ndarray,
        status: str = "finished",
        growth: str = "exponential",
        rates: np.ndarray = RATES,
    ) -> None:
        schedule = {"name": "range_test", "growth": growth}
        super().__init__(None, {"status": status}, {"schedule": schedule})
        self.rows = np.zeros(len(losses), STEP_DTYPE)
        self.rows["step"] = np.arange(len(losses))
        self.rows["learning_rate"], self.rows["train_loss"] = rates[: len(losses)], losses

    @property
    def steps(self) -> Any:
        return self.rows


def valley(noise: float = 0.0) -> np.ndarray:
    """2 up to 0.001, a straight fall to 0.5 at 0.1 that is twice as steep at 0.01, then up to 3."""
    corners = [-5, -3, -2.1, -1.9, -1, 0, 1]
    y = np.interp(PLACE, corners, [2, 2, 1.7, 0.8, 0.5, 3, 3])
    return y + noise * np.random.default_rng(0).normal(size=len(y))


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_the_loss_falls_fastest_and_diverges_where_it_does(noise: float) -> None:
    """From 0.5 at 0.1 to 3 at 1 it is halfway back to 2, at 1.25, at 10^(-1 + 0.75 / 2.5)."""
    found = suggested(Losses(valley(noise)))
    assert found.steepest == pytest.approx(0.01, rel=0.3)
    assert found.diverges == pytest.approx(10**-0.7, rel=0.1)
    assert found.rate == found.diverges / 10
    assert "learning rate 0.02, a tenth of 0.2" in sentence(found)


def test_a_rate_that_grows_linearly_is_read_on_a_linear_axis() -> None:
    """From 2 it falls to 0.5 at the rate 2, most steeply at 1, and is back at 1.25 at 2.9."""
    rates = np.linspace(0.01, 6, 600)
    losses = np.interp(rates, [0, 0.9, 1.1, 2, 5], [2, 1.6, 0.9, 0.5, 3])
    run = Losses(losses, growth="linear", rates=rates)
    found = suggested(run)
    assert found.steepest == pytest.approx(1, abs=0.1)
    assert found.diverges == pytest.approx(2.9, abs=0.05)
    run.summary = {"status": "finished", "total_steps": 600, "train_examples": 600}
    figure = curves_figure(group_runs([run]), "train_loss", ["learning_rate"])
    assert figure.axes[0].get_xscale() == "linear"


def test_what_a_range_test_does_not_find_is_said() -> None:
    falling = suggested(Losses(valley()[:400]))
    assert np.isnan(falling.diverges)
    assert "does not diverge; try larger rates (schedule.final)" in sentence(falling)
    ended = suggested(Losses(np.append(valley()[:400], np.nan), status="diverged"))
    assert ended.diverges == pytest.approx(RATES[399])
    for losses in (np.linspace(2, 5, 601), np.full(601, np.nan), valley()[:10]):
        assert "does not fall at any" in sentence(suggested(Losses(losses)))


def test_only_range_tests_have_the_axis_of_rates(tmp_path: Path) -> None:
    runs = [run_of(leave(tmp_path / "a", [1.0] * 40, **optimizer("sgd", 0.1)))]
    with pytest.raises(ConfigError, match="schedule=range_test"):
        View(axes=("learning_rate",)).groups(runs)
    with pytest.raises(ConfigError, match="axis"):
        View(axes=("learning_rate",), kind="profile").check()
    assert notes(group_runs(runs)) == []


def test_the_figure_marks_the_rates_on_the_line() -> None:
    runs = [Losses(valley())]
    runs[0].summary = {"status": "finished", "total_steps": 601, "train_examples": 601}
    (line,) = notes(group_runs(runs))
    assert line.startswith("Range test: learning rate 0.02, a tenth of 0.2, at which")
    figure = curves_figure(group_runs(runs), "train_loss", ["learning_rate"])
    panel = figure.axes[0]
    assert panel.get_xscale() == "log"
    assert panel.get_xlabel() == "learning rate"
    lines = {str(line.get_label()).partition(":")[0]: line for line in panel.get_lines()}
    found = suggested(runs[0])
    assert lines["_suggested"].get_xdata() == [found.rate]
    assert lines["_diverges"].get_xdata() == [found.diverges]
    assert lines["_diverges"].get_ydata() == pytest.approx([1.25], abs=0.1)


def test_a_figure_of_final_values_has_the_suggested_rate_and_no_value_of_the_test(
    tmp_path: Path,
) -> None:
    key, test = "optimizer.learning_rate", Losses(valley())
    groups = [
        Group(
            {key: rate, "schedule": "constant"},
            [run_of(leave(tmp_path / f"{rate}", [loss] * 40, **optimizer("sgd", rate)))],
        )
        for rate, loss in ((0.1, 2.0), (1.0, 1.0), (10.0, 3.0))
    ]
    groups.append(Group({key: 0.5, "schedule": "range_test", "schedule.final": 10.0}, [test]))
    (panel,) = final_figure(groups, "train_loss", key).axes
    lines = {str(line.get_label()): line for line in panel.get_lines()}
    assert lines["_suggested: "].get_xdata() == pytest.approx([suggested(test).rate] * 2)
    np.testing.assert_allclose(lines["_mean"].get_data(), [[0.1, 1, 10], [2, 1, 3]])
    assert not any(line.get_xdata()[0] == 0.5 for line in panel.get_lines())  # type: ignore[index]


def test_the_suggested_rate_is_nearly_as_good_as_the_best_of_a_sweep(tmp_path: Path) -> None:
    """For momentum and fewer epochs.

    The claim of `experiment=range_test`, and the claim of `experiment=range_test_and_sweep`.
    """
    settings = {"epochs": 10}
    test = compose(settings, optimizer="momentum", schedule="range_test")
    run(test, tmp_path, {})
    recorded = read_run(tmp_path)
    assert recorded is not None
    rate = suggested(recorded).rate
    tried = [rate, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
    experiments = [
        compose(settings, optimizer={"name": "momentum", "learning_rate": each}) for each in tried
    ]
    side_by_side = lanes_for(len(tried), "map", jax.devices()[:1])
    least = dict.fromkeys(tried, 1.0)
    for chunks in Training(experiments, test.data.load(), side_by_side).chunks():
        for each, chunk in zip(tried, chunks, strict=True):
            if chunk is not None and len(chunk.epochs):
                least[each] = min(least[each], chunk.epochs["validation_error"].min())
    assert least[rate] <= min(least.values()) + 0.011, least
    assert least[rate] < np.median(list(least.values()))
    assert max(least.values()) > 0.3, "the rates that were tried differ"
