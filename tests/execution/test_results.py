"""The table of a sweep: grouping over seeds, intervals, order, edges, and the file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from runner.execution.results import Run, edges, rows, swept, write_csv
from runner.execution.table import sweep_table


def run(error: float | None, status: str = "finished", **settings: Any) -> Run:
    dotted = {key.replace("__", "."): str(value) for key, value in settings.items()}
    measures = {"train_loss": 0.5, "validation_error": error, "epoch": 3}
    summary = {"status": status, "final": measures, "best": measures, "error": "0-1 error"}
    return Run(
        dotted, "_".join(dotted.values()), {"status": "failed"} if status == "failed" else summary
    )


def test_runs_are_grouped_over_seeds_and_sorted() -> None:
    errors = {"sgd": [0.3, 0.5, 0.4], "adam": [0.1, 0.2, 0.15]}
    runs = [
        run(error, optimizer=name, seed=seed)
        for name, several in errors.items()
        for seed, error in enumerate(several)
    ]
    table = rows(runs)
    assert [row.settings for row in table] == [{"optimizer": "adam"}, {"optimizer": "sgd"}]
    for row in table:
        values = errors[row.settings["optimizer"]]
        assert row.mean == pytest.approx(np.mean(values))
        low, high = scipy.stats.t.interval(
            0.95, len(values) - 1, np.mean(values), scipy.stats.sem(values)
        )
        assert row.half_width == pytest.approx((high - low) / 2, rel=1e-3)


@pytest.mark.parametrize("seeds", [2, 5, 31, 40])
def test_the_interval_is_students(seeds: int) -> None:
    values = np.random.default_rng(0).normal(0.3, 0.05, seeds).tolist()
    (row,) = rows([run(value, seed=seed) for seed, value in enumerate(values)])
    expected = scipy.stats.t.ppf(0.975, seeds - 1) * scipy.stats.sem(values)
    assert row.half_width == pytest.approx(expected, rel=0.04 if seeds > 31 else 1e-3)


def test_what_has_no_number_comes_last_and_says_why() -> None:
    runs = [
        run(None, "failed", optimizer="a"),
        run(0.9, "diverged", optimizer="b", seed=0),
        run(0.5, optimizer="b", seed=1),
        run(0.6, optimizer="c"),
    ]
    table = rows(runs)
    assert [row.settings["optimizer"] for row in table] == ["c", "b", "a"]
    assert [row.outcome for row in table] == ["finished", "1 diverged, 1 finished", "failed"]
    assert table[0].half_width is None


@pytest.mark.parametrize(
    ("rates", "best", "words"),
    [
        ([0.1, 0.01, 0.001], 0.1, ["optimizer.lr, 0.1, lies at the edge of the swept range 0.001"]),
        ([0.1, 0.01, 0.001], 0.01, []),
        ([0.1, 0.01], 0.1, []),
        ([1, 8, "full"], 1, []),
    ],
)
def test_a_best_value_at_the_edge_is_pointed_out(rates: list, best: Any, words: list) -> None:
    runs = [run(0.1 if rate == best else 0.2, optimizer__lr=rate, epochs=3) for rate in rates]
    assert swept(runs) == ["optimizer.lr"]
    found = edges(rows(runs), swept(runs))
    assert len(found) == len(words)
    assert all(word in line for word, line in zip(words, found, strict=True))


def test_the_file_has_a_line_a_run(tmp_path: Path) -> None:
    runs = [run(0.25, optimizer="sgd", seed=0), run(None, "failed", optimizer="[a,b]", seed=1)]
    write_csv(tmp_path / "sweep.csv", runs)
    with (tmp_path / "sweep.csv").open(newline="") as stream:
        first, second = csv.DictReader(stream)
    assert (first["optimizer"], first["status"]) == ("sgd", "finished")
    assert float(first["best_validation_error"]) == 0.25
    assert float(first["final_train_loss"]) == 0.5
    assert (second["optimizer"], second["status"]) == ("[a,b]", "failed")
    assert second["final_train_loss"] == ""


def test_the_table_on_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    runs = [
        run(error, optimizer=name, seed=seed)
        for name, errors in {"sgd": [0.3, 0.4], "adam": [0.1, 0.2]}.items()
        for seed, error in enumerate(errors)
    ]
    sweep_table(runs, tmp_path, {"programs": 2, "compilations": 4}, 1.25)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["optimizer", "best", "validation"]
    assert lines[1].split()[:3] == ["adam", "15.00", "%"]
    assert lines[2].split()[0] == "sgd"
    assert "Runs:   4 finished, 2 programs, 4 compilations, 1.2 s" in lines
    assert lines[-1].startswith("Look:   tensorboard --logdir ")
