"""The figure of paths and its animation: runs made by the recorder with paths from NumPy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Annotation
from PIL import Image

from runner.compare.cli import run_command_line
from runner.compare.figures.look_ahead import look_ahead
from runner.compare.figures.style import NOTE_SIZE, add_to_small_print
from runner.compare.figures.surface import SurfaceFigure, suits
from runner.compare.grouping import Group, group_runs
from runner.compare.runs import Run, find
from runner.compare.surface_paths import (
    choose_window,
    contour_levels,
    finite_points,
    surface_of,
    visible_path,
)
from runner.compare.tuning import tuned
from runner.compare.view import View
from runner.data import DoubleWell, Ravine, Saddle
from runner.engine.chunk import EPOCH_DTYPE, PATH_DTYPE, STEP_DTYPE, make_chunk
from runner.errors import ConfigError
from runner.record.facts import RunFacts
from runner.record.recorder import Recorder

STEPS = 12
RATE = "optimizer.learning_rate"
SLOPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ravine": lambda p: np.array([p[0], 50 * p[1]]),
    "saddle": lambda p: np.array([2 * p[0], -2 * p[1]]),
}
STARTS = {"ravine": (-4.0, 1.0), "saddle": (1.0, 0.001)}


def descent(surface: str, rate: float, beta: float = 0.0, steps: int = STEPS) -> np.ndarray:
    """Gradient descent with momentum: the points after 0, ..., `steps` updates."""
    point, velocity, points = np.array(STARTS[surface]), np.zeros(2), []
    for _ in range(steps + 1):
        points.append(point)
        velocity = beta * velocity + SLOPES[surface](point)
        point = point - rate * velocity
    return np.stack(points)


def leave(directory: Path, surface: str, rate: float, beta: float = 0.0, **others: Any) -> Path:
    """The record of a run that walked there."""
    points = descent(surface, rate, beta)
    x, y = STARTS[surface]
    name = "momentum" if beta else "sgd"
    facts = RunFacts(
        config={
            "data": {"name": surface, "x": x, "y": y, "steps_per_epoch": 100},
            "optimizer": {"name": name, "learning_rate": rate},
            **others,
        },
        seed=0,
        train_examples=STEPS,
        total_steps=STEPS,
        total_epochs=1,
        device="cpu",
    )
    recorder = Recorder(directory, facts)
    steps, path = np.zeros(STEPS, STEP_DTYPE), np.zeros(STEPS + 1, PATH_DTYPE)
    steps["step"], path["step"] = np.arange(STEPS), np.arange(STEPS + 1)
    steps["train_loss"] = 1.0
    path["x"], path["y"] = points.T
    epochs = np.zeros(2, EPOCH_DTYPE)
    epochs["step"], epochs["epoch"] = (0, STEPS), (0, 1)
    epochs["validation_loss"] = [
        {"ravine": Ravine(), "saddle": Saddle()}[surface].value(*points[at]) for at in (0, -1)
    ]
    recorder.write(make_chunk(steps, epochs, 1.0, 2.0, STEPS, lambda _: 1.0, path=path))
    recorder.close("finished")
    return directory


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two optimizers at three rates on two surfaces; 0.1 diverges on the ravine."""
    folder = tmp_path_factory.mktemp("sweep")
    for surface in SLOPES:
        for rate in (0.01, 0.03, 0.1):
            for beta in (0.0, 0.9):
                leave(folder / f"{surface}{rate}{beta}", surface, rate, beta)
    return folder


def runs_in(folder: Path) -> list[Run]:
    return find([folder]).runs


def test_a_panel_a_surface_and_a_line_an_optimizer(sweep: Path) -> None:
    view = View("surface", "validation_loss", tune=(RATE,))
    groups = view.groups(runs_in(sweep))
    panels = view.draw(groups).axes
    assert [panel.get_title() for panel in panels] == ["ravine", "saddle"]
    for panel in panels:
        handles, labels = panel.get_legend_handles_labels()
        assert [label.split(", ")[0] for label in labels] == ["sgd", "momentum"]
        assert len({handle.get_color() for handle in handles}) == 2  # type: ignore[attr-defined]
    lines = {line.get_label(): line for line in panels[0].get_lines()}
    np.testing.assert_allclose(
        np.stack(lines["sgd, 0.03"].get_data(), 1), descent("ravine", 0.03), atol=1e-5
    )


def test_no_rate_is_best_on_a_saddle_so_all_take_the_middle_one(sweep: Path) -> None:
    groups = group_runs(runs_in(sweep))
    chosen = {
        (group.settings["data"], group.settings["optimizer"]): group.settings[RATE]
        for group in tuned(groups, [RATE], "validation_loss")
    }
    final = {rate: Ravine().value(*descent("ravine", rate)[-1]) for rate in (0.01, 0.03, 0.1)}
    assert chosen["ravine", "sgd"] == min(final, key=lambda rate: final[rate])
    assert chosen["saddle", "sgd"] == chosen["saddle", "momentum"] == 0.03
    # A target says what is wanted, also there: further down than -1e-6 in the fewest steps.
    to_target = tuned(groups, [RATE], "validation_loss", target=-1e-6)
    assert {g.settings[RATE] for g in to_target if g.settings["data"] == "saddle"} != {0.03}


def test_what_runs_away_is_cut_off_where_it_leaves() -> None:
    wild, tame = descent("ravine", 0.1), descent("ravine", 0.03)
    shown = choose_window([Ravine()], [wild, tame])
    assert (shown.high - shown.low).max() < 15
    assert shown.holds(tame).all()
    cut = visible_path(wild, shown, diverged=False)
    assert cut.left
    assert len(cut.points) < len(wild)
    edge = cut.points[-1]
    assert np.isclose(edge, shown.low).any() or np.isclose(edge, shown.high).any()
    # It lies on the segment that leaves, at the part of the step that it has taken.
    last, part = divmod(cut.steps[-1], 1)
    here, there = wild[int(last) : int(last) + 2]
    np.testing.assert_allclose(edge, here + part * (there - here), atol=1e-9)
    whole = visible_path(tame, shown, diverged=False)
    assert not whole.left
    np.testing.assert_array_equal(whole.points, tame)


def test_contours_lie_in_equal_ratios_above_the_minimum() -> None:
    values = np.linspace(3.0, 1003.0, 10_001)
    lines = contour_levels(values, 3.0)
    np.testing.assert_allclose(
        np.diff(np.log(lines - 3.0)), np.log((lines[1] - 3) / (lines[0] - 3))
    )
    levels = contour_levels(np.linspace(-4.0, 4.0, 101), None)
    np.testing.assert_allclose(np.diff(np.sign(levels) * np.sqrt(np.abs(levels))), 4 / 14)


def test_the_animation_shows_one_step_after_the_other(
    sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.compare.figures.animation.FRAMES", 6)
    file = tmp_path / "paths.gif"
    command = [str(sweep), "--figure", "surface", "--tune", RATE, "--output", str(file)]
    assert run_command_line(command) == 0
    with Image.open(file) as picture:
        assert picture.n_frames == 7  # type: ignore[attr-defined]
        pixels = []
        for number in (0, 2, 6):
            picture.seek(number)
            pixels.append(np.asarray(picture.convert("RGB"), int))
    assert np.abs(pixels[1] - pixels[0]).sum() < np.abs(pixels[2] - pixels[0]).sum()
    assert file.stat().st_size < 500_000


def test_a_group_of_runs_on_several_surfaces_is_drawn_on_each(sweep: Path) -> None:
    groups = group_runs(runs_in(sweep), ["optimizer"])
    for panel in View("surface").draw(groups).axes:
        assert panel.get_legend_handles_labels()[1] == ["momentum", "sgd"]
        start = STARTS[panel.get_title()]
        lines = [line for line in panel.get_lines() if line.get_linestyle() != "None"]
        first_points = [np.stack(line.get_data(), 1)[0] for line in lines]
        np.testing.assert_allclose(first_points, [start] * len(lines), rtol=1e-6)
        assert len(lines) == 6


def test_a_picture_after_some_steps_has_that_much_of_the_path(sweep: Path) -> None:
    view = View("surface", "validation_loss", tune=(RATE,))
    picture = SurfaceFigure(view.groups(runs_in(sweep)), view.tune)
    picture.show(4.25)
    lines = {line.get_label(): line for line in picture.figure.axes[0].get_lines()}
    walked = descent("ravine", 0.03)
    expected = [*walked[:5], 0.75 * walked[4] + 0.25 * walked[5]]
    np.testing.assert_allclose(np.stack(lines["sgd, 0.03"].get_data(), 1), expected, atol=1e-5)


def test_runs_without_a_whole_path_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    whole, cut = leave(tmp_path / "a", "ravine", 0.01), leave(tmp_path / "b", "ravine", 0.02)
    file = cut / "path.npy"
    file.write_bytes(file.read_bytes()[:600])
    groups = group_runs(runs_in(tmp_path))
    assert [len(group.runs[0].path) for group in groups] == [STEPS + 1, 0]
    assert not suits(groups)
    figure = View("surface").draw(groups)
    assert len(figure.axes) == 1
    assert "not shown: 1 without path.npy" in figure.texts[0].get_text().replace("\n", " ")
    (whole / "path.npy").unlink()
    assert run_command_line([str(tmp_path), "--figure", "surface"]) == 2
    assert "none of these runs has a path.npy" in capsys.readouterr().err


def test_the_figure_is_chosen_where_it_suits(sweep: Path, tmp_path: Path) -> None:
    groups = group_runs(runs_in(sweep))
    assert View().can_be_animated(groups)
    assert len(View().draw(groups).axes) == 2
    other = leave(tmp_path / "digits", "ravine", 0.01, data={"name": "digits"})
    (run,) = runs_in(other)
    assert surface_of(run) is None
    assert not View().can_be_animated(group_runs([run]))
    with pytest.raises(ConfigError, match="is on data=digits"):
        View("surface").draw(group_runs([run]))
    assert (
        run_command_line(
            [str(sweep), "--figure", "curves", "--output", str(tmp_path / "curves.gif")]
        )
        == 2
    )


@pytest.mark.parametrize(
    "data", ["ravine", {"name": ["ravine"]}, {"name": "ravine", "x": "here"}, {"name": "nowhere"}]
)
def test_a_foreign_config_is_no_surface(data: Any, tmp_path: Path) -> None:
    (run,) = runs_in(leave(tmp_path, "ravine", 0.01, data=data))
    assert surface_of(run) is None
    assert len(finite_points(run)) == STEPS + 1


def nesterov(points: int, rate: float, momentum: float) -> tuple[np.ndarray, np.ndarray]:
    """x <- y - rate f'(y), y <- x + momentum (x - x of before): the points y, and x after each."""
    x = y = np.array(STARTS["ravine"])
    looked, stepped = [y], []
    for _ in range(points):
        before, x = x, y - rate * SLOPES["ravine"](y)
        y = x + momentum * (x - before)
        looked.append(y)
        stepped.append(x)
    return np.stack(looked), np.stack(stepped)


def test_arrows_show_where_nesterov_looks_ahead(tmp_path: Path) -> None:
    """The form of Sutskever et al. 2013, from whose points y the arrows find the points x."""
    looked, stepped = nesterov(STEPS, 0.02, 0.8)
    folder = leave(tmp_path, "ravine", 0.02, optimizer={"name": "nesterov", "learning_rate": 0.02})
    path, steps = np.load(folder / "path.npy"), np.load(folder / "steps.npy")
    path["x"], path["y"] = looked.T
    steps["learning_rate"] = 0.02
    np.save(folder / "path.npy", path)
    np.save(folder / "steps.npy", steps)
    (run,) = runs_in(tmp_path)
    surface = surface_of(run)
    assert surface
    noisy = Run(folder, run.summary, {**run.config, "gradient": {"noise": {"name": "noise"}}})
    assert look_ahead(noisy, surface) is None
    np.testing.assert_allclose(look_ahead(run, surface), stepped, atol=1e-3)
    picture = SurfaceFigure([Group({}, [run])])
    arrows = [text for text in picture.figure.axes[0].texts if isinstance(text, Annotation)]
    assert len(arrows) == 2 * STEPS
    picture.show(3)
    assert sum(arrow.get_visible() for arrow in arrows) == 2 * 3
    assert "arrows" in picture.figure.texts[0].get_text()


def test_a_function_of_one_number_is_a_curve_with_a_panel_for_each_line(tmp_path: Path) -> None:
    x = np.linspace(1.8, 1.0, STEPS + 1)
    value = DoubleWell().value(x)
    for rate in (0.1, 0.2):
        folder = leave(tmp_path / f"{rate}", "ravine", rate, data={"name": "double_well"})
        path = np.load(folder / "path.npy")
        path["x"], path["y"] = x, value
        np.save(folder / "path.npy", path)
    figure = SurfaceFigure(group_runs(runs_in(tmp_path))).figure
    assert [panel.get_title() for panel in figure.axes] == ["double_well"] * 2
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    for panel in figure.axes:
        curve, *_ = panel.get_lines()
        across, up = np.asarray(curve.get_data(), float)
        np.testing.assert_allclose(up, DoubleWell().value(across))
        assert across[0] < -1 < 1.8 < across[-1]
        dots = next(line for line in panel.get_lines() if len(line.get_xdata()) == STEPS)  # type: ignore[arg-type]
        np.testing.assert_allclose(dots.get_data(), [x[1:], value[1:]], atol=1e-5)
        assert panel.get_ylim()[1] > DoubleWell().value(1.8)
    height, (note,) = figure.get_figheight(), figure.texts
    panels = [panel.get_position().height * height for panel in figure.axes]
    add_to_small_print(figure, "more")
    taller = figure.get_figheight()
    assert note.get_position()[1] * taller > 0.06 + NOTE_SIZE / 72, "the line has room below it"
    assert [panel.get_position().height * taller for panel in figure.axes] == pytest.approx(panels)


def test_the_excess_has_a_fitted_rate_in_figure_and_table(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Along x gradient descent on the ravine has the factor (1 - rate)^2 a step."""
    for rate in (0.01, 0.015, 0.02):
        folder = leave(tmp_path / f"{rate}", "ravine", rate)
        steps = np.load(folder / "steps.npy")
        steps["train_loss"] = 8 * (1 - rate) ** (2 * np.arange(STEPS))
        np.save(folder / "steps.npy", steps)
    assert run_command_line([str(tmp_path), "--figure", "rate", "--table", "text"]) == 0
    table = capsys.readouterr().out
    for rate in (0.01, 0.015, 0.02):
        assert f"{(1 - rate) ** 2:.3f}" in table
    assert "final excess" in table
    groups = group_runs(runs_in(tmp_path))
    (panel,) = View("rate").draw(groups).axes
    line, theory = (line for line in panel.get_lines() if len(line.get_xdata()) == 3)  # type: ignore[arg-type]
    assert str(theory.get_label()).startswith("_theory")
    np.testing.assert_allclose(theory.get_ydata(), line.get_ydata(), rtol=0.01)
    expected = [np.log(10) / (-2 * np.log(1 - rate)) for rate in (0.01, 0.015, 0.02)]
    np.testing.assert_allclose(line.get_ydata(), expected, rtol=0.01)  # type: ignore[arg-type]
    first, second = View("rate").draw(groups[:2]).axes
    assert (first.get_xscale(), second.get_xscale()) == ("linear", "log")
    assert "^k" in first.get_legend_handles_labels()[1][0]
    for data, measure in (("digits", "train_loss"), ("saddle", "train_loss"), ("ravine", "error")):
        leave(tmp_path / "other", "ravine", 0.01, data={"name": data})
        words = [str(tmp_path / "other"), "--figure", "rate", "--measure", measure]
        words[-1] = "train_error" if measure == "error" else measure
        assert run_command_line(words) == 2
        assert "the figure rate needs" in capsys.readouterr().err
