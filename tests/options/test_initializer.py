"""Initial weights against the distributions of the papers, and what they do to a deep network."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
from conftest import compose
from scipy import stats

from runner.engine.compilation import CompilationCounter
from runner.execution.cohorts import count_programs
from runner.experiment.experiment import Experiment
from runner.experiment.table import OPTIONS
from runner.options.activation.base import Elementwise
from runner.options.initializer.base import Initializer, fans
from runner.options.layer import Params
from runner.options.model.convolution import convolve

DENSE, CONVOLUTION = (300, 200), (5, 5, 16, 64)
FANS = {DENSE: (300, 200), CONVOLUTION: (400, 1600)}  # by hand: 5 * 5 * 16 and 5 * 5 * 64

Shape = tuple[int, ...]


def normal(stddev: float) -> Any:
    return stats.norm(scale=stddev)


def uniform(limit: float) -> Any:
    return stats.uniform(loc=-limit, scale=2 * limit)


# By initializer: another number than the default, and the distribution of one weight with it.
DISTRIBUTIONS: dict[str, Any] = {
    "normal": ({"stddev": 0.3}, lambda m, n: normal(0.3)),
    "truncated_normal": ({"stddev": 0.3}, lambda m, n: stats.truncnorm(-2, 2, scale=0.3)),
    "uniform": ({"scale": 2.0}, lambda m, n: uniform(2 / np.sqrt(m))),
    "xavier_uniform": ({"scale": 2.0}, lambda m, n: uniform(2 * np.sqrt(6 / (m + n)))),
    "xavier_normal": ({"scale": 2.0}, lambda m, n: normal(2 * np.sqrt(2 / (m + n)))),
    "he_uniform": ({"scale": 0.5}, lambda m, n: uniform(0.5 * np.sqrt(6 / m))),
    "he_normal": ({"scale": 0.5}, lambda m, n: normal(0.5 * np.sqrt(2 / m))),
    "lecun_uniform": ({"scale": 3.0}, lambda m, n: uniform(3 * np.sqrt(3 / m))),
    "lecun_normal": ({"scale": 3.0}, lambda m, n: normal(3 * np.sqrt(1 / m))),
}
STRUCTURED: dict[str, dict[str, Any]] = {
    "zeros": {},
    "constant": {"value": -0.5},
    "orthogonal": {"scale": 1.5},
    "identity": {"scale": 1.5},
    "sparse": {"connections": 7, "stddev": 2.0},
}
SMALL: tuple[Shape, ...] = ((30, 20), (4, 6), (2, 2, 3, 3), (3, 3, 3, 5))


@pytest.fixture(scope="module")
def drawn() -> dict[str, dict[Shape, np.ndarray]]:
    """A kernel of every initializer and shape, as one program."""
    numbers = {name: numbers for name, (numbers, _) in DISTRIBUTIONS.items()} | STRUCTURED
    chosen = {
        name: compose(initializer={"name": name, **numbers}).initializer
        for name, numbers in numbers.items()
    }
    large = {*DISTRIBUTIONS, "sparse"}
    shapes = {name: (DENSE, CONVOLUTION) if name in large else SMALL for name in chosen}
    shapes["sparse"] += SMALL

    def all_of_them(key: jax.Array) -> dict[str, list[jax.Array]]:
        return {name: [draw(key, shape) for shape in shapes[name]] for name, draw in chosen.items()}

    kernels = jax.device_get(jax.jit(all_of_them)(jax.random.key(1)))
    return {
        name: {
            shape: np.asarray(kernel, float)
            for shape, kernel in zip(shapes[name], kernels[name], strict=True)
        }
        for name in chosen
    }


Drawn = dict[str, dict[Shape, np.ndarray]]


def test_every_initializer_is_here() -> None:
    assert {*DISTRIBUTIONS, *STRUCTURED} == set(OPTIONS["initializer"])


@pytest.mark.parametrize("shape", [DENSE, CONVOLUTION])
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_weights_have_the_published_distribution(name: str, shape: Shape, drawn: Drawn) -> None:
    assert fans(shape) == FANS[shape]
    expected = DISTRIBUTIONS[name][1](*FANS[shape])
    weights = drawn[name][shape]
    assert weights.shape == shape
    assert stats.kstest(weights.ravel(), expected.cdf).pvalue > 0.01
    low, high = expected.support()
    assert low <= weights.min() * (1 - 1e-6)
    assert weights.max() * (1 - 1e-6) <= high
    # The standard error of a sample's standard deviation is at most 1 / sqrt(2 * size) of it.
    assert weights.std() == pytest.approx(expected.std(), rel=4 / np.sqrt(2 * weights.size))
    assert abs(weights.mean()) < 4 * expected.std() / np.sqrt(weights.size)


def test_the_weights_of_a_truncated_normal_have_the_factor_that_the_documentation_names() -> None:
    assert stats.truncnorm(-2, 2).std() == pytest.approx(0.8796, abs=5e-5)


@pytest.mark.parametrize("shape", SMALL)
def test_orthogonal_matrices_have_orthonormal_columns_or_rows(shape: Shape, drawn: Drawn) -> None:
    matrix = drawn["orthogonal"][shape].reshape(-1, shape[-1]) / 1.5
    rows, columns = matrix.shape
    product = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
    np.testing.assert_allclose(product, np.eye(min(rows, columns)), atol=2e-5)


def test_orthogonal_matrices_are_uniformly_distributed() -> None:
    """Of 2 by 2 matrices: the angle of the first column, and whether they are reflections."""
    initializer = compose(initializer="orthogonal").initializer
    draw = jax.jit(jax.vmap(lambda key: initializer(key, (2, 2))))
    matrices = np.asarray(draw(jax.random.split(jax.random.key(0), 2000)))
    angles = np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0])
    assert stats.kstest(angles, uniform(np.pi).cdf).pvalue > 0.01
    assert stats.binomtest(int((np.linalg.det(matrices) > 0).sum()), 2000).pvalue > 0.01


@pytest.mark.parametrize("shape", [(4, 6), (30, 20)])
def test_the_identity_is_padded(shape: Shape, drawn: Drawn) -> None:
    np.testing.assert_array_equal(drawn["identity"][shape], 1.5 * np.eye(*shape))


@pytest.mark.parametrize("shape", [(2, 2, 3, 3), (3, 3, 3, 5)])
def test_a_convolution_by_the_identity_changes_nothing(shape: Shape, drawn: Drawn) -> None:
    images = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype(np.float32)
    kernel = drawn["identity"][shape].astype(np.float32)
    outputs = np.asarray(jax.jit(partial(convolve, padding="same"))(images, kernel))
    np.testing.assert_allclose(outputs[..., :3], 1.5 * images, rtol=1e-6)
    assert not outputs[..., 3:].any()


@pytest.mark.parametrize("shape", [DENSE, CONVOLUTION, *SMALL])
def test_sparse_units_have_so_many_inputs(shape: Shape, drawn: Drawn) -> None:
    matrix = drawn["sparse"][shape].reshape(-1, shape[-1])
    inputs, units = matrix.shape
    connections = min(7, inputs)
    assert ((matrix != 0).sum(axis=0) == connections).all()
    if shape in (DENSE, CONVOLUTION):
        weights = matrix[matrix != 0]
        assert stats.kstest(weights, normal(2.0).cdf).pvalue > 0.01
        used = (matrix != 0).sum(axis=1)
        assert stats.chisquare(used, np.full(inputs, units * connections / inputs)).pvalue > 0.01


def test_zeros_and_constants(drawn: Drawn) -> None:
    for shape in SMALL:
        assert not drawn["zeros"][shape].any()
        assert (drawn["constant"][shape] == -0.5).all()


@pytest.mark.parametrize(
    ("model", "layers"),
    [
        ("linear", ["logits"]),
        ({"widths": [3, 4], "depth": 2}, [*(f"hidden_{i}" for i in range(1, 5)), "logits"]),
        (
            {"name": "cnn", "channels": [2, 3], "widths": [4]},
            ["convolution_1", "convolution_2", "hidden_1", "logits"],
        ),
        ({"name": "rnn", "widths": [3]}, ["recurrent", "logits"]),
    ],
)
def test_a_number_for_each_layer_goes_to_the_layers_in_their_order(
    model: Any, layers: list[str]
) -> None:
    values = [float(index) for index in range(1, len(layers) + 1)]
    network = compose(model=model, initializer={"name": "constant", "value": values}).network()
    params, _, _ = jax.jit(lambda key: network.init(key, (8, 8, 1)))(jax.random.key(0))
    for layer, value in zip(layers, values, strict=True):
        of_layer = params[layer]
        inner = next(
            (of_layer[k] for k in ("dense", "convolution", "input") if k in of_layer), None
        )
        assert (np.asarray((inner or of_layer)["kernel"]) == value).all()


def test_scales_of_layers_are_data() -> None:
    """Lists of one length share a program; a layer's weights are its scale times those of 1."""
    model = {"widths": [6, 6]}

    def with_scale(scale: Any) -> Experiment:
        return compose(model=model, initializer={"name": "he_normal", "scale": scale})

    @jax.jit
    def kernels(experiment: Experiment) -> list[jax.Array]:
        params, _, _ = experiment.network().init(jax.random.key(0), (8, 8, 1))
        layers = params["hidden_1"]["dense"], params["hidden_2"]["dense"], params["logits"]
        return [layer["kernel"] for layer in layers]

    ones = kernels(with_scale([1, 1, 1]))
    with CompilationCounter() as counter:
        scaled = kernels(with_scale([1, 2, 0.5]))
    assert counter.programs == 0
    for kernel, one, scale in zip(scaled, ones, (1, 2, 0.5), strict=True):
        np.testing.assert_allclose(kernel, scale * one, rtol=1e-6)
    assert count_programs([with_scale([1, 2, 0.5]), with_scale([1, 1, 1])]) == 1
    assert count_programs([with_scale([1, 2, 0.5]), with_scale(1)]) == 2


WIDTH, DEPTH = 128, 20


@jax.jit
def spreads(activation: Elementwise, initializer: Initializer) -> jax.Array:
    """The standard deviation of what reaches the activations of each layer of a deep network."""
    first, rest = jax.random.split(jax.random.key(0))

    def layer(signal: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        total = signal @ initializer(key, (WIDTH, WIDTH))
        return activation(total), total.std()

    signal = jax.random.normal(first, (64, WIDTH))
    return jax.lax.scan(layer, signal, jax.random.split(rest, DEPTH))[1]


def spread_by_layer(activation: str, **numbers: Any) -> np.ndarray:
    chosen = compose(activation=activation, initializer=numbers)
    return np.asarray(spreads(chosen.activation, chosen.initializer))


@pytest.mark.parametrize(
    ("activation", "initializer", "least", "largest"),
    [
        ("linear", "xavier_uniform", 0.5, 2.0),
        ("tanh", "xavier_normal", 0.15, 1.5),  # tanh itself takes a little in every layer
        ("relu", "he_normal", 0.5, 3.0),
        ("selu", "lecun_normal", 0.8, 1.2),
    ],
)
def test_signals_keep_their_size_through_twenty_layers(
    activation: str, initializer: str, least: float, largest: float
) -> None:
    spreads = spread_by_layer(activation, name=initializer)
    assert least < spreads.min()
    assert spreads.max() < largest


def test_signals_vanish_or_explode_where_the_initializer_does_not_suit() -> None:
    assert spread_by_layer("relu", name="normal", stddev=0.01)[-1] < 1e-15
    assert spread_by_layer("relu", name="normal", stddev=1.0)[-1] > 1e15
    assert spread_by_layer("tanh", name="normal", stddev=1.0)[1:].min() > 8, "saturated"
    halved = spread_by_layer("relu", name="xavier_normal")
    np.testing.assert_allclose(halved[-1] / halved[0], 2 ** -((DEPTH - 1) / 2), rtol=0.8)


@pytest.mark.parametrize("name", ["constant", "he_normal"])
def test_units_that_start_equal_stay_equal(name: str) -> None:
    """With constants, not with random weights: the reason to draw them at random."""
    network = compose(model={"widths": [4]}, activation="tanh", initializer=name).network()
    random = np.random.default_rng(0)
    inputs = random.normal(size=(16, 5, 1, 1)).astype(np.float32)
    targets = random.normal(size=(16, 10)).astype(np.float32)

    def loss(params: Params) -> jax.Array:
        return ((network.apply(params, {}, inputs, True)[0] - targets) ** 2).mean()

    def step(_: int, params: Params) -> Params:
        return jax.tree.map(lambda p, g: p - 0.5 * g, params, jax.grad(loss)(params))

    @jax.jit
    def before_and_after(key: jax.Array) -> tuple[Params, Params]:
        params, _, _ = network.init(key, (5, 1, 1))
        return params, jax.lax.fori_loop(0, 5, step, params)

    before, after = (
        np.asarray(params["hidden_1"]["dense"]["kernel"])
        for params in before_and_after(jax.random.key(0))
    )
    assert abs(after - before).max() > 1e-3, "it learns"
    assert np.allclose(after, after[:, :1], atol=1e-6) == (name == "constant")


def test_a_model_that_does_not_say_how_many_layers_it_has_takes_one_number() -> None:
    experiment = compose(initializer={"scale": [1.0, 2.0]})
    unknown = experiment.facts()._replace(layers=None)
    ((field, problem),) = experiment.initializer.conflicts(unknown)
    assert field == "scale"
    assert "give one number for all" in problem
    assert not list(compose().initializer.conflicts(unknown))
