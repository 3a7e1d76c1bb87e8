"""One view: the same fields and defaults in YAML, on both command lines and from Python."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import ROOT
from test_compare import leave, optimizer

import runner
from runner.compare.cli import run_command_line
from runner.compare.figures.kinds import KINDS
from runner.compare.grouping import format_setting
from runner.compare.runs import find
from runner.compare.view import View
from runner.config.values import from_plain
from runner.documentation.sweeper_keys import page
from runner.errors import ConfigError

FLAGS = {"kind": "--figure", "axes": "--axis"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three batch sizes at three rates; the loss falls faster with the smaller ones."""
    folder = tmp_path_factory.mktemp("study")
    for size in (2, 4, 8):
        for rate in (0.1, 0.01, 0.001):
            name = {"batch_size": {"name": "mini", "size": size}}
            losses = np.linspace(2.0, 0.1 * size, 40)
            leave(folder / f"{size}_{rate}", losses, **name, **optimizer("sgd", rate))
    return folder


def test_the_keys_of_a_sweep_are_made_from_the_fields_of_a_view() -> None:
    text = (ROOT / "conf" / "hydra" / "sweeper" / "runner.yaml").read_text()
    assert text == page(), "run `make docs`"
    assert from_plain(View, yaml.safe_load(text)["figure"], "figure.") == View()


def test_the_flags_are_the_fields_of_a_view(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["--help"]) == 0
    shown = capsys.readouterr().out
    flags = set(re.findall(r"^  (--[\w-]+)", shown, re.MULTILINE)) - {"--output", "--table"}
    assert flags == {
        FLAGS.get(f.name, f"--{f.name.replace('_', '-')}") for f in dataclasses.fields(View)
    }
    for name, kind in KINDS.items():
        assert re.search(rf"^  {name} .*{kind.measure}", shown, re.MULTILINE)


def labels(figure: Any) -> str:
    """All words of a figure that may name the measure."""
    return " ".join(panel.get_ylabel() for panel in figure.axes)


@pytest.mark.parametrize(
    ("kind", "measure", "others"),
    [
        ("final", "validation error", {}),
        ("heat_map", "validation error", {}),
        ("critical_batch_size", "validation error", {"target": 0.1}),
        ("curves", "train loss", {}),
        ("generalization", "validation loss", {}),
    ],
)
def test_a_kind_shows_the_same_measure_everywhere(
    kind: str,
    measure: str,
    others: dict[str, Any],
    study: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the figures of a sweep, the command and Python, and in the table of the command."""
    drawn = []
    draw = View.draw
    monkeypatch.setattr(View, "draw", lambda *words: drawn.append(draw(*words)) or drawn[-1])
    View(kind, **others).draw(View(kind, **others).groups(find([study]).runs))
    runner.load(study).figure(kind=kind, **others)
    flags = [word for key, value in others.items() for word in (f"--{key}", str(value))]
    output = ["--output", str(tmp_path / "a.svg")]
    assert run_command_line([str(study), "--figure", kind, *flags, *output]) == 0
    assert len(drawn) == 3
    assert all(measure in labels(figure) for figure in drawn)
    assert f"final {measure}" in capsys.readouterr().out.splitlines()[0]


def test_by_default_the_figure_suits_and_the_validation_error_is_tabulated(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line([str(study), "--output", str(tmp_path / "a.svg")]) == 0
    assert "final validation error" in capsys.readouterr().out
    runs = runner.load(study)
    groups = runs.groups()
    assert View().suited(groups).kind == "heat_map"
    (best, *_) = runs.table()
    assert best.median.final == runs.table("validation_error")[0].median.final
    # A tuned number is no axis: three curves are left.
    tuned = View(tune=("optimizer.learning_rate",))
    assert tuned.suited(tuned.groups(list(runs))).kind == "curves"
    # The measure that was asked for is the one that is drawn.
    few = runs.groups("batch_size")
    assert labels(View().draw(few)).strip() == "train loss"
    assert labels(View(measure="validation_error").draw(few)).strip() == "validation error"


def test_a_key_alone_is_a_list_of_one(study: Path) -> None:
    runs = runner.load(study)
    figure = runs.figure("train_loss", kind="curves", axes="epoch", by="batch_size")
    assert [panel.get_xlabel() for panel in figure.axes] == ["epochs"]
    assert [text.get_text() for text in figure.legends[0].texts] == ["2", "4", "8"]


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (View("curvs"), "the figure curvs is not known; did you mean curves?"),
        (View(measure="train_los"), "the measure train_los is not known; did you mean train_loss?"),
        (View(axes=("epch",)), "the axis epch is not known; did you mean epoch?"),
        (View("critical_batch_size"), "needs a target"),
    ],
)
def test_a_mistake_is_said(view: View, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        view.check()


def test_settings_are_written_exactly() -> None:
    """Else runs whose rates differ beyond six digits would be repetitions of one experiment."""
    assert [format_setting(value) for value in (0.001, 1e-4, 100.0)] == ["0.001", "0.0001", "100"]
    assert format_setting(0.12345678) == "0.12345678"
    assert format_setting(0.12345678) != format_setting(0.12345679)
