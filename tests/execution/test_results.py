"""The table of a sweep: grouping over seeds, intervals, order, edges, and the files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from runner.compare.runs import Run
from runner.compare.view import View
from runner.errors import RecordError
from runner.execution.closing import close_sweep
from runner.execution.results import Computation, rank, write_csv, write_summary
from runner.execution.table import print_sweep_table
from runner.statistics.intervals import half_width


def run(error: float | None, status: str = "finished", **settings: Any) -> Run:
    """A run with these settings, `optimizer__lr` for `optimizer.lr`, all of them overrides."""
    overrides = {key.replace("__", "."): str(value) for key, value in settings.items()}
    config: dict[str, Any] = {"optimizer": {"name": settings.get("optimizer", "sgd")}}
    for key, value in settings.items():
        if key.startswith("optimizer__"):
            config["optimizer"][key.removeprefix("optimizer__")] = value
        elif key != "optimizer":
            config[key] = value
    measures = {"train_loss": 0.5, "validation_error": error, "epoch": 3}
    summary = {"status": status, "final": measures, "best": measures, "error": "0-1 error"}
    if status == "failed":
        summary = {"status": status}
    return Run(Path("_".join(overrides.values())), summary, config, overrides)


def test_runs_are_grouped_over_seeds_and_sorted() -> None:
    errors = {"sgd": [0.3, 0.5, 0.4], "adam": [0.1, 0.2, 0.15]}
    runs = [
        run(error, optimizer=name, seed=seed)
        for name, several in errors.items()
        for seed, error in enumerate(several)
    ]
    rows = rank(runs)
    assert [row.group.settings for row in rows] == [{"optimizer": "adam"}, {"optimizer": "sgd"}]
    for row in rows:
        values = errors[row.group.settings["optimizer"]]
        assert row.mean == pytest.approx(np.mean(values))
        assert row.values == tuple(values)


def test_several_options_of_a_group_are_a_cell_as_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rich takes `[dropout,l2]` for a style, and shows nothing of it."""
    chosen: dict[str, Any] = {name: {"name": name} for name in ("dropout", "l2")}
    runs = [run(0.1, regularization=chosen), run(0.2, regularization={"none": {"name": "none"}})]
    print_sweep_table(runs, rank(runs), tmp_path, Computation(), 1.0)
    head, first, second, *_ = map(str.split, capsys.readouterr().out.splitlines())
    assert (head[0], first[0], second[0]) == ("regularization", "[dropout,l2]", "none")


def test_equal_configs_are_one_group_however_they_were_typed() -> None:
    """As in a comparison of the same runs; the file keeps what was typed."""
    runs = [run(0.1, optimizer__lr=0.1, seed=0), run(0.3, optimizer__lr=0.1, seed=1)]
    runs[1].overrides = {"optimizer.lr": "1e-1", "seed": "1"}
    runs.append(run(0.9, optimizer__lr=0.01))
    first, second = rank(runs)
    assert (first.group.settings, len(first.group.runs)) == ({"optimizer.lr": 0.1}, 2)
    assert second.group.settings == {"optimizer.lr": 0.01}


@pytest.mark.parametrize("seeds", [3, 5, 31, 40])
def test_the_interval_is_students(seeds: int) -> None:
    values = np.random.default_rng(0).normal(0.3, 0.05, seeds).tolist()
    (row,) = rank([run(value, seed=seed) for seed, value in enumerate(values)])
    expected = scipy.stats.t.ppf(0.975, seeds - 1) * scipy.stats.sem(values)
    assert half_width(row.values) == pytest.approx(expected, rel=0.04 if seeds > 31 else 1e-3)


def test_a_seed_that_occurs_twice_is_counted_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        run(error, optimizer="adam", seed=seed) for error, seed in ((0.1, 0), (0.1, 0), (0.3, 1))
    ]
    (row,) = rank(runs)
    assert row.values == (0.1, 0.3)
    print_sweep_table(runs, rank(runs), tmp_path, Computation(), 1.0)
    assert "Note:   1 run with a seed that occurs twice: counted once" in capsys.readouterr().out


def test_what_has_no_number_comes_last_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        run(None, "failed", optimizer="a"),
        run(0.9, "diverged", optimizer="b", seed=0),
        run(0.5, optimizer="b", seed=1),
        run(0.6, optimizer="c"),
        Run(None, {}, {"optimizer": {"name": "d"}}, {"optimizer": "d"}),
    ]
    rows = rank(runs)
    assert [row.group.settings["optimizer"] for row in rows] == ["c", "b", "a", "d"]
    print_sweep_table(runs, rank(runs), tmp_path, Computation(), 1.0)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:5]]
    assert [line[0] for line in lines] == ["c", "b", "a", "d"]
    assert lines[0][-1] == "1"
    assert lines[1][-4:] == ["1", "diverged,", "1", "finished"]
    assert lines[2] == ["a", "failed", "1"], "the status instead of a number"
    assert lines[3] == ["d", "not", "run", "1"]


def test_the_file_has_a_line_a_run(tmp_path: Path) -> None:
    runs = [run(0.25, optimizer="sgd", seed=0), run(None, "failed", optimizer="[a,b]", seed=1)]
    runs.append(Run(None, {}, {}, {"optimizer": "adam"}))
    write_csv(tmp_path / "sweep.csv", runs, [["rate"], ["0.9"], [""], [""]])
    with (tmp_path / "sweep.csv").open(newline="") as stream:
        first, second, third = csv.DictReader(stream)
    assert (first["optimizer"], first["status"]) == ("sgd", "finished")
    assert float(first["best_validation_error"]) == 0.25
    assert float(first["final_train_loss"]) == 0.5
    assert (first["rate"], third["rate"]) == ("0.9", "")
    assert (second["optimizer"], second["status"]) == ("[a,b]", "failed")
    assert second["final_train_loss"] == ""
    assert (third["status"], third["directory"]) == ("not run", "")


def test_the_summary_of_a_sweep(tmp_path: Path) -> None:
    """The best settings are all overrides but the seed, as typed."""
    runs = [run(error, optimizer="adam", seed=seed) for seed, error in enumerate((0.1, 0.3))]
    runs.append(run(None, "failed", optimizer="sgd"))
    computation = Computation(programs=2, lanes=4)
    write_summary(tmp_path / "sweep.json", runs, rank(runs), computation, 1.5)
    assert json.loads((tmp_path / "sweep.json").read_text()) == {
        "runs": 3,
        "ends": {"finished": 2, "failed": 1},
        "programs": 2,
        "lanes": 4,
        "seconds": 1.5,
        "best": {"settings": {"optimizer": "adam"}, "validation_error": 0.2, "runs": 2},
    }


def test_the_table_on_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    runs = [
        run(error, optimizer=name, seed=seed)
        for name, errors in {"sgd": [0.3, 0.4], "adam": [0.1, 0.2]}.items()
        for seed, error in enumerate(errors)
    ]
    computation = Computation(programs=2, compilations=4)
    print_sweep_table(runs, rank(runs), tmp_path, computation, 1.25)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["optimizer", "best", "validation"]
    assert lines[1].split() == ["adam", "15", "%", "10", "%", "to", "20", "%", "2"]
    assert lines[2].split()[0] == "sgd"
    assert "Runs:   4 finished, 2 programs, 4 compilations, 1.2 s" in lines
    assert lines[-1].startswith("Look:   tensorboard --logdir ")


@pytest.mark.parametrize(
    ("seeds", "column"),
    [
        ((3, 3), "95 % interval"),
        ((2, 2), "range of 2 seeds"),
        ((2, 3), "95 % interval (of 2: range)"),
    ],
)
def test_two_seeds_have_a_range_and_no_interval(
    seeds: tuple[int, int], column: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    runs = [
        run(0.1 + seed / 100, optimizer=name, seed=seed)
        for name, count in zip(("sgd", "adam"), seeds, strict=True)
        for seed in range(count)
    ]
    print_sweep_table(runs, rank(runs), tmp_path, Computation(), 1.0)
    header = capsys.readouterr().out.splitlines()[0]
    assert column in header
    assert ("interval" in header) == (max(seeds) > 2)


def test_a_long_table_shows_the_best_and_says_how_many_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [run(0.5 - number / 1e4, optimizer__lr=float(number)) for number in range(1, 1235)]
    print_sweep_table(runs, rank(runs), tmp_path, Computation(), 1.0)
    shown = capsys.readouterr().out
    assert "and 1,134 more; all runs are in sweep.csv" in shown
    assert "\n 1234 " in shown
    assert "\n 1135 " in shown
    assert "\n 1134 " not in shown


def test_the_files_are_written_before_anything_is_drawn_or_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a figure of a thousand runs may meet takes none of the results along."""

    def drawn(*_: object) -> None:
        assert {file.name for file in tmp_path.iterdir()} == {"sweep.csv", "sweep.json"}
        assert capsys.readouterr().out == ""
        raise KeyboardInterrupt

    monkeypatch.setattr("runner.execution.closing.draw_figure", drawn)
    with pytest.raises(KeyboardInterrupt):
        close_sweep([run(0.1)], Computation(), 1.0, tmp_path, View())


def test_results_that_cannot_be_written_are_said_after_all_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RecordError, match="gone: cannot be written: No such file"):
        close_sweep([run(0.1)], Computation(), 1.0, tmp_path / "gone", View())
    assert "Runs:   1 finished" in capsys.readouterr().out
