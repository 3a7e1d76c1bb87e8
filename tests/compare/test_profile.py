"""Performance profiles: problems, targets, ratios and scores, by hand and by quadrature."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_compare import leave, optimizer

import runner
from runner.compare.cli import run_command_line
from runner.compare.profile import R_MAX
from runner.compare.tables import profile_cells
from runner.compare.view import View
from runner.errors import ConfigError

RATE = "optimizer.learning_rate"
# Steps until the loss falls from 1 to 0, by problem and optimizer; None: never.
TIMES: dict[str, dict[str, int | None]] = {
    "digits": {"adam": 10, "sgd": 20, "momentum": 15},
    "mnist": {"adam": 30, "sgd": 20, "momentum": None},
    "teacher": {"adam": 8, "sgd": None, "momentum": 8},
    "rosenbrock": {"adam": 10, "sgd": 50, "momentum": None},
}


def fall(at: int | None, length: int = 60) -> np.ndarray:
    return np.where(np.arange(length) < (length if at is None else at), 1.0, 0.0)


def data(name: str) -> dict[str, Any]:
    return {"data": {"name": name}}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each optimizer at its rate and at a worse one; three seeds, one of them early, one late."""
    folder = tmp_path_factory.mktemp("study")
    for problem, times in TIMES.items():
        for name, at in times.items():
            for seed, shift in enumerate((-1, 0, 3)):
                settings = {"seed": seed, **data(problem)}
                when = None if at is None else at + shift
                place = folder / problem / f"{name}{seed}"
                leave(place / "good", fall(when), **settings, **optimizer(name, 0.1))
                leave(place / "bad", fall(55), **settings, **optimizer(name, 0.9))
    return folder


def test_ratios_and_scores(study: Path) -> None:
    """Each problem is tuned separately: at the worse rate the target is reached late, if at all."""
    found = runner.load(study).profile(["data"], "train_loss", tune=[RATE])
    assert [problem.name for problem in found.problems] == sorted(TIMES)
    assert [problem.target for problem in found.problems] == pytest.approx([0.01] * 4)
    expected = {
        problem: {name: at or 55 for name, at in times.items()} for problem, times in TIMES.items()
    }
    for column, problem in enumerate(found.problems):
        best = min(expected[problem.name].values())
        for line, name in enumerate(found.names):
            assert found.times[line, column] == expected[problem.name][name]
            assert found.ratios[line, column] == expected[problem.name][name] / best
    taus = np.linspace(1, R_MAX, 30_001)
    for name, score in found.scores.items():
        rho = [found.rho(name, tau) for tau in taus]
        assert score == pytest.approx(np.trapezoid(rho, taus) / (R_MAX - 1), abs=1e-3)
    assert next(iter(found.scores)) == "adam"
    assert found.rho("adam", 1.0) == 0.75
    assert found.rho("adam", 1.5) == 1.0


def test_half_of_the_seeds_are_not_enough(tmp_path: Path) -> None:
    for problem in ("digits", "mnist"):
        for seed, at in enumerate((10, 10, None, None)):
            leave(
                tmp_path / f"a{problem}{seed}",
                fall(at),
                seed=seed,
                **optimizer("adam", 1),
                **data(problem),
            )
            leave(
                tmp_path / f"s{problem}{seed}",
                fall(20),
                seed=seed,
                **optimizer("sgd", 1),
                **data(problem),
            )
    found = runner.load(tmp_path).profile(measure="train_loss")
    assert found.ratios.tolist() == [[math.inf] * 2, [1.0] * 2]
    assert found.scores == {"sgd": 1.0, "adam": 0.0}


def test_the_target_is_what_was_reached_early(tmp_path: Path) -> None:
    """Half is reached at 20 of 60 steps, 0 after three quarters of them."""
    late = np.where(np.arange(60) < 20, 1.0, np.where(np.arange(60) < 50, 0.5, 0.0))
    for problem in ("digits", "mnist"):
        leave(tmp_path / f"a{problem}", late, **optimizer("adam", 1), **data(problem))
        leave(tmp_path / f"s{problem}", fall(None), **optimizer("sgd", 1), **data(problem))
    runs = runner.load(tmp_path)
    found = runs.profile(measure="train_loss")
    assert [problem.target for problem in found.problems] == pytest.approx([0.505] * 2)
    assert found.times.tolist() == [[20, 20], [math.inf, math.inf]]
    chosen = runs.profile(measure="train_loss", target=0.2, axis="epoch")
    assert (chosen.times[0].tolist(), chosen.unit) == ([5.0, 5.0], "epochs")


def test_targets_that_are_not_reached_and_runs_that_are_missing(tmp_path: Path) -> None:
    leave(tmp_path / "a", fall(10), **optimizer("adam", 1), **data("digits"))
    leave(tmp_path / "s", fall(0), **optimizer("sgd", 1), **data("digits"))
    leave(tmp_path / "m", fall(None), **optimizer("sgd", 1), **data("mnist"))
    found = runner.load(tmp_path).profile(measure="train_loss", target=0.5)
    np.testing.assert_array_equal(found.ratios, [[math.inf, math.nan], [1.0, math.inf]])
    assert found.scores == {"sgd": 0.5, "adam": 0.0}
    assert profile_cells(found)[1:3] == [
        ["sgd", "0.50", "1/2", "0", "never"],
        ["adam", "0.00", "1/2", "10", "not run"],
    ]


def test_a_target_that_is_met_before_training_is_pointed_out(tmp_path: Path) -> None:
    """All competitors that meet it have the best ratio, so the problem measures no speed."""
    for problem, at in (("digits", 0), ("mnist", 10)):
        for name in ("adam", "sgd"):
            leave(tmp_path / f"{problem}{name}", fall(at), **optimizer(name, 1), **data(problem))
    runs = runner.load(tmp_path)
    found = runs.profile(measure="train_loss", target=0.5)
    assert found.scores == {"adam": 1.0, "sgd": 1.0}
    assert profile_cells(found)[-1][3:] == ["<= 0.5 (met at step 0)", "<= 0.5"]
    figure = runs.figure("train_loss", kind="profile", target=0.5)
    (note,) = [text.get_text() for text in figure.texts]
    words = " ".join(note.split())
    assert "target met at step 0 on 1" in words
    assert words.endswith("train loss: mean over 1,000 examples, or an epoch if it is shorter")
    said = runs.verdict("train_loss", kind="profile", target=0.5)
    assert said.endswith("On digits the target is met at step 0, which compares no speed.")


def test_the_figure_says_the_scores(study: Path) -> None:
    view = View("profile", "train_loss", tune=(RATE,))
    figure = view.draw(view.groups(runner.load(study)))
    (panel,) = figure.axes  # the ratios of epochs are those of steps
    assert "steps to target" in panel.get_xlabel()
    labels = [text.get_text() for text in figure.legends[0].texts]
    assert labels[0] == "0.96  adam"
    adam = panel.get_lines()[0]
    assert adam.get_xdata().tolist() == [1.0, 1.5, 4.0]
    assert adam.get_ydata().tolist() == [0.75, 1.0, 1.0]


def test_the_command_prints_scores_and_ranks(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--figure", "profile", "--tune", RATE, "--measure", "train_loss", "--by", "optimizer"]
    picture = str(tmp_path / "profile.png")
    assert run_command_line([str(study), *words, "--output", picture]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[1].split()[:3] == ["adam", "0.96", "4/4"]
    assert "Mean rank of the steps to the target over 4 problems: adam 1.38" in out
    over = ["--problem", "data", "--tune", RATE, "--table", "markdown"]
    assert run_command_line([str(study), *over]) == 0
    assert (
        "Mean rank of the median final validation error over 4 problems" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"problem": ["model"]}, "model is not a key of these runs"),
        ({"problem": ["dat"]}, "did you mean data"),
        ({"problem": ["optimizer"], "by": ["optimizer"]}, "nothing is compared"),
        ({"tune": ["optimizer.rate"]}, "is not a key"),
    ],
)
def test_a_mistake_is_said(settings: dict[str, Any], said: str, study: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        runner.load(study).profile(**{"problem": ["data"], "measure": "train_loss", **settings})


def test_values_of_different_problems_are_not_tested(study: Path) -> None:
    runs = runner.load(study)
    assert "do not compare" in runs.verdict()
    assert "Mean rank" in runs.verdict(problem=["data"], tune=[RATE])


def test_one_problem_has_no_profile(study: Path) -> None:
    with pytest.raises(ConfigError, match="there is one problem only"):
        runner.load(study / "digits").profile(["data"])
