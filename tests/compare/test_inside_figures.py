"""Figures of updates, noise and time steps: what they draw is what is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import runner
from runner.compare.api import Runs
from runner.compare.figures.critical_batch_size import noise_scale
from runner.compare.figures.numbers import points_of
from runner.errors import ConfigError
from runner.options.diagnostics.noise import NOISE_MEASURES
from runner.options.diagnostics.update import UPDATE_MEASURES
from runner.record.facts import RunFacts
from runner.record.recorder import Recorder

PLACE = [("epoch", "<i4"), ("step", "<i4"), ("name", "<U20")]
FACTS: dict[str, Any] = {"train_examples": 8, "total_steps": 1, "total_epochs": 1.0, "device": "x"}


def record(folder: Path, **tables: np.ndarray) -> Runs:
    """A run that has recorded these tables."""
    Recorder(folder, RunFacts(config={"seed": 1}, seed=1, **FACTS))
    for name, rows in tables.items():
        np.save(folder / f"{name}.npy", rows)
    return runner.load(folder)


def lines(figure: Any) -> dict[str, list[tuple[float, float]]]:
    """The points of each line, by what it shows and its name."""
    found: dict[str, list[tuple[float, float]]] = {}
    for point in points_of(figure):
        found.setdefault(f"{point.shows} {point.line}".strip(), []).append((point.x, point.y))
    return found


def updates(steps: int) -> np.ndarray:
    rows = np.zeros(2 * steps, [*PLACE, *((name, "<f4") for name in UPDATE_MEASURES)])
    rows["step"] = np.repeat(10 * np.arange(steps), 2)
    rows["name"] = ["all", "logits/kernel"] * steps
    for place, name in enumerate(UPDATE_MEASURES, start=1):
        rows[name] = place + np.arange(2 * steps) / 100
    rows["gradient_cosine"][0] = np.nan
    return rows


@pytest.mark.parametrize("measure", ["cosine", "effective_step", "distance", "gradient_cosine"])
def test_updates_are_drawn_of_all_parameters_against_steps(measure: str, tmp_path: Path) -> None:
    rows = updates(5)
    whole = rows[(rows["name"] == "all") & np.isfinite(rows[measure])]
    runs = record(tmp_path, updates=rows)
    figure = runs.figure(measure, kind="updates", smoothing=0)
    points = [point for point in points_of(figure) if point.shows in ("line", "mean")]
    np.testing.assert_allclose([point.x for point in points], whole["step"])
    np.testing.assert_allclose([point.y for point in points], whole[measure], 1e-5)
    if measure == "effective_step":
        spread = 10 ** whole["step_spread"]
        (band,) = figure.axes[0].collections
        heights = band.get_paths()[0].vertices[:, 1]
        assert heights.min() == pytest.approx((whole[measure] / spread).min(), rel=1e-5)
        assert heights.max() == pytest.approx((whole[measure] * spread).max(), rel=1e-5)


def noise(variance: float, signal: float, step: int) -> np.ndarray:
    columns = [(name, "<f4") for name in NOISE_MEASURES]
    rows = np.zeros(2, [*PLACE, *columns, ("deviation", "<f4", 4)])
    rows["step"], rows["epoch"], rows["name"] = step, step, ["all", "logits/kernel"]
    rows["variance"], rows["signal"] = variance, signal
    rows["noise_scale"] = variance / signal if signal > 0 else np.nan
    rows["deviation"] = np.sqrt(variance / 2.0 ** np.arange(4)) * [[1, 1, 1.1, 0.9]]
    return rows


def test_noise_is_drawn_with_its_law_and_where_it_meets_the_gradient(tmp_path: Path) -> None:
    table = np.concatenate([noise(64.0, 4.0, 0), noise(16.0, -1.0, 5), noise(16.0, 0.25, 9)])
    figure = record(tmp_path, noise=table).figure(kind="noise")
    found = lines(figure)
    np.testing.assert_allclose(
        found["line epoch 0: noise scale 16"],
        [(1, 8), (2, 32**0.5), (4, 4.4), (8, 2.7 * 8**0.5 / 3)],
    )
    np.testing.assert_allclose(found["law epoch 9"], [(1, 4), (64, 0.5)])
    np.testing.assert_allclose(found["norm epoch 9"], [(1, 0.5), (64, 0.5)])
    hidden = np.concatenate([noise(64.0, 4.0, 0), noise(16.0, -1.0, 5)])
    found = lines(record(tmp_path / "hidden", noise=hidden).figure(kind="noise"))
    assert "line epoch 5: gradient not seen in the noise" in found
    assert "norm epoch 5" not in found


def test_the_noise_scale_up_to_a_target_is_a_ratio_of_means(tmp_path: Path) -> None:
    table = np.concatenate([noise(64.0, 4.0, 0), noise(16.0, 1.0, 5), noise(16.0, 1e-3, 9)])
    (run,) = record(tmp_path, noise=table)
    assert noise_scale(run, 5) == pytest.approx(40 / 2.5)
    assert noise_scale(run, np.inf) == pytest.approx(32 / 1.667, rel=1e-3)
    (plain,) = record(tmp_path / "plain")
    assert np.isnan(noise_scale(plain, 5))


def test_time_steps_are_drawn_at_the_start_and_at_the_end(tmp_path: Path) -> None:
    columns = [("gradient_norm", "<f4", 3), ("state_norm", "<f4", 3), ("gradient_ratio", "<f4")]
    rows = np.zeros(4, [*PLACE, *columns])
    rows["epoch"], rows["name"] = [0, 0, 2, 2], ["a", "b", "a", "b"]
    rows["gradient_norm"] = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [0, np.nan, 12]]
    found = lines(record(tmp_path, time_steps=rows).figure(kind="time_steps"))
    assert found["start a"] == [(1, 1), (2, 2), (3, 3)]
    assert found["line a"] == [(1, 7), (2, 8), (3, 9)]
    assert found["line b"][2] == (3, 12)
    assert np.isnan([y for _, y in found["line b"][:2]]).all(), "no place on a logarithmic axis"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("updates", "updates needs runs with diagnostics=update; there is none"),
        ("noise", "noise needs runs with diagnostics=noise; there is none"),
        ("time_steps", "time_steps needs runs with diagnostics=layers and a recurrent model"),
    ],
)
def test_runs_without_the_diagnostics_are_refused(kind: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        record(tmp_path).figure(kind=kind)
