"""Comparison: runs made by the recorder with known curves, grouped, read, drawn and tabulated."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.stats

import runner
from runner.compare.cli import run_command_line
from runner.compare.curve import AXES, POINTS, band, curve, kept_points, label_for
from runner.compare.curve_summary import CurveSummary, Row, summarize, table
from runner.compare.figures.curves import curves_figure, generalization_figure
from runner.compare.grouping import Group, differing_keys, group_runs
from runner.compare.runs import Run, find
from runner.compare.tables import group_cells, render
from runner.compare.tuning import tuned
from runner.compare.view import View
from runner.engine.chunk import EPOCH_DTYPE, STEP_DTYPE, make_chunk
from runner.errors import ConfigError, RecordError
from runner.record.facts import RunFacts
from runner.record.recorder import Recorder
from runner.terminal.waiting import waiting

RATE, MOMENTUM = "optimizer.learning_rate", "optimizer.momentum"

PER_EPOCH, EXAMPLES = 10, 100_000
"""Each step takes more examples than a mean over examples, so that each is one step."""


class Predicted(NamedTuple):
    """What a label is made of."""

    error_kind: str
    settings: dict[str, Any]


@pytest.mark.parametrize(
    ("runs", "label"),
    [
        ([("mean absolute error", "price")] * 2, "validation absolute error of price"),
        ([("mean absolute error", "price"), ("mean absolute error", "area")], "absolute error"),
        ([("mean absolute error", ["price", "area"])], "validation absolute error"),
        ([("mean absolute error", None)], "validation absolute error"),
        ([("0-1 error", "sold")], "validation error"),
        ([("0-1 error", None), ("mean absolute error", "price")], "validation error"),
        ([("distance from the nearest minimum", None)], "validation distance"),
        ([], "validation error"),
    ],
)
def test_a_label_says_what_the_errors_are(runs: list[tuple[str, Any]], label: str) -> None:
    made: Any = [Predicted(kind, {"data.target": target}) for kind, target in runs]
    assert label_for(made, "validation_error").endswith(label)
    assert label_for(made, "validation_loss") == "validation loss"


def leave(
    directory: Path,
    losses: list[float] | np.ndarray,
    *,
    status: str | None = "finished",
    seed: int = 0,
    planned: int | None = None,
    examples: int = EXAMPLES,
    per_epoch: int = PER_EPOCH,
    **config: Any,
) -> Path:
    """A run with these training losses; its errors are a tenth of them."""
    total = planned or len(losses)
    facts = RunFacts(
        config={"seed": seed, **config},
        seed=seed,
        train_examples=examples,
        total_steps=total,
        total_epochs=total / per_epoch,
        device="cpu",
    )
    recorder = Recorder(directory, facts)
    steps = np.zeros(len(losses), STEP_DTYPE)
    steps["step"] = np.arange(len(losses))
    steps["train_loss"] = losses
    marks = np.arange(0, len(losses) + 1, per_epoch)
    epochs = np.zeros(len(marks), EPOCH_DTYPE)
    epochs["step"], epochs["epoch"] = marks, marks // per_epoch
    epochs["validation_error"] = np.append(losses, losses[-1])[marks] / 10
    epochs["train_loss"][0] = np.nan
    started = 1_700_000_000.0
    ended = started + len(losses)
    recorder.write(make_chunk(steps, epochs, started, ended, total, lambda step: step / per_epoch))
    if status is not None:
        recorder.close(status)
    return directory


def run_of(directory: Path) -> Run:
    (run,) = find([directory]).runs
    return run


def optimizer(name: str, rate: float, **others: Any) -> dict[str, Any]:
    return {"optimizer": {"name": name, "learning_rate": rate, **others}}


def row(label: str, finals: list[float], seeds: range | None = None) -> Row:
    """A group with these final values."""
    numbers = seeds or range(len(finals))
    runs = [Run(Path(), {"seed": seed, "status": "finished", "config": {}}) for seed in numbers]
    middle = float(np.median(finals))
    median = CurveSummary(middle, 0.0, 0.0, kept=middle)
    return Row(Group({"optimizer": label}, runs), median, None, 0, tuple(finals))


# --- reading ----------------------------------------------------------------------------------


def test_a_curve_that_cannot_be_read_is_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many open files once made a comparison of the runs that came first."""
    run = run_of(leave(tmp_path / "a", [3.0] * 20))

    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("runner.compare.run_curves.read_curve", refuse)
    with pytest.raises(RecordError, match=r"a/epochs.npy: cannot be read: Too many open files"):
        _ = run.epochs


def test_a_pipe_in_the_place_of_a_curve_is_not_waited_for(tmp_path: Path) -> None:
    folder = leave(tmp_path / "a", [3.0] * 20)
    (folder / "steps.npy").unlink()
    os.mkfifo(folder / "steps.npy")
    assert len(run_of(folder).steps) == 0


def test_runs_in_any_state_are_read_and_foreign_folders_left_out(tmp_path: Path) -> None:
    leave(tmp_path / "a" / "10_x", [3.0] * 20, seed=1)
    leave(tmp_path / "a" / "2_x", [3.0] * 20, seed=2, status=None)
    (leave(tmp_path / "b", [3.0] * 20, seed=3) / "steps.npy").unlink()
    cut = leave(tmp_path / "c", [3.0] * 20, seed=4) / "steps.npy"
    cut.write_bytes(cut.read_bytes()[:300])
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "summary.json").write_text('{"status": "finished"}')
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "summary.json").write_text("{")
    (tmp_path / "f").mkdir()
    found = find([tmp_path, tmp_path / "a"])
    names = [str(run.directory.relative_to(tmp_path)) for run in found.runs]
    assert names == ["a/2_x", "a/10_x", "b", "c"]
    assert [run.status for run in found.runs] == ["killed", *["finished"] * 3]
    assert [len(run.steps) for run in found.runs] == [20, 20, 0, 0]
    assert [len(run.epochs) for run in found.runs] == [3, 3, 3, 3]
    assert len(found.left_out) == 2


def test_a_pickle_in_the_place_of_a_curve_is_not_opened(tmp_path: Path) -> None:
    directory = leave(tmp_path / "a", [3.0] * 20)
    np.save(directory / "steps.npy", np.array([object()]), allow_pickle=True)
    assert len(run_of(directory).steps) == 0


@pytest.mark.parametrize("make", [False, True])
def test_nothing_to_compare_is_an_error(make: bool, tmp_path: Path) -> None:
    if make:
        (tmp_path / "x").mkdir()
    with pytest.raises(ConfigError, match="there is no"):
        find([tmp_path / "x"])


def test_the_same_run_again_is_not_another_repetition(tmp_path: Path) -> None:
    """An interval over seeds must not count it; of two attempts the complete one is kept."""
    for seed, level in enumerate((1.0, 2.0)):
        leave(tmp_path / f"s{seed}", [level] * 20, seed=seed)
    shutil.copytree(tmp_path / "s0", tmp_path / "t0")
    time.sleep(0.002)
    leave(tmp_path / "u0", [1.0] * 20, seed=0)
    leave(tmp_path / "q1", [2.0] * 10, seed=1, status="interrupted")
    found = find([tmp_path])
    assert sorted(run.directory.name for run in found.runs if run.directory) == ["s0", "s1"]
    assert found.left_out == [
        f"{tmp_path / 'q1'}: the same config and seed as {tmp_path / 's1'}",
        f"{tmp_path / 't0'}: a copy of {tmp_path / 's0'}",
        f"{tmp_path / 'u0'}: the same config and seed as {tmp_path / 's0'}",
    ]


def test_all_that_repeat_the_runs_of_a_folder_are_one_line(tmp_path: Path) -> None:
    for seed in range(3):
        leave(tmp_path / "first" / str(seed), [1.0 + seed] * 20, seed=seed, **optimizer("sgd", 1))
    shutil.copytree(tmp_path / "first", tmp_path / "copied")
    time.sleep(0.002)
    for seed in range(3):  # 1.0 is the same number as 1
        leave(tmp_path / "later" / str(seed), [1.0] * 20, seed=seed, **optimizer("sgd", 1.0))
    found = find([tmp_path / "first", tmp_path])
    assert [run.seed for run in found.runs] == [0, 1, 2]
    assert found.left_out == [
        f"{tmp_path / 'copied'}: 3 copies of those in {tmp_path / 'first'}",
        f"{tmp_path / 'later'}: 3 runs with the same config and seed as those in "
        f"{tmp_path / 'first'}",
    ]
    assert found.left_out_folders == 6
    (group,) = group_runs(found.runs)
    assert len(group.runs) == 3


@pytest.mark.parametrize(
    ("configs", "keys"),
    [
        # A random search: each rate comes with one momentum.
        ([("m", 0.1, 0.5), ("m", 0.2, 0.7), ("m", 0.3, 0.6)], [RATE, MOMENTUM]),
        ([("m", 0.1, 0.5), ("m", 0.2, 0.5)], [RATE]),
        # Numbers that come with the name of an option say nothing new, others do.
        ([("m", 0.1, 0.5), ("n", 0.2, 0.7)], ["optimizer"]),
        ([("m", 0.1, 0.5), ("m", 0.2, 0.5), ("n", 0.3, 0.7)], ["optimizer", RATE]),
        ([("m", 0.1, 0.5), ("m", 0.2, 0.6), ("n", 0.3, 0.7)], ["optimizer", RATE, MOMENTUM]),
    ],
)
def test_from_numbers_nothing_follows(
    configs: list[tuple[str, float, float]], keys: list[str]
) -> None:
    flat = [{"optimizer": name, RATE: rate, MOMENTUM: momentum} for name, rate, momentum in configs]
    assert differing_keys(flat) == keys


def test_a_missing_validation_error_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, held_out in enumerate((0, 5)):
        data = {"name": "digits", "validation_examples": held_out}
        leave(tmp_path / str(seed), [1.0] * 20, seed=seed, data=data)
    line = [str(tmp_path), "--table", "markdown"]
    said = "1 run has no validation error: data.validation_examples=0 holds no examples out."
    assert run_command_line(line) == 0
    assert said in capsys.readouterr().out
    assert run_command_line([*line, "--measure", "test_loss"]) == 0
    assert said not in capsys.readouterr().out


def test_a_run_without_a_record_has_a_config_and_no_curves() -> None:
    run = Run(None, {}, {"seed": 3, "optimizer": {"name": "adam"}})
    assert (run.status, run.seed, run.metric) == ("not run", 3, None)
    assert run.settings == {"seed": 3, "optimizer": "adam"}
    assert (len(run.steps), len(run.epochs), len(run.path)) == (0, 0, 0)


# --- grouping ---------------------------------------------------------------------------------


def test_runs_are_grouped_by_what_tells_them_apart(tmp_path: Path) -> None:
    """Not by the seed, and not by numbers that come with an option."""
    for seed in (0, 1):
        leave(tmp_path / f"s{seed}", [1.0] * 10, seed=seed, **optimizer("sgd", 0.1))
        leave(tmp_path / f"a{seed}", [1.0] * 10, seed=seed, **optimizer("adam", 0.1, b1=0.9))
        leave(tmp_path / f"b{seed}", [1.0] * 10, seed=seed, **optimizer("adam", 0.01, b1=0.9))
    groups = group_runs(find([tmp_path]).runs)
    assert [group.label for group in groups] == ["adam, 0.01", "adam, 0.1", "sgd, 0.1"]
    assert [len(group.runs) for group in groups] == [2, 2, 2]
    assert list(groups[0].settings) == ["optimizer", "optimizer.learning_rate"]
    by_name = group_runs(find([tmp_path]).runs, ["optimizer"])
    assert [(group.label, len(group.runs)) for group in by_name] == [("adam", 4), ("sgd", 2)]
    with pytest.raises(ConfigError, match="did you mean optimizer"):
        group_runs(find([tmp_path]).runs, ["optimzer"])
    with pytest.raises(ConfigError) as error:
        group_runs(find([tmp_path]).runs, ["xyz"])
    assert str(error.value).endswith("choose from optimizer, optimizer.learning_rate")


def test_batch_sizes_are_named_as_they_are_typed(tmp_path: Path) -> None:
    for size in (64, 8):
        leave(tmp_path / str(size), [1.0] * 10, batch_size={"name": "mini", "size": size})
    leave(tmp_path / "full", [1.0] * 10, batch_size={"name": "full"})
    groups = group_runs(find([tmp_path]).runs)
    assert [group.settings for group in groups] == [{"batch_size": x} for x in (8, 64, "full")]


# --- curves and numbers -----------------------------------------------------------------------


def test_the_four_axes(tmp_path: Path) -> None:
    run = run_of(leave(tmp_path / "a", np.arange(30.0)))
    at = {axis: curve(run, "train_loss", axis).x for axis in AXES}
    np.testing.assert_allclose(at["iteration"], np.arange(30))
    np.testing.assert_allclose(at["epoch"], np.arange(30) / PER_EPOCH)
    np.testing.assert_allclose(at["examples"], np.arange(30) * EXAMPLES / PER_EPOCH)
    np.testing.assert_allclose(at["seconds"], np.arange(1, 31))
    np.testing.assert_allclose(curve(run, "validation_error", "epoch").x, [0, 1, 2, 3])


@pytest.mark.parametrize("log", [False, True])
def test_the_mean_over_seeds_has_students_interval(log: bool, tmp_path: Path) -> None:
    """On a logarithmic axis that of the logarithms."""
    losses = np.random.default_rng(0).lognormal(0.7, 0.3, (4, 30))
    for seed, line in enumerate(losses):
        leave(tmp_path / str(seed), line, seed=seed)
    lines = [curve(run, "train_loss", "iteration") for run in find([tmp_path]).runs]
    mean = band(lines, log)
    assert mean is not None
    values = np.log(losses) if log else losses
    low, high = scipy.stats.t.interval(0.95, 3, values.mean(0), scipy.stats.sem(values))
    expected = np.stack([low, values.mean(0), high])
    found = np.stack([mean.low, mean.mean, mean.high])
    np.testing.assert_allclose(found, np.exp(expected) if log else expected, rtol=5e-3)
    if log:
        np.testing.assert_allclose(mean.mean, scipy.stats.gmean(losses), rtol=1e-5)


def test_the_band_of_two_seeds_is_their_range(tmp_path: Path) -> None:
    """Student's interval would be 12.7 standard errors to each side."""
    for seed, level in enumerate((1.0, 4.0)):
        leave(tmp_path / str(seed), [level] * 30, seed=seed)
    runs = find([tmp_path]).runs
    mean = band([curve(run, "train_loss", "iteration") for run in runs], log=True)
    assert mean is not None
    np.testing.assert_allclose([mean.low[0], mean.mean[0], mean.high[0]], [1, 2, 4], rtol=1e-6)
    (words,) = [
        text.get_text() for text in curves_figure(group_runs(runs), "train_loss", ["epoch"]).texts
    ]
    assert words.startswith("geometric mean of 2 seeds; band of 2 seeds: from one to the other")


def test_values_that_are_not_positive_are_averaged_as_they_are(tmp_path: Path) -> None:
    for seed, level in enumerate((-1.0, 0.0, 4.0)):
        leave(tmp_path / str(seed), [level] * 30, seed=seed)
    lines = [curve(run, "train_loss", "iteration") for run in find([tmp_path]).runs]
    mean = band(lines, log=True)
    assert mean is not None
    np.testing.assert_allclose(mean.mean, 1.0)


def test_a_diverged_run_is_marked_and_does_not_bend_the_mean(tmp_path: Path) -> None:
    leave(tmp_path / "0", [2.0] * 30, seed=0)
    wild = leave(tmp_path / "1", [2.0, 50.0, np.inf], seed=1, status="diverged", planned=30)
    line = curve(run_of(wild), "train_loss", "iteration")
    assert (line.diverged, line.y.tolist()) == (2.0, [2.0, 50.0])
    mean = band([curve(run, "train_loss", "iteration") for run in find([tmp_path]).runs])
    assert mean is not None
    np.testing.assert_array_equal(mean.mean, np.full(30, 2.0))
    assert summarize(run_of(wild), "train_loss").final == np.inf


def test_a_long_curve_keeps_its_ends_and_its_beginning() -> None:
    """The first steps fill half of a logarithmic axis."""
    at = kept_points(100_000)
    assert len(at) <= POINTS
    assert (at[0], at[-1]) == (0, 99_999)
    np.testing.assert_array_equal(at[:20], np.arange(20))
    assert np.diff(at).max() <= 101


def test_the_numbers_of_a_run(tmp_path: Path) -> None:
    """A loss that falls from 3 to 0.1 in a straight line over three epochs."""
    losses = np.linspace(3.0, 0.1, 30)
    run = run_of(leave(tmp_path / "a", losses))
    summary = summarize(run, "train_loss", target=0.95)
    assert summary.final == pytest.approx(0.1)
    assert summary.best == pytest.approx(0.1)
    assert summary.area == pytest.approx(losses.mean(), rel=1e-3)
    first = int(np.flatnonzero(losses <= 0.95)[0])
    assert (summary.steps, summary.epochs) == (first, first / PER_EPOCH)
    assert summary.seconds == pytest.approx(first + 1)
    assert summarize(run, "validation_error", target=0.01).steps == 30
    assert summarize(run, "train_loss", target=0.0).steps == np.inf


def test_the_table_has_medians_and_counts_who_got_there(tmp_path: Path) -> None:
    for seed, end in enumerate((0.1, 0.2, 0.9)):
        leave(tmp_path / f"a{seed}", np.linspace(3, end, 30), seed=seed, **optimizer("adam", 0.1))
    leave(tmp_path / "s", np.full(30, 2.0), **optimizer("sgd", 0.1))
    best, worst = table(group_runs(find([tmp_path]).runs), "train_loss", target=0.5)
    assert best.group.label == "adam"
    assert best.median.final == pytest.approx(0.2)
    assert (best.reached, worst.reached) == (2, 0)
    expected = scipy.stats.t.ppf(0.975, 2) * scipy.stats.sem([0.1, 0.2, 0.9])
    assert best.half_width == pytest.approx(expected, rel=1e-3)
    lines = group_cells([best, worst], "train_loss", 0.5)
    assert lines[1][0] == "adam"
    assert lines[2][-5:] == ["never", "never", "never", "0/1", "1 finished"]
    quoted = [["'" + cell if cell.startswith("+-") else cell for cell in line] for line in lines]
    assert list(csv.reader(io.StringIO(render(lines, "csv")))) == quoted
    assert render(lines, "markdown").splitlines()[2].startswith("| adam | 0.2 |")
    latex = render(lines, "latex")
    assert r"\toprule" in latex
    assert r"$\pm$" in latex
    assert len({len(line.split("  ")) for line in render(lines, "text").splitlines()}) >= 1


def test_tuning_keeps_the_best_of_each(tmp_path: Path) -> None:
    """By the median over seeds of the final value or, with a target, of the steps to it."""
    ends = {
        "adam": {0.1: (9.0, 0.1, 9.0), 0.01: (1.0, 1.0, 1.0)},
        "sgd": {0.1: (2.0,), 1.0: (3.0,)},
    }
    for name, rates in ends.items():
        for rate, finals in rates.items():
            for seed, end in enumerate(finals):
                losses = [5.0] * 10 + [end] * 20
                leave(tmp_path / f"{name}{rate}{seed}", losses, seed=seed, **optimizer(name, rate))
    # Reaches 2.5 at once, and does not stay there.
    leave(tmp_path / "early", [2.5] * 9 + [4.0] * 21, **optimizer("sgd", 7.0))
    groups = group_runs(find([tmp_path]).runs)
    rate = "optimizer.learning_rate"
    best = tuned(groups, [rate], "train_loss")
    assert {group.label for group in best} == {"adam, 0.01", "sgd, 0.1"}
    first = tuned(groups, [rate], "train_loss", target=2.5)
    assert {group.label for group in first} == {"adam, 0.01", "sgd, 7"}
    with pytest.raises(ConfigError, match="did you mean optimizer"):
        tuned(groups, ["optimizer.learning_rat"], "train_loss")
    drawn = View("final", "train_loss", tune=("optimizer",)).draw(groups)
    assert drawn.axes[0].get_xlabel() == "learning rate"
    with pytest.raises(ConfigError, match="needs two numbers"):
        View("heat_map").draw(groups)


def test_the_values_of_settings_are_written_as_typed(tmp_path: Path) -> None:
    """In a table and in a figure; a tuned setting does not make a line."""
    for size in (8, 64):
        for on in (True, False):
            # Of each size another rate is best.
            for rate, end in ((0.1, size / 64), (0.01, 0.5)):
                settings = {"nesterov": on, "rate": rate}
                name = {"batch_size": {"name": "mini", "size": size}}
                leave(tmp_path / f"{size}{on}{rate}", [end] * 20, extra=settings, **name)
    view = View("final", "train_loss", tune=("extra.rate",))
    groups = view.groups(find([tmp_path]).runs)
    figure = view.draw(groups)
    assert [text.get_text() for text in figure.legends[0].texts] == ["false", "true"]
    assert figure.legends[0].get_title().get_text() == "extra nesterov"
    lines = group_cells(table(groups, "train_loss"), "train_loss", None)
    assert {line[lines[0].index("extra.nesterov")] for line in lines[1:]} == {"false", "true"}


def test_titles_take_several_lines_where_the_terminal_is_narrow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cells = [
        ["optimizer", "median final validation error", "mean over epochs", "95 %", ""],
        ["adam", "0.0253", "0.1", "+- 0.012", ""],
    ]
    wide = render(cells, "text")
    assert len(wide.splitlines()) == 2, "in a pipe every row is a line"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    assert render(cells, "text") == wide
    monkeypatch.setenv("COLUMNS", "50")
    assert render(cells, "text").splitlines() == [
        "           median",
        "           final       mean",
        "           validation  over",
        "optimizer  error       epochs  95 %",
        "adam       0.0253      0.1     +- 0.012",
    ]


def test_a_list_is_one_word_of_a_flag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for widths in ([8], [8, 4], [4]):
        leave(tmp_path / str(widths), [1.0] * 20, model={"name": "mlp", "widths": widths})
    where = "--where=model.widths=[8,4],model.widths=[4]"
    assert run_command_line([str(tmp_path), where, "--table=csv"]) == 0
    lines = list(csv.reader(capsys.readouterr().out.splitlines()))
    assert {line[0] for line in lines[1:]} == {"[8,4]", "[4]"}


def test_a_place_in_a_list_is_a_number_on_an_axis(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for units in (4, 8, 16):
        for seed in (0, 1):
            model = {"name": "mlp", "widths": [units, 32 // units]}
            leave(tmp_path / f"{units}{seed}", [1 / units + seed] * 20, model=model, seed=seed)
    key = "model.widths.0"
    view = View("final", "train_loss", by=(key,))
    groups = view.groups(find([tmp_path]).runs)
    assert [(group.settings, len(group.runs)) for group in groups] == [
        ({key: units}, 2) for units in (4, 8, 16)
    ]
    lines = {line.get_label(): line for line in view.draw(groups).axes[0].get_lines()}
    assert list(lines["_mean"].get_xdata()) == [4, 8, 16]
    assert run_command_line([str(tmp_path), "--by", key, "--tune", key, "--table=markdown"]) == 0
    out = capsys.readouterr().out
    assert f"The best {key}, 16, is the largest that was tried." in out
    assert "To extend" not in out, "a place of a list cannot be typed"
    assert run_command_line([str(tmp_path), "--where", f"{key}=8", "--table", "csv"]) == 0
    (_, only) = capsys.readouterr().out.splitlines()
    assert only.split(",")[1] == "0.0625"
    for wrong in ("model.widths.2", "model.widths.-1", "model.width.0"):
        with pytest.raises(ConfigError, match=f"{wrong} is not a key of these runs"):
            View(by=(wrong,)).groups(find([tmp_path]).runs)


def test_of_many_curves_the_best_are_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(15):
        leave(tmp_path / f"{number:02}", [20.0 - number] * 20, **optimizer(f"o{number:02}", 1))
    groups = group_runs(find([tmp_path]).runs)
    figure = View("curves").draw(groups)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.texts] == [f"o{n:02}" for n in range(3, 15)]
    assert "the best 12 of 15 groups" in figure.get_supxlabel()
    assert run_command_line([str(tmp_path), "--output", str(tmp_path / "a.png")]) == 0
    assert "Drawn:  the best 12 of 15 groups" in capsys.readouterr().out


# --- figures ----------------------------------------------------------------------------------


def test_a_panel_an_axis_and_a_line_a_group(tmp_path: Path) -> None:
    for name in ("sgd", "adam"):
        for seed in range(2):
            leave(
                tmp_path / f"{name}{seed}", np.linspace(3, 1, 200), seed=seed, **optimizer(name, 1)
            )
    leave(tmp_path / "w", [2.0, 9.0, np.inf], status="diverged", planned=200, **optimizer("rms", 1))
    groups = group_runs(find([tmp_path]).runs)
    figure = curves_figure(groups, "train_loss", ("iteration", "epoch"))
    labels = [panel.get_xlabel() for panel in figure.axes]
    assert labels == ["iterations", "epochs"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.texts] == ["adam", "rms (diverged)", "sgd"]
    assert legend.get_title().get_text() == "optimizer"
    assert all(len(panel.collections) == 2 for panel in figure.axes), "a band for each mean"
    both = generalization_figure(groups, "validation_error")
    labels = [(panel.get_ylabel(), panel.get_xlabel()) for panel in both.axes]
    assert labels == [("train error", "epochs"), ("validation error", "epochs")]


def test_where_runs_stopped_early_the_mean_ends_and_single_seeds_go_on(tmp_path: Path) -> None:
    """A bar ends each run that stopped; the mean is over all seeds or not at all."""
    for seed, steps in enumerate((120, 150, 200)):
        status = "stopped" if steps < 200 else "finished"
        losses = np.linspace(3, 3 - steps / 100, steps)
        leave(tmp_path / f"{seed}", losses, status=status, seed=seed, planned=200)
    leave(tmp_path / "b", [2.0] * 20, status="stopped", planned=200, **optimizer("adam", 1))
    groups = group_runs(find([tmp_path]).runs)
    (panel,) = curves_figure(groups, "validation_error", ("iteration",)).axes
    ends: dict[str, list[float]] = {}
    for line in panel.get_lines():
        ends.setdefault(str(line.get_label()), []).append(np.max(line.get_xdata()))
    seeds, alone = (group.label for group in groups)
    assert ends[seeds] == [120]
    assert sorted(ends[f"_rest: {seeds}"]) == [150, 200]
    assert sorted(ends[f"_stopped: {seeds}"]) == [120, 150]
    assert (ends[alone], ends[f"_stopped: {alone}"]) == ([20], [20])
    assert f"_rest: {alone}" not in ends
    note = " ".join(panel.get_figure().get_supxlabel().split())
    assert note.endswith("|: stopped early; thin: single seeds after the first has")


def test_the_figure_suits_what_was_swept(tmp_path: Path) -> None:
    for i, rate in enumerate((10, 1, 0.1, 0.01, 0.001, 0.0001, 0.00001)):
        for j, decay in enumerate((0.1, 0.2, 0.3)):
            both = {**optimizer("sgd", rate), "schedule": {"name": "exp", "rate": decay}}
            leave(tmp_path / "two" / f"{i}{j}", [1.0 + i] * 20, **both)
        leave(tmp_path / "one" / str(i), [1.0 + i] * 20, **optimizer("sgd", rate))
    one = View().draw(group_runs(find([tmp_path / "one"]).runs))
    (panel,) = one.axes
    assert (panel.get_xlabel(), panel.get_xscale()) == ("learning rate", "log")
    few = View().draw(group_runs(find([tmp_path / "one"]).runs)[:5])
    assert [panel.get_xlabel() for panel in few.axes] == ["iterations", "epochs"]
    two = View().draw(group_runs(find([tmp_path / "two"]).runs))
    assert two.axes[0].get_images()[0].get_array().shape == (3, 7)


def test_a_notebook_needs_three_lines(tmp_path: Path) -> None:
    for seed in range(2):
        losses = np.linspace(3 + seed, 1, 30)
        leave(tmp_path / str(seed), losses, seed=seed, **optimizer("adam", 0.1))
    runs = runner.load(tmp_path)
    frame = runs.frame()
    assert frame["seed"].tolist() == [0, 1]
    assert frame["optimizer"].tolist() == ["adam"] * 2
    assert frame["final.validation_error"].tolist() == pytest.approx([0.1, 0.1])
    assert (len(runs), len(runs[:1]), runs[1].seed) == (2, 1, 1)
    (row,) = runs.table("validation_error", target=0.2)
    assert (row.reached, row.median.epochs) == (2, 2.0)
    assert len(runs.figure(axes=["examples"]).axes) == 1
    with pytest.raises(ConfigError, match="did you mean seconds"):
        runs.figure(axes=["second"])


# --- the command ------------------------------------------------------------------------------


def test_the_command_leaves_a_figure_and_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for rate in (0.1, 0.01):
        leave(tmp_path / f"{rate:g}", np.linspace(3, 1, 200), **optimizer("sgd", rate))
    assert run_command_line([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split()[:2] == ["optimizer.learning_rate", "final"]
    assert (tmp_path / "comparison.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (tmp_path / "comparison.svg").read_text()
    assert run_command_line([str(tmp_path), "--table", "csv"]) == 0
    assert capsys.readouterr().out.startswith("optimizer.learning_rate,measure,final_mean,")


def test_a_curve_that_cannot_be_read_is_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(tmp_path / "whole", [3.0] * 20, **optimizer("sgd", 0.1))
    leave(tmp_path / "running", [3.0] * 20, status=None, **optimizer("sgd", 0.2))
    for name, rate in (("a", 0.01), ("b", 0.02)):
        cut = leave(tmp_path / name, [3.0] * 20, **optimizer("sgd", rate)) / "steps.npy"
        cut.write_bytes(cut.read_bytes()[:600])
    line = [str(tmp_path), "--table", "csv"]
    assert run_command_line([*line, "--measure", "train_loss"]) == 0
    said = f"no train_loss of 2 runs, such as {tmp_path / 'a'}: steps.npy is missing or damaged\n"
    assert capsys.readouterr().err == said
    assert run_command_line(line) == 0
    assert capsys.readouterr().err == "", "the validation error is in another file"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--axis epch", "did you mean epoch?"),
        ("--measure train_los", "did you mean train_loss?"),
        ("--by optimizr", "did you mean optimizer?"),
        ("--output nowhere/a.png", "cannot be written"),
        ("--output a.xyz", "must be a file that ends in .png"),
        ("--axis ,", "needs an axis at least"),
        ("--target nan", "must be a finite number"),
        ("--figure critical_batch_size --target 9", "differ in batch_size"),
    ],
)
def test_a_mistake_is_one_line(
    words: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave(tmp_path / "a", [3.0] * 20, **optimizer("sgd", 0.1))
    assert run_command_line([str(tmp_path), *words.split()]) in (1, 2)
    lines = capsys.readouterr().err.splitlines()
    (error,) = [line for line in lines if not line.startswith("Drawing: ")]  # on a slow machine
    assert error.startswith("runner-compare: error: ")
    assert said in error


def test_a_hundred_seeds_are_one_line(tmp_path: Path) -> None:
    template = leave(tmp_path / "r0", np.linspace(3, 1, 200), **optimizer("sgd", 0.1))
    summary = json.loads((template / "summary.json").read_text())
    for number in range(1, 100):
        copy = tmp_path / f"r{number}"
        copy.mkdir()
        for name in ("steps.npy", "epochs.npy"):
            (copy / name).hardlink_to(template / name)
        summary["seed"] = summary["config"]["seed"] = number
        (copy / "summary.json").write_text(json.dumps(summary))
    found = find([tmp_path])
    assert len(found.runs) == 100
    (row,) = table(group_runs(found.runs), "train_loss")
    assert (row.median.final, row.repeated) == (1.0, 99), "equal curves are no repetitions"


def test_waiting_says_what_for(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("A moment"):
        pass
    assert capsys.readouterr().err == ""
    with waiting("Long work", patience=0.01):
        time.sleep(0.1)
    assert capsys.readouterr().err.startswith("Long work: 0 s\n")
