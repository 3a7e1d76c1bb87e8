"""Tables for a paper, from runs with known final values."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
import scipy.stats
from test_compare import leave, optimizer

from runner.compare.cli import run_command_line

FINALS = {
    ("digits", "sgd"): (0.30, 0.32, 0.37),
    ("digits", "adam"): (0.101, 0.124, 0.111),
    ("teacher", "sgd"): (0.020, 0.021),
    ("teacher", "adam"): (0.5, None),
}
"""Validation errors at the end, by problem, method and seed; None diverged."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("table")
    for i, ((data, name), finals) in enumerate(FINALS.items()):
        for seed, end in enumerate(finals):
            status = "diverged" if end is None else "finished"
            settings = {"data": {"name": data}, **optimizer(name, 0.1)}
            losses = [10 * (end or 0.1)] * 20
            leave(place / f"{i}{seed}", losses, status=status, seed=seed, **settings)
    return place


def table(folder: Path, form: str, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run_command_line([str(folder), "--table", form, "--problem", "data", *words]) == 0
    return capsys.readouterr().out


def test_problems_by_methods_with_the_best_in_bold(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rounded to two digits of the interval; a method that diverged is not the best."""
    lines = table(folder, "markdown", capsys).splitlines()
    assert lines[:4] == [
        "| data | sgd | adam |",
        "|---|---:|---:|",
        "| digits | 33.0 ± 9.0 | **11.2 ± 2.9** |",
        "| teacher | **2.00 to 2.10** | 50 (1 diverged) |",
    ]
    half = 100 * scipy.stats.t.ppf(0.975, 2) * scipy.stats.sem(FINALS["digits", "sgd"])
    assert f"{half:.1f}" == "9.0"
    assert lines[5].startswith("Final validation error in %; mean ± half the width of its 95 % int")


def test_latex_with_booktabs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = table(folder, "latex", capsys)
    assert r"digits & $33.0 \pm 9.0$ & $\mathbf{11.2 \pm 2.9}$ \\" in text
    assert r"teacher & $\mathbf{2.00\text{ to }2.10}$ & $50$ (1 diverged) \\" in text
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))


def test_a_test_value_in_csv_is_that_at_the_best_validation(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header, *_ = table(folder, "csv", capsys, "--measure", "test_error").splitlines()
    assert "final_median,at_best_validation_median," in header


def test_csv_has_numbers_in_columns(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = table(folder, "csv", capsys, "--target", "0.2")
    rows = {(row["data"], row["optimizer"]): row for row in csv.DictReader(io.StringIO(text))}
    row = rows["digits", "adam"]
    assert float(row["final_mean"]) == pytest.approx(0.112)
    expected = scipy.stats.t.ppf(0.975, 2) * scipy.stats.sem(FINALS["digits", "adam"])
    assert float(row["final_half_width_95"]) == pytest.approx(expected, rel=1e-3)
    assert (row["measure"], row["runs"], row["diverged"]) == ("validation_error", "3", "0")
    assert (row["target"], row["reached"], row["steps_to_target_median"]) == ("0.2", "3", "0")
    assert rows["teacher", "adam"]["diverged"] == "1"
    assert rows["digits", "sgd"]["steps_to_target_median"] == "inf"
