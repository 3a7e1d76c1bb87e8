"""The curvature of the objective against the whole Hessian in NumPy, and on known problems."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest
from conftest import compose
from jax.flatten_util import ravel_pytree
from test_diagnostics import PENALTY, PROBE, experiment, forward, gradients

from runner.data.quadratic import matrix
from runner.engine.chunk import EPOCH_DTYPE
from runner.engine.diagnostics import ProbeBatch, diagnosed
from runner.engine.evaluation import training_set_loss_and_error
from runner.engine.memory import COPIES, bytes_of_a_lane
from runner.engine.placement import place
from runner.engine.setup import Setup
from runner.engine.state import Arrays, State, Timeline
from runner.engine.tables import named_rows
from runner.engine.train import evaluations_per_call, initial_state
from runner.errors import ConfigError
from runner.experiment.experiment import Experiment
from runner.options.clock import Phases
from runner.options.diagnostics.curvature import CURVATURE_MEASURES, LINE_POINTS

RATE = 0.01


def started(chosen: Experiment) -> tuple[Arrays, State]:
    arrays = place(chosen, chosen.data.load())
    return arrays, jax.jit(initial_state)(chosen, arrays)


def measured(chosen: Experiment, arrays: Arrays, state: State) -> Any:
    """The row of the table before the first step."""
    return row_of(jax.jit(tables_of(chosen, arrays))(state))


def tables_of(chosen: Experiment, arrays: Arrays) -> Callable[[State], Any]:
    """What diagnostics measure of a state, as a pure function."""
    ready = arrays._replace(statistics=chosen.preprocessing.ready(arrays.statistics))

    def tables(state: State) -> Any:
        at = jnp.zeros((), int), state.params, state.layers, jnp.asarray(RATE)
        return diagnosed(chosen, ready, state.memories, *at)[1]

    return tables


def row_of(tables: Any) -> Any:
    found = jax.tree.map(lambda x: np.asarray(x)[None], tables)
    (row,) = named_rows(found, np.zeros(1, EPOCH_DTYPE))["curvature"]
    return row


def curvature(**numbers: Any) -> dict[str, Any]:
    return {"name": "curvature", "examples": PROBE, **numbers}


class InNumPy:
    """A network with its objective, its gradient and its Hessian by differences, in float64."""

    def __init__(self, arrays: Arrays, params: Any) -> None:
        self.inputs = np.asarray(arrays.inputs[:PROBE], float).reshape(PROBE, -1)
        self.targets = np.asarray(arrays.targets[:PROBE])
        leaves, self.structure = jax.tree.flatten(jax.device_get(params))
        self.shapes = [leaf.shape for leaf in leaves]
        self.theta = np.concatenate([leaf.ravel() for leaf in leaves]).astype(float)

    def tree(self, theta: npt.NDArray) -> Any:
        ends = np.cumsum([np.prod(shape, dtype=int) for shape in self.shapes])[:-1]
        parts = zip(np.split(theta, ends), self.shapes, strict=True)
        return jax.tree.unflatten(self.structure, [part.reshape(shape) for part, shape in parts])

    def objective(self, theta: npt.NDArray) -> float:
        params = self.tree(theta)
        logits = forward(params, self.inputs)["logits"][0]
        logits -= logits.max(1, keepdims=True)
        losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(PROBE), self.targets]
        kernels = [params["hidden_1"]["dense"], params["hidden_2"]["dense"], params["logits"]]
        return losses.mean() + PENALTY / 2 * sum((own["kernel"] ** 2).sum() for own in kernels)

    def gradient(self, theta: npt.NDArray) -> npt.NDArray:
        found = gradients(self.tree(theta), self.inputs, self.targets)
        return np.concatenate([found[name].ravel() for name in sorted(found)])

    def hessian(self) -> npt.NDArray:
        h = 1e-5 * np.eye(len(self.theta))
        return np.array(
            [self.gradient(self.theta + e) - self.gradient(self.theta - e) for e in h]
        ) / (2e-5)


@pytest.fixture(scope="module")
def network() -> tuple[Arrays, State, InNumPy, npt.NDArray]:
    """A small network with dropout and a penalty, its whole Hessian in NumPy."""
    arrays, state = started(experiment(initializer="he_normal", diagnostics=curvature()))
    known = InNumPy(arrays, state.params)
    return arrays, state, known, known.hessian()


@pytest.mark.parametrize("iterations", [1000, 60])
def test_the_hessian_of_a_network_is_that_of_numpy(
    network: tuple[Arrays, State, InNumPy, npt.NDArray], iterations: int
) -> None:
    """The whole one, and the ends of its spectrum by Lanczos' iteration."""
    arrays, state, known, hessian = network
    options = curvature(iterations=iterations)
    row = measured(experiment(initializer="he_normal", diagnostics=options), arrays, state)
    eigenvalues = np.linalg.eigvalsh(hessian)
    widest = np.abs(eigenvalues).max()
    assert row["largest"] == pytest.approx(eigenvalues[-1], rel=1e-3)
    assert row["smallest"] == pytest.approx(eigenvalues[0], abs=0.01 * widest)
    assert abs(row["smallest"] - eigenvalues[0]) <= row["smallest_residual"] + 1e-3 * widest
    gradient = known.gradient(known.theta)
    square, bend = gradient @ gradient, gradient @ hessian @ gradient
    assert row["objective"] == pytest.approx(known.objective(known.theta), rel=1e-4)
    assert row["gradient_square"] == pytest.approx(square, rel=1e-3)
    assert row["gradient_curvature"] == pytest.approx(bend, rel=1e-3)
    assert row["predicted_gain"] == pytest.approx(RATE * square - RATE**2 * bend / 2, rel=1e-3)
    gain = known.objective(known.theta) - known.objective(known.theta - RATE * gradient)
    assert row["gain"] == pytest.approx(gain, rel=1e-3)
    for step, loss in list(zip(row["line_steps"], row["line_losses"], strict=True))[::8]:
        assert loss == pytest.approx(known.objective(known.theta - step * gradient), rel=1e-3)
    assert row["sharpness_product"] == pytest.approx(RATE * eigenvalues[-1], rel=1e-3)
    assert np.isnan(row["condition"]), "there are negative eigenvalues"
    share = np.mean(eigenvalues < -1e-4 * widest)
    if iterations > len(eigenvalues):
        np.testing.assert_allclose(row["eigenvalues"], eigenvalues, atol=1e-4 * widest)
        assert row["trace"] == pytest.approx(np.trace(hessian), rel=1e-3)
        assert row["negative_share"] == pytest.approx(share, abs=1e-6)
    else:
        assert row["negative_share"] == pytest.approx(share, abs=0.15), "an estimate"
        error = abs(row["trace"] - np.trace(hessian))
        assert error < min(4 * row["trace_error"] + 1e-3 * widest, 0.1 * widest)
    assert 0.02 < share < 0.98, "else the test shows nothing"


def by_convolution(params: Any, inputs: npt.NDArray, targets: npt.NDArray) -> jax.Array:
    """The mean cross-entropy of a convolution, a pooling and two dense layers, by `jax.lax`."""
    own, axes, window = (
        params["convolution_1"]["convolution"],
        ("NHWC", "HWIO", "NHWC"),
        (1, 2, 2, 1),
    )
    x = jax.lax.conv_general_dilated(inputs, own["kernel"], (1, 1), "VALID", dimension_numbers=axes)
    x = jnp.tanh(x + own["bias"])
    x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
    own = params["hidden_1"]["dense"]
    x = jnp.tanh(x.reshape(len(x), -1) @ own["kernel"] + own["bias"])
    logits = x @ params["logits"]["kernel"] + params["logits"]["bias"]
    return -jax.nn.log_softmax(logits)[jnp.arange(len(x)), targets].mean()


def test_the_hessian_of_a_convolution_is_that_of_jax_alone_and_in_lanes() -> None:
    """With `vmap` the iteration is one program over both lanes, with `map` that of one alone."""
    model = {"name": "cnn", "channels": [2], "widths": [4]}
    chosen = compose(model=model, activation="tanh", diagnostics=curvature(iterations=80))
    arrays, state = started(chosen)
    tables = tables_of(chosen, arrays)
    lanes = jax.tree.map(lambda x: np.stack([x, 1.5 * x]).astype(x.dtype), jax.device_get(state))
    side_by_side = jax.jit(jax.vmap(tables))(lanes)
    alone = jax.jit(tables)
    inputs = np.asarray(arrays.inputs[:PROBE], np.float32) / 16
    targets = np.asarray(arrays.targets[:PROBE])

    @jax.jit
    def whole(params: Any) -> tuple[jax.Array, jax.Array]:
        theta, tree = ravel_pytree(params)
        objective = lambda theta: by_convolution(tree(theta), inputs, targets)  # noqa: E731
        return jax.hessian(objective)(theta), jax.grad(objective)(theta)

    for lane in range(2):
        own = jax.tree.map(operator.itemgetter(lane), lanes)
        hessian, gradient = (np.asarray(each, float) for each in whole(own.params))
        eigenvalues = np.linalg.eigvalsh(hessian)
        rows = row_of(jax.tree.map(operator.itemgetter(lane), side_by_side)), row_of(alone(own))
        for row in rows:
            assert row["largest"] == pytest.approx(eigenvalues[-1], rel=1e-3)
            assert row["smallest"] == pytest.approx(eigenvalues[0], rel=1e-2)
            assert row["gradient_square"] == pytest.approx(gradient @ gradient, rel=1e-3)
            bend = gradient @ hessian @ gradient
            assert row["gradient_curvature"] == pytest.approx(bend, rel=1e-3)
            error = abs(row["trace"] - np.trace(hessian))
            assert error < 4 * row["trace_error"] + 1e-2 * eigenvalues[-1]
        for name in CURVATURE_MEASURES:
            np.testing.assert_allclose(rows[0][name], rows[1][name], 5e-3, 1e-4, err_msg=name)


def test_the_quadratic_has_its_90_and_10_eigenvalues() -> None:
    """Drawn in (0, 1) and (30, 60): the deep stochastic quadratic of DeepOBS."""
    chosen = compose(data="quadratic", diagnostics={"name": "curvature", "iterations": 100})
    row = measured(chosen, *started(chosen))
    np.testing.assert_allclose(row["eigenvalues"], np.linalg.eigvalsh(matrix()), atol=1e-3)
    assert np.sum((row["eigenvalues"] > 0) & (row["eigenvalues"] < 1)) == 90
    assert np.sum((row["eigenvalues"] > 30) & (row["eigenvalues"] < 60)) == 10
    assert row["condition"] == pytest.approx(np.linalg.cond(matrix()), rel=0.02)
    assert row["gain"] == pytest.approx(row["predicted_gain"], rel=1e-2), "it is quadratic"
    assert row["negative_share"] == 0


def test_a_saddle_has_one_negative_eigenvalue_of_two() -> None:
    chosen = compose(data="saddle", diagnostics="curvature")
    row = measured(chosen, *started(chosen))
    np.testing.assert_allclose(row["eigenvalues"], [-2, 2])
    assert row["negative_share"] == 0.5
    assert row["trace"] == 0


def test_fixed_statistics_are_those_of_evaluations() -> None:
    chosen = compose(model={"widths": [4]}, normalization="batch", preprocessing="none")
    arrays, state = started(chosen)
    moved = jax.tree.map(lambda x: x + 0.5, state.layers)  # averages of some steps
    batch = ProbeBatch(chosen, arrays, moved, len(arrays.targets))
    setup = Setup(chosen, arrays, Timeline(0, 0, 1, 1.0, Phases(*np.ones((3, 1), int))))
    expected, _ = training_set_loss_and_error(setup, state.params, moved)
    fixed = batch.objective(state.params, fixed_statistics=True)
    assert fixed == pytest.approx(float(expected), rel=1e-5)
    assert abs(batch.objective(state.params) - fixed) > 1e-3
    part = ProbeBatch(chosen, arrays, moved, 7)
    alone = part.example_losses(state.params, fixed_statistics=True)
    together = batch.example_losses(state.params, fixed_statistics=True)
    np.testing.assert_allclose(alone, together[:7], rtol=1e-5)


@pytest.mark.parametrize(
    ("choices", "examples", "expected"),
    [
        ({"batch_size": "full"}, 2000, 2.0),
        ({"batch_size": "full", "optimizer": {"name": "momentum", "momentum": 0.8}}, 2000, 3.6),
        ({"batch_size": "full", "regularization": "l2"}, 2000, 2.0),
        ({"batch_size": "full"}, 512, None),  # another function
        ({}, 2000, None),
        ({"batch_size": "full", "sampling": "replacement"}, 2000, None),
        ({"batch_size": "full", "optimizer": "nesterov"}, 2000, None),
        ({"batch_size": "full", "optimizer": "adam"}, 2000, None),
        ({"batch_size": "full", "regularization": "dropout"}, 2000, None),
        ({"batch_size": "full", "gradient": "clip_norm"}, 2000, None),
    ],
)
def test_the_limit_of_the_sharpness_is_known_for_two_optimizers_with_full_batches(
    choices: dict[str, Any], examples: int, expected: float | None
) -> None:
    chosen = compose(**choices)
    arrays = place(chosen, chosen.data.load())
    limit = float(ProbeBatch(chosen, arrays, {}, examples).sharpness_limit())
    assert limit == pytest.approx(expected) if expected else np.isnan(limit)


def test_memory_counts_the_basis_and_the_tables() -> None:
    iterations, probes = 7, 3
    options = curvature(iterations=iterations, probes=probes)
    diagnosed, plain = experiment(diagnostics=options), experiment(diagnostics="none")
    arrays = place(plain, plain.data.load())
    more = bytes_of_a_lane(diagnosed, arrays) - bytes_of_a_lane(plain, arrays)
    parameters = 64 * 6 + 6 + 6 * 5 + 5 + 5 * 10 + 10
    columns = len(CURVATURE_MEASURES) + 2 * iterations * probes + 2 * LINE_POINTS
    tables = evaluations_per_call(11) * columns
    assert more == 4 * (COPIES * tables + (iterations + 1) * parameters)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"data": "beale", "diagnostics": "layers"}, "use diagnostics=curvature"),
        ({"settings": {"precision": "bfloat16"}, "diagnostics": "curvature"}, "precision=float32"),
        ({"diagnostics": curvature(iterations=1)}, "iterations"),
    ],
)
def test_what_cannot_be_measured_is_refused(choices: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        compose(**choices)
