"""The figures of curvature and of loss surfaces, from a run of the command line."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import CommandLine

import runner
from runner.compare.loss_surface import POINTS, plane_around_the_end, plane_of_the_path
from runner.compare.runs import Run, read_run
from runner.errors import ConfigError

LINE = (
    "diagnostics=[curvature,trajectory]",
    "diagnostics.curvature.iterations=6",
    "diagnostics.curvature.examples=1000",
    "model.widths=[4]",
    "normalization=batch",
    "epochs=3",
)
PARAMETERS = 64 * 4 + 2 * 4 + 4 * 10 + 10


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with both diagnostics."""
    directory = tmp_path_factory.mktemp("curvature")
    done = CommandLine(directory)(*LINE, "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    found = read_run(directory / "run")
    assert found is not None
    return found


def numbers(run: Run, tmp_path: Path, kind: str, *words: str) -> list[dict[str, str]]:
    """What a figure draws."""
    figure = tmp_path / f"{kind}.png"
    call = (str(run.directory), "--figure", kind, *words, "--output", str(figure))
    done = CommandLine(tmp_path).compare(*call)
    assert done.returncode == 0, done.stderr
    with figure.with_suffix(".data.csv").open() as lines:
        next(lines)
        return list(csv.DictReader(lines))


def column(rows: list[dict[str, str]], name: str, shows: str = "line") -> np.ndarray:
    return np.array([float(row[name]) for row in rows if row["shows"] == shows])


@pytest.mark.parametrize("measure", ["largest", "smallest", "sharpness_product", "trace"])
def test_a_measure_is_drawn_as_it_is_recorded(run: Run, tmp_path: Path, measure: str) -> None:
    rows = numbers(run, tmp_path, "curvature", "--measure", measure)
    table = run.diagnostics("curvature")
    np.testing.assert_allclose(column(rows, "x"), table["epoch"])
    np.testing.assert_allclose(column(rows, "y"), table[measure], rtol=1e-5)


def test_pairs_of_measures_have_two_lines(run: Run, tmp_path: Path) -> None:
    table = run.diagnostics("curvature")
    rate = run.config["optimizer"]["learning_rate"]
    rows = numbers(run, tmp_path, "curvature", "--measure", "ill_conditioning")
    terms = rate * table["gradient_square"], rate**2 * table["gradient_curvature"] / 2
    np.testing.assert_allclose(column(rows, "y"), np.concatenate(terms), rtol=1e-4)
    rows = numbers(run, tmp_path, "curvature", "--measure", "gains")
    np.testing.assert_allclose(column(rows, "y")[:4], table["gain"], rtol=1e-4)
    rows = numbers(run, tmp_path, "curvature", "--measure", "saddle_index")
    np.testing.assert_allclose(column(rows, "x")[:4], table["negative_share"], rtol=1e-4)
    np.testing.assert_allclose(column(rows, "y")[:4], table["objective"], rtol=1e-4)


def test_a_spectrum_and_a_line_are_drawn_of_the_start_and_the_end(run: Run, tmp_path: Path) -> None:
    rows = numbers(run, tmp_path, "spectrum")
    assert {row["line"] for row in rows} == {"epoch 0", "epoch 3"}
    table = run.diagnostics("curvature")
    x = column(rows, "x")
    assert x.min() < table[-1]["smallest"] < table[-1]["largest"] < x.max()
    rows = numbers(run, tmp_path, "along_gradient")
    end = [row for row in rows if row["line"] == "epoch 3" and row["shows"] == "line"]
    np.testing.assert_allclose(column(end, "y"), table[-1]["line_losses"], rtol=1e-5)


def test_one_eigenvalue_of_a_million_is_seen(run: Run, tmp_path: Path) -> None:
    table = run.diagnostics("curvature").copy()
    for row in table:
        row["weights"][row["eigenvalues"].argmax()] = 1e-6
    shutil.copytree(run.directory, tmp_path / "run")
    np.save(tmp_path / "run" / "curvature.npy", table)
    (panel,) = runner.load(tmp_path / "run").figure(kind="spectrum").axes
    assert 1e-7 < panel.get_ylim()[0] < 1e-6


def test_a_landscape_has_the_trained_network_in_its_middle(run: Run, tmp_path: Path) -> None:
    """Which has the objective that the diagnostics measured, on as many examples."""
    plane = plane_around_the_end(run)
    batch = run.diagnostics("curvature")[-1]["objective"]
    middle = plane.losses[POINTS // 2, POINTS // 2]
    assert middle == pytest.approx(batch, rel=0.2), "statistics of the batch, not moving averages"
    assert middle < plane.losses.mean()
    rows = numbers(run, tmp_path, "landscape")
    np.testing.assert_allclose(column(rows, "value", "surface"), plane.losses.ravel(), rtol=1e-4)


def test_a_path_lies_in_the_plane_of_its_principal_components(run: Run, tmp_path: Path) -> None:
    plane = plane_of_the_path(run)
    points = run.diagnostics("trajectory")["parameters"]
    assert points.shape == (4, PARAMETERS)
    assert plane.path is not None
    assert plane.shares is not None
    offsets = np.linalg.norm(points - points[-1], axis=1)
    within = np.linalg.norm(plane.path, axis=1)
    assert np.all(within <= offsets + 1e-4)
    assert (within**2).sum() == pytest.approx(sum(plane.shares) * (offsets**2).sum(), rel=1e-3)
    assert plane.shares[0] > plane.shares[1]
    nearest = [np.abs(side).argmin() for side in (plane.y, plane.x)]
    assert plane.losses[tuple(nearest)] < plane.losses.mean()
    rows = numbers(run, tmp_path, "trajectory")
    np.testing.assert_allclose(column(rows, "x", "path"), plane.path[:, 0], rtol=1e-4, atol=1e-4)


def test_what_cannot_be_drawn_is_said(run: Run, runner: CommandLine) -> None:
    assert runner("data=beale", "steps=2", "hydra.run.dir=beale").returncode == 0
    for kind, said in (
        ("spectrum", "needs runs with diagnostics=curvature; there is none"),
        ("curvature", "needs runs with diagnostics=curvature; there is none"),
        ("along_gradient", "needs runs with diagnostics=curvature; there is none"),
        ("trajectory", "needs 3 evaluations with diagnostics=trajectory; there are 0"),
        ("landscape", "data=beale has parameters of its own and no filters"),
    ):
        done = runner.compare("beale", "--figure", kind, "--output", "x.png")
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
    other = Run(run.directory, run.summary, {**run.config, "model": {"name": "linear"}})
    for plane in (plane_around_the_end, plane_of_the_path):
        with pytest.raises(ConfigError, match="recorded config"):
            plane(other)
