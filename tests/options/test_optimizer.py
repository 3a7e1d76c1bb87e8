"""Optimizers step by step, in float64, against the rules of `rules.py` and against peers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import rules
import scipy.optimize
from conftest import compose
from rule_problem import as_tree, as_vector, stepped
from rules import RULES, START, STEPS

from runner.errors import ConfigError
from runner.experiment.table import OPTIONS
from runner.options.optimizer.base import Optimizer
from runner.options.optimizer.layerwise import orthogonalized
from runner.options.optimizer.second_order import conjugate_gradients
from runner.options.option import HiddenLayer
from runner.options.parameters import is_kernel, layer_index, named

RATES: dict[str, Callable[[int], float]] = {
    "constant": lambda t: 0.05,
    "decaying": lambda t: 0.05 * 0.9**t,
}


def unconditional(optimizer: dict[str, Any], rate: float) -> Optimizer:
    """The option with this learning rate, or its base's."""
    if "base" in optimizer:
        base = optimizer["base"]
        base = {"name": base} if isinstance(base, str) else base
        optimizer = {**optimizer, "base": {**base, "learning_rate": rate}}
    else:
        optimizer = {**optimizer, "learning_rate": rate}
    return compose(model="linear", optimizer=optimizer).optimizer


_compiled: dict[str, tuple[Optimizer, Callable]] = {}


def one_step(choice: dict[str, Any], first_rate: float) -> tuple[Optimizer, Callable]:
    """The option, and its compiled step in the engine's manner; compiled once a choice."""
    name = f"{choice} {first_rate}"
    if name not in _compiled:
        optimizer = unconditional(choice, first_rate)

        @jax.jit
        def step(t: Any, rate: Any, params: Any, state: Any) -> Any:
            return stepped(optimizer, rate, t, params, state)

        _compiled[name] = optimizer, step
    return _compiled[name]


def path(choice: dict[str, Any], rate: Callable[[int], float], steps: int = STEPS) -> list[Any]:
    """The points that the engine's rule visits, and those it would evaluate."""
    optimizer, step = one_step(choice, rate(0))
    with jax.enable_x64(True):
        params = as_tree(jnp.asarray(START))
        state = optimizer.build(jnp.asarray(rate(0))).init(params)
        visited = []
        for t in range(steps):
            params, state = step(t, jnp.asarray(rate(t)), params, state)
            assert all(leaf.dtype == jnp.float64 for leaf in jax.tree.leaves(params))
            evaluated = optimizer.evaluated(state, params)
            visited.append((np.asarray(as_vector(params)), np.asarray(as_vector(evaluated))))
    return visited


def label(value: Any) -> str:
    return getattr(value, "__name__", "") if callable(value) else ""


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("choice", "rule"), RULES, ids=label)
def test_the_papers_rule(choice: dict, rule: Callable, rate: str) -> None:
    pairs = zip(rule(START, RATES[rate]), path(choice, RATES[rate]), strict=True)
    moved = 0.0
    for expected, (trained, evaluated) in pairs:
        expected, average = expected if isinstance(expected, tuple) else (expected, expected)
        # optax computes Adafactor's decay rate in single precision.
        tolerance = 1e-6 if choice["name"] == "adafactor" else 1e-9
        np.testing.assert_allclose(trained, expected, rtol=tolerance, atol=1e-12)
        np.testing.assert_allclose(evaluated, average, rtol=tolerance, atol=1e-12)
        moved = abs(trained - START).max()
    assert moved > 1e-3


def test_every_optimizer_is_checked() -> None:
    by_other_means = {"lbfgs", "sophia"}
    assert {choice["name"] for choice, _ in RULES} | by_other_means == set(OPTIONS["optimizer"])


def test_the_problem_of_the_rules_is_differentiated_right() -> None:
    small = 1e-6 * np.eye(15)
    slope = [(rules.loss(START + e) - rules.loss(START - e)) / 2e-6 for e in small]
    np.testing.assert_allclose(slope, rules.gradient(START), rtol=1e-6)
    bend = [(rules.gradient(START + e) - rules.gradient(START - e)) / 2e-6 for e in small]
    np.testing.assert_allclose(bend, rules.hessian(START), rtol=1e-6, atol=1e-8)


def test_sophia_steps_over_the_diagonal_of_the_hessian() -> None:
    """The rule with the same draws u; and the mean of u * Hu over many is the diagonal."""
    theta, m, h = START, np.zeros(15), np.zeros(15)
    numbers = {"b1": 0.8, "b2": 0.7, "rho": 0.5, "eps": 1e-3, "interval": 3, "weight_decay": 0.2}
    choice = {"name": "sophia", **numbers}
    for t, (trained, _) in enumerate(path(choice, RATES["decaying"])):
        slope = rules.gradient(theta)
        if t % 3 == 0:
            u = draws(t)
            h = 0.7 * h + 0.3 * u * (rules.hessian(theta) @ u)
        m = 0.8 * m + 0.2 * slope
        direction = np.clip(m / np.maximum(0.5 * h, 1e-3), -1, 1)
        theta = theta - RATES["decaying"](t) * (direction + 0.2 * rules.IS_KERNEL * theta)
        np.testing.assert_allclose(trained, theta, rtol=1e-9)
    many = np.array([draws(t) for t in range(4000)])
    estimate = (many * (many @ rules.hessian(START))).mean(0)
    np.testing.assert_allclose(estimate, np.diag(rules.hessian(START)), rtol=0.25, atol=0.1)


def draws(t: int) -> np.ndarray:
    """The numbers from N(0, I) of step t, leaf by leaf in the order of JAX's trees."""
    with jax.enable_x64(True):
        key = jax.random.fold_in(jax.random.key(0), t)
        bias, kernel = jax.random.split(key, 2)
        first = jax.random.normal(bias, (3,), jnp.float64)
        second = jax.random.normal(kernel, rules.SHAPE, jnp.float64)
        return np.concatenate([np.asarray(second).ravel(), np.asarray(first)])


def test_lbfgs_goes_where_scipys_goes() -> None:
    """To the same minimum, in about as many steps, never uphill, each step a Wolfe point."""
    found = scipy.optimize.minimize(
        rules.loss, START, jac=rules.gradient, method="L-BFGS-B", options={"gtol": 1e-10}
    )
    points = [trained for trained, _ in path({"name": "lbfgs"}, lambda t: 1.0, steps=found.nit)]
    losses = [rules.loss(point) for point in [START, *points]]
    assert all(later < earlier for earlier, later in itertools.pairwise(losses))
    assert losses[-1] < 1e-6
    for before, after in zip([START, *points], points, strict=False):
        step, slope = after - before, rules.gradient(before)
        assert slope @ step < 0
        assert rules.loss(after) <= rules.loss(before) + 1e-4 * slope @ step + 1e-12
        assert abs(rules.gradient(after) @ step) <= 0.9 * abs(slope @ step) + 1e-12


def test_lbfgs_steps_along_the_two_loop_direction() -> None:
    """Nocedal & Wright, algorithm 7.4, from the last three pairs; the search sets the length."""
    choice = {"name": "lbfgs", "memory": 3}
    visited = [START, *(trained for trained, _ in path(choice, lambda t: 1.0))]
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    for before, after in itertools.pairwise(visited):
        direction = rules.gradient(before)
        weights = []
        for s, y in reversed(pairs):
            weights.append(s @ direction / (y @ s))
            direction = direction - weights[-1] * y
        if pairs:
            s, y = pairs[-1]
            direction = direction * (s @ y) / (y @ y)
        for (s, y), weight in zip(pairs, reversed(weights), strict=True):
            direction = direction + (weight - y @ direction / (y @ s)) * s
        step = after - before
        length = -step @ direction / (direction @ direction)
        assert length > 0
        np.testing.assert_allclose(step, -length * direction, rtol=1e-6, atol=1e-9)
        pairs = [*pairs, (step, rules.gradient(after) - rules.gradient(before))][-3:]


def test_newton_is_exact_on_a_quadratic() -> None:
    """One undamped step of a quadratic ends at its minimum; here of the bowl's quadratic model."""
    optimizer = unconditional({"name": "newton", "damping": 0.0}, 1.0)
    matrix = np.diag(np.arange(1.0, 16.0))
    with jax.enable_x64(True):
        params = as_tree(jnp.asarray(START))
        objective = lambda tree: 0.5 * as_vector(tree) @ matrix @ as_vector(tree)  # noqa: E731
        rule = optimizer.build(jnp.asarray(1.0))
        updates, _ = rule.update(
            jax.grad(objective)(params), rule.init(params), params, value_fn=objective
        )
    np.testing.assert_allclose(as_vector(updates), -START, rtol=1e-9)


def test_conjugate_gradients_leave_at_negative_curvature_downhill() -> None:
    with jax.enable_x64(True):
        matrix = jnp.diag(jnp.array([2.0, 1.0, -3.0]))
        for target in ([1.0, 2.0, 0.5], [0.1, 0.1, 5.0]):
            found = conjugate_gradients(lambda v: matrix @ v, jnp.array(target), 10)
            assert found @ jnp.array(target) > 0
        # Nothing but negative curvature: the gradient itself.
        alone = conjugate_gradients(lambda v: matrix @ v, jnp.array([0.0, 0.0, 4.0]), 10)
        np.testing.assert_allclose(alone, [0, 0, 4])


def test_newton_schulz_orthogonalizes() -> None:
    """The singular values come near 1, and the singular vectors stay."""
    for shape in ((6, 4), (4, 6)):
        matrix = np.random.default_rng(0).normal(size=shape)
        left, values, right = np.linalg.svd(orthogonalized(jnp.asarray(matrix), 5))
        assert ((values > 0.6) & (values < 1.3)).all()
        own_left, _, own_right = np.linalg.svd(matrix)
        polar = own_left[:, :4] @ own_right[:4]
        assert np.abs(left[:, :4] @ right[:4] - polar).max() < 1e-3


PEERS = [
    ({"name": "adam"}, lambda r: optax.adam(r)),
    ({"name": "adamw", "decay_all": True}, lambda r: optax.adamw(r, weight_decay=0.01)),
    ({"name": "adagrad", "eps_inside_root": True}, lambda r: optax.adagrad(r, 0.0, 1e-7)),
    (
        {"name": "yogi", "initial": 0.0, "bias_correction": True},
        lambda r: optax.chain(
            optax.scale_by_yogi(eps=1e-3, initial_accumulator_value=0.0), optax.scale(-r)
        ),
    ),
    ({"name": "nadam", "form": "constant"}, lambda r: optax.nadam(r)),
    ({"name": "amsgrad", "bias_correction": "before"}, lambda r: optax.amsgrad(r)),
    ({"name": "ademamix"}, lambda r: optax.contrib.ademamix(r, alpha=5.0)),
    (
        {"name": "rmsprop_momentum", "eps_inside_root": True, "rate_inside_velocity": True},
        lambda r: optax.rmsprop(r, 0.9, 1e-8, momentum=0.9),
    ),
    (
        {"name": "decoupled_decay", "base": "adam", "decay_all": True},
        lambda r: optax.adamw(r, weight_decay=0.01),
    ),
    (
        {"name": "novograd", "decay_all": True, "weight_decay": 0.1},
        lambda r: optax.novograd(r, 0.95, 0.98, 1e-8, weight_decay=0.1),
    ),
]


@pytest.mark.parametrize(
    ("choice", "peer"), PEERS, ids=lambda x: x["name"] if isinstance(x, dict) else ""
)
def test_optax_agrees_where_it_has_the_same_rule(choice: dict, peer: Callable) -> None:
    with jax.enable_x64(True):
        params = as_tree(jnp.asarray(START))
        theirs = peer(0.05)
        state = theirs.init(params)
        for ours, _ in path(choice, RATES["constant"]):
            slope = as_tree(jnp.asarray(rules.gradient(np.asarray(as_vector(params)))))
            updates, state = theirs.update(slope, state, params)
            params = optax.apply_updates(params, updates)
            np.testing.assert_allclose(ours, as_vector(params), rtol=1e-6)


# --- wrappers -----------------------------------------------------------------------------------


def multiplied(multipliers: list[float], **choices: Any) -> dict[str, float]:
    """What each array of a network is multiplied by, as it is inside a program."""
    optimizer = {"name": "layer_rates", "multiplier": multipliers, "base": {"name": "sgd"}}
    experiment = compose(optimizer=optimizer, **choices)
    key = jax.eval_shape(lambda: jax.random.key(0))
    network, shape = experiment.network(), experiment.input_shape
    params, *_ = jax.eval_shape(lambda key: network.init(key, shape), key)
    assert len(experiment.model.layer_paths) == experiment.facts().layers
    ones = jax.tree.map(lambda p: np.ones(()), params)
    layers = layer_index(params, experiment.model.layer_paths)
    rule = experiment.optimizer.build(jnp.ones(()))
    updates, _ = rule.update(ones, rule.init(ones), ones, layer_index=layers)
    return {".".join(path): -float(update) for path, update in named(updates).items()}


RATES_BY_LAYER: list[tuple[str, dict[str, Any], dict[str, float]]] = [
    (
        "mlp",
        {"model": {"widths": [2] * 11}, "normalization": "batch"},
        {f"hidden_{layer}.": layer for layer in range(1, 12)} | {"logits.": 12},
    ),
    (
        "autoencoder",
        {"model": {"name": "autoencoder", "widths": [4, 3, 2]}},
        {"hidden_1": 1, "hidden_2": 2, "hidden_3": 3, "decoder_1": 4, "decoder_2": 5, "logits": 6},
    ),
    (
        "cnn",
        {"model": {"name": "cnn", "channels": [2, 3], "widths": [4]}, "activation": "prelu"},
        {"convolution_1": 1, "convolution_2": 2, "hidden_1": 3, "logits": 4},
    ),
    (
        "resnet",
        {
            "model": {"name": "resnet", "channels": [2, 3], "blocks": 1, "shortcut": "projection"},
            "normalization": "batch",
            "activation": "prelu",
        },
        {
            "convolution.": 1,
            "block_1_1.convolution_1": 2,
            "block_1_1.convolution_2": 3,
            "block_1_1.activation": 3,
            "block_2_1.convolution_1": 4,
            "block_2_1.convolution_2": 5,
            "block_2_1.shortcut": 5,
            "block_2_1.activation": 5,
            "logits": 6,
        },
    ),
    (
        "lstm",
        {"model": {"name": "lstm", "widths": [2], "depth": 2}, "normalization": "layer"},
        {"recurrent.": 1, "recurrent_2.": 2, "logits": 3},
    ),
    (
        "pre-norm transformer",
        {"model": {"name": "transformer", "width": 4, "heads": 1}, "normalization": "layer"},
        {
            "embedding": 1,
            "block_1.attention.normalization": 2,
            "block_1.attention.attention.input": 2,
            "block_1.attention.attention.output": 3,
            "block_1.feed_forward.normalization": 4,
            "block_1.feed_forward.hidden": 4,
            "block_1.feed_forward.output": 5,
            "block_2.attention.normalization": 6,
            "block_2.attention.attention.input": 6,
            "block_2.attention.attention.output": 7,
            "block_2.feed_forward.normalization": 8,
            "block_2.feed_forward.hidden": 8,
            "block_2.feed_forward.output": 9,
            "normalization": 10,
            "logits": 10,
        },
    ),
    (
        "post-norm transformer",
        {
            "model": {"name": "transformer", "width": 4, "heads": 1, "depth": 1, "norm": "post"},
            "normalization": "layer",
        },
        {
            "embedding": 1,
            "block_1.attention.sum.attention.input": 2,
            "block_1.attention.sum.attention.output": 3,
            "block_1.attention.normalization": 3,
            "block_1.feed_forward.sum.hidden": 4,
            "block_1.feed_forward.sum.output": 5,
            "block_1.feed_forward.normalization": 5,
            "logits": 6,
        },
    ),
]


@pytest.mark.parametrize(
    ("choices", "expected"),
    [pytest.param(choices, expected, id=name) for name, choices, expected in RATES_BY_LAYER],
)
def test_a_list_of_multipliers_is_in_the_order_of_the_layers(
    choices: dict[str, Any], expected: dict[str, float]
) -> None:
    """Inside a program the keys are sorted, and `hidden_10` comes before `hidden_2`.

    Every array is below one of the expected names, and each name has an array.
    """
    layers = int(max(expected.values()))
    found = multiplied(list(range(1, layers + 1)), **choices)
    for path, multiplier in found.items():
        (own,) = {factor for name, factor in expected.items() if path.startswith(name)}
        assert multiplier == own, path
    for name in expected:
        assert any(path.startswith(name) for path in found), name


def test_every_kernel_of_every_model_has_a_layer_and_every_layer_a_kernel() -> None:
    """`init` has the parameters in the order of the layers; a traced tree has them sorted."""
    counted = []
    for name in OPTIONS["model"]:
        experiment = compose(model=name, normalization="none" if name == "rnn" else "layer")
        if experiment.facts().layers is None:
            continue
        network, shape, kept = experiment.network(), experiment.input_shape, []

        def init() -> Any:
            params, *_ = network.init(jax.random.key(0), shape)  # noqa: B023
            kept.append(paths(params))  # noqa: B023
            return params

        index = named(layer_index(jax.eval_shape(init), experiment.model.layer_paths))
        of_kernels = [index[path] for path in kept[0] if is_kernel(path)]
        assert sorted(of_kernels) == of_kernels, name
        assert set(of_kernels) == set(range(experiment.facts().layers)), name
        counted.append(name)
    assert "resnet" in counted


def paths(params: dict[str, Any]) -> list[tuple[str, ...]]:
    """The paths of the arrays in nested dictionaries, in the order of their keys."""
    found = []
    for name, inside in params.items():
        below = paths(inside) if isinstance(inside, dict) else [()]
        found += [(name, *path) for path in below]
    return found


BAD_WRAPPERS = [
    ({"name": "layer_rates", "multiplier": [1, 2]}, r"it has length 2, and the model has 1 layers"),
    ({"name": "layer_rates", "base": "lookahead"}, r"base .*points of its own.*other way round"),
    ({"name": "decoupled_decay", "base": "schedule_free_sgd"}, r"base .*points of its own"),
    (
        {"name": "decoupled_decay", "base": {"name": "sam", "base": "averaged"}},
        r"base .*points of its own",
    ),
    (
        {
            "name": "decoupled_decay",
            "independent": True,
            "base": {"name": "sgd", "learning_rate": 0},
        },
        r"independent .*greater than 0",
    ),
    ({"name": "averaged", "burn_in": 90}, r"burn_in .* 91 steps, and the run has 90"),
    ({"name": "averaged", "every": 91}, r"every .* 91 steps, and the run has 90"),
]


@pytest.mark.parametrize(("choice", "words"), BAD_WRAPPERS)
def test_what_a_wrapper_cannot_do_is_refused(choice: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compose(model="linear", optimizer=choice)


def test_layers_of_a_problem_have_no_rates() -> None:
    with pytest.raises(ConfigError, match="does not say how many layers"):
        compose(data="rosenbrock", optimizer={"name": "layer_rates", "multiplier": [1, 2]})
    chosen = compose(optimizer={"name": "layer_rates", "multiplier": [1, 2]})
    silent = chosen.facts()._replace(hidden_layers=(HiddenLayer(64, has_positions=False),))
    ((_, problem),) = chosen.optimizer.conflicts(silent)
    assert "does not say where the parameters of its layers are" in problem
    wrapped = compose(optimizer={"name": "lookahead", "base": "layer_rates"}).optimizer
    assert wrapped.learning_rate == 0.1
