"""What a notebook shows: a bar while runs train, tables of runs, figures."""

from __future__ import annotations

import io
import re
import sys
import types
from typing import Any

import numpy as np
import pytest
from PIL import Image

import runner

SHORT = {"steps": 60, "model.widths": [16]}


@pytest.fixture(scope="module")
def runs() -> runner.Runs:
    return runner.sweep({"optimizer": ["sgd", "adam"], "seed": [0, 1]}, **SHORT, progress=False)


class Kernel:
    """As much of IPython as a bar needs; keeps what was displayed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: list[str] = []
        package, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
        package.get_ipython = lambda: types.SimpleNamespace(kernel=self)  # type: ignore[attr-defined]
        display.HTML = str  # type: ignore[attr-defined]
        display.display = self.display  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "IPython", package)
        monkeypatch.setitem(sys.modules, "IPython.display", display)

    def display(self, html: str, *, display_id: bool) -> Kernel:
        assert display_id
        self.shown.append(html)
        return self

    def update(self, html: str) -> None:
        self.shown.append(html)


@pytest.mark.parametrize("progress", [True, False])
def test_a_bar_is_shown_and_removed(
    progress: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    kernel = Kernel(monkeypatch)
    runner.train(SHORT, optimizer="adam", progress=progress)
    of_run = kernel.shown[:]
    kernel.shown.clear()
    runner.sweep({"seed": [0, 1]}, **SHORT, progress=progress)
    if not progress:
        assert of_run == kernel.shown == []
    else:
        for shown, words in ((of_run, "step 60"), (kernel.shown, "2/2 runs done")):
            done = [float(each) for each in re.findall(r'value="([\d.]+)"', "".join(shown))]
            assert done == sorted(done)
            assert done[-1] == 1
            assert words in shown[-2]
            assert (shown[0], shown[-1]) == ("", "")
    assert capfd.readouterr() == ("", "")


def test_outside_of_notebooks_what_is_soon_done_says_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    runner.train(SHORT, optimizer="adam")
    assert capfd.readouterr() == ("", "")


def test_a_warning_is_shown_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("runner.execution.run.cautions", lambda _: [("model", "mind this")])
    runner.sweep({"seed": [0, 1]}, **SHORT)
    assert capfd.readouterr().err == "WARNING: model: mind this\n"
    runner.train(SHORT)
    assert capfd.readouterr().err == "WARNING: model: mind this\n"


def cells(html: str) -> list[list[str]]:
    lines = re.findall("<tr>(.*?)</tr>", html)
    return [re.findall("<t[dh]>(.*?)</t[dh]>", line) for line in lines]


def test_runs_are_tables(runs: runner.Runs) -> None:
    head, *body = cells(runs[0]._repr_html_())
    assert head == ["", "final loss", "best loss", "final error", "best error"]
    assert [line[0] for line in body] == ["train", "validation", "test"]
    assert float(body[2][1]) == pytest.approx(runs[0].summary["final"]["test_loss"], rel=1e-3)
    assert (
        "data=digits, model=mlp, optimizer=sgd, schedule=constant, seed=0" in runs[0]._repr_html_()
    )
    head, *body = cells(runs._repr_html_())
    assert head[0] == "optimizer"
    assert sorted(line[0] for line in body) == ["adam", "sgd"]
    assert "4 runs: 4 finished" in runs._repr_html_()
    assert "no runs" in runner.Runs([])._repr_html_()
    assert "1 not run" in runner.Runs([runner.Run(None, {}, {})])._repr_html_()


def test_what_a_record_says_is_escaped() -> None:
    summary = {"status": "<b>", "config": {"data": {"name": "<script>"}}, "reason": "<i>"}
    assert "<script>" not in runner.Run(None, summary)._repr_html_()
    assert "&lt;script&gt;" in runner.Run(None, summary)._repr_html_()


def test_curves_are_data_frames(runs: runner.Runs) -> None:
    epochs, steps = runs[0].frame(), runs[0].frame("steps")
    assert (epochs["validation_error"] == runs[0].epochs["validation_error"]).all()
    assert (steps["train_loss"] == runs[0].steps["train_loss"]).all()
    assert "validation_r2" not in epochs  # not measured where targets are classes
    with pytest.raises(runner.ConfigError, match="stpes is no curve of a run; did you mean steps"):
        runs[0].frame("stpes")
    curves = runs.curves("steps")
    assert list(curves.columns[:4]) == ["run", "optimizer", "seed", "step"]
    last = curves.groupby(["optimizer", "seed"])["train_loss"].last()
    assert last["adam", 1] == runs[3].steps["train_loss"][-1]
    assert runner.Runs([]).curves().empty


def test_runs_are_put_together(runs: runner.Runs) -> None:
    both = runs[:1] + runs[2:3]
    assert isinstance(both, runner.Runs)
    assert [run.settings["optimizer"] for run in both] == ["sgd", "adam"]


def test_a_figure_is_shown_and_can_be_changed(runs: runner.Runs) -> None:
    figure: Any = runs.figure("train_loss", axes="iteration")
    data, size = figure._repr_png_()
    image = np.asarray(Image.open(io.BytesIO(data)))
    assert image.shape[1] == 2 * size["width"]
    figure.axes[0].set_title("Two optimizers")
    assert figure._repr_png_()[0] != data
