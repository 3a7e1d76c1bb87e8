"""How a figure looks, from the shell and from Python, and the numbers beside it."""

from __future__ import annotations

import csv
import re
import shlex
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_compare import leave, optimizer

import runner
from runner.compare.cli import run_command_line
from runner.compare.view import View
from runner.errors import ConfigError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two optimizers with three seeds each, in the order in which they were typed."""
    place = tmp_path_factory.mktemp("look")
    noise = np.random.default_rng(0).normal(size=(6, 300))
    for i, name in enumerate(("sgd", "adam")):
        for seed in range(3):
            losses = np.linspace(3.0, 0.5 + i, 300) * np.exp(0.1 * noise[3 * i + seed])
            leave(place / f"{3 * i + seed}", losses, seed=seed, **optimizer(name, 0.1))
    return place


def legend_of(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.legends[0].texts]


def test_names_order_and_limits_are_those_that_were_chosen(folder: Path) -> None:
    runs = runner.load(folder)
    assert legend_of(runs.figure()) == ["sgd", "adam"], "as typed"
    figure = runs.figure(
        title="Loss (MNIST)",
        order="adam",
        labels=["sgd=SGD", "train_loss=Loss", "optimizer=method"],
        xlim=[0, 100, 0, 7],
        ylim=[0.1, 4],
        xscale="linear",
        yscale="linear",
        size=[6, 2],
    )
    left, right = figure.axes
    assert figure.get_suptitle() == "Loss (MNIST)"
    assert legend_of(figure) == ["adam", "SGD"]
    assert figure.legends[0].get_title().get_text() == "method"
    assert left.get_ylabel() == "Loss"
    assert (left.get_xlim(), right.get_xlim()) == ((0, 100), (0, 7))
    assert (left.get_ylim(), left.get_xscale(), left.get_yscale()) == ((0.1, 4), "linear", "linear")
    assert figure.get_size_inches().tolist() == [6, 2]


def test_only_the_chosen_runs_are_compared(folder: Path) -> None:
    chosen = ["optimizer=adam", "seed=0", "seed=2"]
    (group,) = View(where=tuple(chosen)).groups(list(runner.load(folder)))
    assert [(run.settings["optimizer"], run.seed) for run in group.runs] == [
        ("adam", 0),
        ("adam", 2),
    ]


def test_behind_a_band_there_are_no_raw_values(folder: Path) -> None:
    runs = runner.load(folder)
    drawn = [line.get_label() for line in runs.figure(axes="epoch").axes[0].get_lines()]
    assert drawn == ["sgd", "adam"]
    one = runs.figure(axes="epoch", where="seed=0").axes[0].get_lines()
    raw = [line for line in one if line.get_label() == "_raw: sgd"]
    assert [len(line.get_xdata()) for line in raw] == [300]
    single = runs.figure(axes="epoch", where="seed=0", smoothing=0.0).axes[0].get_lines()
    assert [line.get_label() for line in single] == ["sgd", "adam"]


def test_a_learning_rate_is_drawn_as_steps(folder: Path) -> None:
    (panel,) = runner.load(folder).figure("learning_rate", axes="epoch").axes
    assert {line.get_drawstyle() for line in panel.get_lines()} == {"steps-post"}


def test_a_figure_for_a_paper(folder: Path, tmp_path: Path) -> None:
    """A column of 3.3 inches, letters of 7 and 8 points, TrueType fonts, dashes and markers."""
    figure = runner.load(folder).figure(style="paper")
    assert figure.get_figwidth() == 3.3
    letters = [*figure.texts, *figure.legends[0].texts, figure.axes[0].xaxis.label]
    letters += [text for panel in figure.axes for text in panel.get_xticklabels()]
    assert {text.get_fontsize() for text in letters} <= {7, 8}
    lines = [line for line in figure.axes[0].get_lines() if not line.get_label().startswith("_")]
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == len(lines)
    figure.canvas.draw()
    width, height = figure.get_size_inches() * figure.dpi
    for text in (*figure.texts, *figure.legends):
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= width
        assert box.y0 >= 0
        assert box.y1 <= height
    words = ["--style", "paper", "--output", str(tmp_path / "a.pdf")]
    assert run_command_line([str(folder), *words]) == 0
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert b"/Subtype /Type3" not in pdf
    assert b"/FontFile2" in pdf


def test_a_figure_has_its_numbers_and_its_command_beside_it(folder: Path, tmp_path: Path) -> None:
    words = [str(folder), "--title", "two words", "--axis", "epoch", "--smoothing", "0"]
    assert run_command_line([*words, "--output", str(tmp_path / "a.png")]) == 0
    first, *rest = (tmp_path / "a.data.csv").read_text().splitlines()
    points = [point for point in csv.DictReader(rest) if point["line"] == "sgd"]
    runs = [run for run in runner.load(folder) if run.settings["optimizer"] == "sgd"]
    logs = np.log([run.steps["train_loss"] for run in runs])
    np.testing.assert_allclose([float(p["x"]) for p in points], np.arange(300) / 10)
    np.testing.assert_allclose([float(p["y"]) for p in points], np.exp(logs.mean(0)), rtol=1e-5)
    half = 4.302653 * logs.std(0, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(
        [float(p["low"]) for p in points], np.exp(logs.mean(0) - half), rtol=1e-4
    )
    np.testing.assert_allclose(
        [float(p["high"]) for p in points], np.exp(logs.mean(0) + half), rtol=1e-4
    )
    program, *again = shlex.split(first.removeprefix("# "))
    assert program == "runner-compare"
    (tmp_path / "a.data.csv").unlink()
    assert run_command_line(again) == 0
    assert (tmp_path / "a.data.csv").read_text().splitlines() == [first, *rest]
    assert run_command_line([*words, "--output", str(tmp_path / "b.csv")]) == 0
    assert (tmp_path / "b.csv").read_text().splitlines()[1:] == rest


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"style": "papper"}, "did you mean paper?"),
        ({"yscale": "lg"}, "did you mean log?"),
        ({"smoothing": 2.0}, "smoothing=2 must be from 0 to 0.5"),
        ({"xlim": (1.0, 0.0)}, "xlim=1,0 must be two numbers, the lower one first"),
        ({"size": (3.0,)}, "size=3 must be two numbers from 0.5 to 50"),
        ({"size": (1000.0, 1000.0)}, "size=1000,1000 must be two numbers from 0.5 to 50"),
        ({"tune_by": "learning_rate"}, "tune_by=learning_rate cannot choose"),
        ({"ylim": (0.0, 1.0), "yscale": "log"}, "ylim=0,1 must be greater than 0 on a log"),
        ({"ylim": [0, 1]}, "ylim=0,1 must be greater than 0 on a logarithmic axis"),
        ({"xlim": [0, 9], "axes": "seconds"}, "xscale=linear or symlog shows 0"),
        ({"xlim": 3}, "xlim=3 must be two numbers"),
        ({"xlim": "3"}, "xlim=[3] must be a number"),
        ({"title": 5}, "title=5 must be text"),
        ({"smoothing": None}, "smoothing=null must be a number"),
        ({"smothing": 0.1}, "smothing is not an argument; did you mean smoothing?"),
        ({"labels": ("sgd",)}, "'sgd' must be NAME=LABEL"),
        ({"labels": ("sdg=SGD",)}, "sdg is not in the figure; choose from"),
        ({"order": ("sdg",)}, "sdg is not shown; choose from adam, sgd"),
        ({"where": ("optimizer",)}, "'optimizer' must be KEY=VALUE"),
        ({"where": ("optimizer=adm",)}, "no run has optimizer=adm; did you mean adam?"),
        ({"where": ("optimzer=adam",)}, "did you mean optimizer?"),
        ({"xlim": (0.0, 1.0) * 3}, "needs 2, or 2 for each of its 2 panels"),
    ],
)
def test_a_mistake_is_said(chosen: dict[str, Any], words: str, folder: Path) -> None:
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(ConfigError, match=re.escape(words)),
    ):
        runner.load(folder).figure(**chosen)


def test_numbers_of_numpy_are_numbers(folder: Path) -> None:
    figure = runner.load(folder).figure(
        axes="iteration", xlim=np.array([1, 9]), smoothing=np.float32(0.25), dpi=np.int64(90)
    )
    assert figure.axes[0].get_xlim() == (1, 9)


# --- what the kinds show ------------------------------------------------------------------------


def grid(folder: Path, cells: dict[tuple[float, float], float], **others: Any) -> Any:
    """The figure of runs with these final errors, for two numbers."""
    for i, ((rate, decay), error) in enumerate(cells.items()):
        schedule = {"schedule": {"name": "exp", "rate": decay}}
        leave(folder / str(i), [10 * error] * 20, **optimizer("sgd", rate), **schedule)
    return runner.load(folder).figure(**others)


def test_a_heat_map_has_numbers_and_marks_the_best(tmp_path: Path) -> None:
    cells = {
        (r, d): 0.02 * (1 + i + 3 * j)
        for i, r in enumerate((0.1, 1.0, 2.0))
        for j, d in enumerate((0.1, 0.2, 0.3))
    }
    figure = grid(tmp_path, cells)
    panel, bar = figure.axes
    weights = {text.get_text(): text.get_fontweight() for text in panel.texts}
    assert len(weights) == 9
    assert [text for text, weight in weights.items() if weight == "bold"] == ["2.0"]
    assert [patch.get_xy() for patch in panel.patches] == [(-0.5, -0.5)]
    assert bar.get_ylabel() == "final validation error"
    assert bar.get_yscale() == "log"
    note = " ".join(text.get_text() for text in figure.texts)
    assert "diverged" not in note


def test_numbers_at_random_are_a_scatter_plot_in_the_colors_of_the_measure(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0)
    places = numbers.uniform(0.01, 1.0, size=(12, 2)).round(4)
    cells = {
        (float(r), float(d)): float(e)
        for (r, d), e in zip(places, np.linspace(0.5, 0.01, 12), strict=True)
    }
    figure = grid(tmp_path, cells)
    (dots,) = figure.axes[0].collections
    shown = {
        tuple(place): value
        for place, value in zip(dots.get_offsets().tolist(), dots.get_array(), strict=True)
    }
    assert shown == pytest.approx(cells)
    (ring,) = [line for line in figure.axes[0].get_lines() if line.get_label() == "_best"]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == tuple(places[-1])


def test_an_error_is_in_percent_and_logarithmic_where_it_spans_a_decade(folder: Path) -> None:
    (panel,) = runner.load(folder).figure("validation_error", axes="epoch").axes
    assert panel.get_yscale() == "linear"
    assert panel.yaxis.get_major_formatter()(0.05, 0) == "5 %"
    chosen = {"kind": "curves", "axes": "epoch", "yscale": "log"}
    (panel,) = runner.load(folder).figure("validation_error", **chosen).axes
    assert panel.get_yscale() == "log"


def test_a_diverged_line_and_a_score_keep_what_follows_their_name(tmp_path: Path) -> None:
    for data in ("digits", "teacher"):
        for i, name in enumerate(("sgd", "adam")):
            settings = {"data": {"name": data}, **optimizer(name, 0.1)}
            leave(tmp_path / data / name, np.linspace(3, 0.1 + i, 30), **settings)
    runs = runner.load(tmp_path)
    names = legend_of(runs.figure("train_loss", kind="profile", target=2.0, labels="sgd=SGD"))
    assert sorted(name.split("  ")[1] for name in names) == ["SGD", "adam"]
    leave(tmp_path / "lost", [3.0, 9.0], status="diverged", planned=30, **optimizer("rms", 0.1))
    lost = runner.load(tmp_path).figure(by="optimizer", labels="rms=RMSprop")
    assert "RMSprop (diverged)" in legend_of(lost)


def test_chosen_axes_make_curves_of_any_sweep(tmp_path: Path) -> None:
    cells = {(r, d): 0.1 * r + d for r in (0.1, 1.0, 2.0) for d in (0.1, 0.2, 0.3)}
    panels = grid(tmp_path, cells, axes=["epoch", "seconds"]).axes
    assert [panel.get_xlabel() for panel in panels] == ["epochs", "seconds"]


def test_the_small_print_says_one_thing_a_line(tmp_path: Path) -> None:
    for i, rate in enumerate((0.01, 0.1, 1.0)):
        leave(tmp_path / str(i), np.linspace(3, 2 - rate, 30), **optimizer("sgd", rate))
    figure = runner.load(tmp_path).figure("train_loss", tune="optimizer.learning_rate")
    lines = figure.get_supxlabel().splitlines()
    assert lines[-1] == "the best optimizer.learning_rate is at the edge of what was tried"
    plain = runner.load(tmp_path).figure(kind="final").get_supxlabel()
    assert "diverged" not in plain


def test_a_run_of_an_earlier_version_has_the_settings_that_it_trained_with(tmp_path: Path) -> None:
    leave(tmp_path / "earlier", [3.0, 2.0], seed=0, **optimizer("sgd", 0.1))
    added = {"min_steps": 0, "evaluate_train": False, "precision": "float32"}
    leave(tmp_path / "present", [3.0, 1.0], seed=1, **optimizer("sgd", 0.1), **added)
    (group,) = runner.load(tmp_path).groups()
    assert len(group.runs) == 2


def test_a_figure_is_not_asked_for_with_only_a_table(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line([str(folder), "--table", "csv", "--output", "curves.csv"]) == 2
    assert "--table csv prints only the table" in capsys.readouterr().err


def test_a_figure_that_tunes_nothing_says_that_the_best_is_at_the_edge(tmp_path: Path) -> None:
    for i, rate in enumerate((0.01, 0.1, 1.0)):
        leave(tmp_path / str(i), np.linspace(3, 2 - rate, 30), **optimizer("sgd", rate))
    note = runner.load(tmp_path).figure(kind="final").get_supxlabel()
    assert note.endswith("the best optimizer.learning_rate is at the edge of what was tried")
