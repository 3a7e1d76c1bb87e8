"""Problems with known answers: the quadratic of DeepOBS and the surfaces in two dimensions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose

from runner.compare.runs import find
from runner.data import (
    Beale,
    Cliff,
    DoubleWell,
    Hill,
    Himmelblau,
    Plateau,
    Quadratic,
    Ravine,
    Rosenbrock,
    Saddle,
    ThreeHumpCamel,
)
from runner.data.quadratic import matrix
from runner.engine.lanes import Lanes
from runner.engine.loop import Training
from runner.engine.strategy import Strategy
from runner.engine.turns import lanes_for
from runner.execution.run import run
from runner.measures import ErrorKind

SURFACES = ["rosenbrock", "beale", "saddle", "ravine", "himmelblau"]
DEEPOBS_INITIAL_TEST_LOSS = 353.4468


def epochs_of(directory: Path) -> np.ndarray:
    return np.load(directory / "epochs.npy")


def test_the_quadratic_has_the_spectrum_of_deepobs() -> None:
    values = np.linalg.eigvalsh(matrix())
    drawn = np.random.RandomState(42)
    expected = np.sort(np.concatenate([drawn.uniform(0, 1, 90), drawn.uniform(30, 60, 10)]))
    np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_the_quadratic_starts_at_the_published_loss(tmp_path: Path) -> None:
    experiment = compose(
        {"epochs": 1},
        data="quadratic",
        batch_size={"size": 128, "drop_remainder": True},
        sampling={"name": "fixed", "shuffled": False},
    )
    summary = run(experiment, tmp_path, {})
    assert epochs_of(tmp_path)["test_loss"][0] == pytest.approx(DEEPOBS_INITIAL_TEST_LOSS, abs=1e-3)
    assert epochs_of(tmp_path)["test_error"][0] == pytest.approx(10)  # |1| in 100 dimensions
    assert summary["steps"] == 7


def test_gradient_descent_on_the_quadratic_is_numpys(tmp_path: Path) -> None:
    """Ten epochs over the same seven batches in the order in which the rows are stored."""
    experiment = compose(
        {"epochs": 10},
        data="quadratic",
        optimizer={"name": "sgd", "learning_rate": 0.01},
        batch_size={"size": 128, "drop_remainder": True},
        sampling={"name": "fixed", "shuffled": False},
    )
    run(experiment, tmp_path, {})
    rows = np.random.RandomState(42).normal(0, 0.6, (1000, 100))
    test = np.random.RandomState(43).normal(0, 0.6, (1000, 100))[:896]
    theta, losses = np.ones(100), []
    for _ in range(10):
        for start in range(0, 896, 128):
            theta = theta - 0.01 * matrix() @ (theta - rows[start : start + 128].mean(0))
        away = theta - test
        losses.append(0.5 * np.einsum("ni,ij,nj->n", away, matrix(), away).mean())
    np.testing.assert_allclose(epochs_of(tmp_path)["test_loss"][1:], losses, rtol=1e-4)
    error = epochs_of(tmp_path)["test_error"][-1]
    assert error == pytest.approx(np.linalg.norm(theta), rel=1e-4)


def test_a_stream_of_the_quadratic_has_its_variance() -> None:
    inputs, _ = compose(data="quadratic").data.draw(jax.random.key(0), 2000)
    assert float(inputs.var()) == pytest.approx(0.36, rel=0.02)


@pytest.mark.parametrize(
    ("surface", "points"),
    [
        # Values that can be checked by hand, and the published minima.
        (Rosenbrock(), {(-1.2, 1.0): 24.2, (1, 1): 0, (0, 0): 1}),
        (Beale(), {(1, 1): 14.203125, (3, 0.5): 0, (0, 0): 14.203125}),
        (Saddle(), {(1, 0): 1, (0, 1): -1, (0, 0): 0}),
        (Ravine(), {(0, 0): 0, (2, 0): 2, (0, 2): 100}),
        (Ravine(condition=3.0), {(2, 0): 2, (0, 2): 6}),
        (Himmelblau(), {(3, 2): 0, (0, 0): 170, (-0.270845, -0.923039): 181.617}),
        (ThreeHumpCamel(), {(1.747552, -0.873776): 0.298638, (1, 1): 3.1166667}),
        (Hill(), {(2, 0): 10, (0, 3): 4.5 * (1 + 4 / 729), (5, 0): 12.5 * (1 + 4 / 361)}),
        (DoubleWell(), {(-1,): 0, (1,): 4 / 3, (0,): 5 / 3}),
        (DoubleWell(top=0.5), {(1,): 8 / 3, (0.5,): 2.8125}),
        (Cliff(), {(0,): 0, (-1,): 2**0.5 - 1, (1,): 2**0.5 - 1 + 50}),
        (Plateau(), {(1,): 0.5, (-2,): 0.8}),
    ],
    ids=repr,
)
def test_surfaces_have_their_published_values(surface: Any, points: dict) -> None:
    for point, value in points.items():
        assert surface.value(*point) == pytest.approx(value, abs=1e-3)
    for minimum in surface.minima:
        slope = jax.grad(lambda p: surface.value(*p))(jnp.array(minimum, float))
        assert surface.value(*minimum) == pytest.approx(0, abs=1e-9)
        np.testing.assert_allclose(slope, 0, atol=1e-3)
        assert surface.least_loss("train") == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("surface", "flat"),
    [
        (ThreeHumpCamel(), (-1.747552, 0.873776)),  # the published other minimum
        (DoubleWell(), (1.0,)),
        (DoubleWell(top=0.6), (0.6,)),
        (DoubleWell(top=0.6), (1.0,)),
    ],
)
def test_the_other_stationary_points_are_where_they_are_said_to_be(
    surface: Any, flat: tuple[float, ...]
) -> None:
    slope = jax.grad(lambda p: surface.value(*p))(jnp.array(flat))
    np.testing.assert_allclose(slope, 0, atol=1e-4)


@pytest.mark.parametrize("name", SURFACES)
def test_a_surface_is_walked_from_its_start(name: str, tmp_path: Path) -> None:
    """SGD's losses are those of a NumPy loop with differences for derivatives."""
    experiment = compose(
        {"epochs": 1}, data=name, optimizer={"name": "sgd", "learning_rate": 0.001}
    )
    run(experiment, tmp_path, {})
    value = experiment.data.value
    point, losses = np.array([experiment.data.x, experiment.data.y]), []
    for _ in range(100):
        losses.append(value(*point))
        slope = [(value(*(point + e)) - value(*(point - e))) / 2e-5 for e in 1e-5 * np.eye(2)]
        point = point - 0.001 * np.array(slope)
    recorded = np.load(tmp_path / "steps.npy")["train_loss"]
    np.testing.assert_allclose(recorded, losses, rtol=2e-3, atol=1e-5)


def test_newton_finds_the_bottom_of_the_bent_valley(tmp_path: Path) -> None:
    """Undamped from the classic start: solved in a handful of steps, as in every textbook."""
    optimizer = {"name": "newton", "damping": 0.0}
    summary = run(compose({"steps": 8}, data="rosenbrock", optimizer=optimizer), tmp_path, {})
    assert summary["final"]["test_error"] < 1e-3
    assert summary["error"] == "distance from the nearest minimum"


def test_the_start_is_a_number_like_any_other(tmp_path: Path) -> None:
    summary = run(compose({"steps": 1}, data={"name": "ravine", "x": 0.0, "y": 0.0}), tmp_path, {})
    assert summary["final"]["test_loss"] == 0
    assert Quadratic().error_kind == ErrorKind.DISTANCE


def test_what_a_problem_ignores_does_not_change_its_program() -> None:
    first, second = (compose(data="beale", batch_size=choice) for choice in ("mini", "full"))
    assert jax.tree.structure(first) == jax.tree.structure(second)


@pytest.mark.parametrize("name", ["sgd", "momentum"])
def test_the_path_is_that_of_the_published_rule(name: str, tmp_path: Path) -> None:
    """v <- beta v + g, theta <- theta - eta v on the ravine, with g = (x, 50 y)."""
    rate, beta = 0.03, 0.9 if name == "momentum" else 0.0
    optimizer = {"name": name, "learning_rate": rate}
    diagnosed = {"optimizer": optimizer, "diagnostics": "update"}
    run(compose({"steps": 30}, data="ravine", **diagnosed), tmp_path, {})
    point, velocity, points, predicted = np.array([-4.0, 1.0]), np.zeros(2), [], []
    for _ in range(31):
        points.append(point)
        gradient = np.array([1.0, 50.0]) * point
        velocity = beta * velocity + gradient
        predicted.append(rate * velocity @ gradient)
        point = point - rate * velocity
    (found,) = find([tmp_path]).runs
    assert found.path["step"].tolist() == list(range(31))
    rows = found.diagnostics("updates")
    assert rows["name"].tolist() == ["all", "theta"] * 30, "a problem has updates, too"
    np.testing.assert_allclose(rows["predicted_decrease"][::2], predicted[:30], 1e-3, 1e-5)
    losses = np.square(points) @ [0.5, 25.0]
    np.testing.assert_allclose(rows["decrease"][::2], losses[:-1] - losses[1:], 1e-3, 1e-5)
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    np.testing.assert_allclose(rows["path_length"][3::2], np.cumsum(lengths)[:29], 1e-4)
    np.testing.assert_allclose(np.stack([found.path["x"], found.path["y"]], 1), points, atol=1e-4)


def paths(rates: list[float], lanes: Lanes | None = None, steps: int = 150) -> list[np.ndarray]:
    experiments = [
        compose({"steps": steps}, data="ravine", optimizer={"name": "sgd", "learning_rate": rate})
        for rate in rates
    ]
    pieces: list[list[np.ndarray]] = [[] for _ in rates]
    for chunks in Training(experiments, experiments[0].data.load(), lanes).chunks():
        for mine, chunk in zip(pieces, chunks, strict=True):
            if chunk is not None:
                assert chunk.path is not None
                mine.append(chunk.path)
    return [np.concatenate(mine) for mine in pieces]


@pytest.mark.parametrize(("strategy", "devices"), [("map", 2), ("vmap", 1)])
def test_a_path_depends_neither_on_lanes_nor_on_chunks(
    strategy: Strategy, devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three runs in four lanes, across the end of an epoch; the second diverges."""
    rates = [0.03, 1e15, 0.01]
    together = paths(rates, lanes_for(4, strategy, jax.devices()[:devices]))
    monkeypatch.setattr("runner.engine.loop.CHUNK_SECONDS", 0.0)  # chunks of one step
    for rate, path in zip(rates, together, strict=True):
        (alone,) = paths([rate])
        assert alone["step"].tolist() == list(range(len(alone)))
        np.testing.assert_array_equal(path, alone)
    assert [len(path) for path in together][::2] == [151, 151]
    assert len(together[1]) < 5
