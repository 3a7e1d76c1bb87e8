"""What the problems are there to show: the claims of their studies, in small."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose

from runner.data import Hill, NoisyQuadratic, Reddi
from runner.engine.loop import Training
from runner.engine.turns import lanes_for
from runner.experiment.experiment import Experiment
from runner.options.sampling import Ordered
from runner.statistics.rates import rate

SURFACE = {"steps": 200, "evaluate_every": 1000}


def trained(experiments: list[Experiment]) -> list[dict[str, np.ndarray]]:
    """The curves of runs of one structure: the steps, the evaluations, and the path if any."""
    lanes = lanes_for(len(experiments), "vmap", jax.devices()[:1])
    training = Training(experiments, experiments[0].data.load(), lanes)
    chunks = [row for row in training.chunks() if any(each is not None for each in row)]
    found = []
    for lane in zip(*chunks, strict=True):
        known = [chunk for chunk in lane if chunk is not None]
        curves = {name: np.concatenate([getattr(c, name) for c in known]) for name in OF_A_CHUNK}
        if known[0].path is not None:
            curves["path"] = np.concatenate([c.path for c in known if c.path is not None])
        found.append(curves)
    return found


OF_A_CHUNK = ("steps", "epochs")


@pytest.mark.parametrize(
    ("optimizer", "settings", "factor"),
    [
        ("sgd", lambda c: (2 / (1 + 1 / c), None), lambda c: ((c - 1) / (c + 1)) ** 2),
        (
            "momentum",
            lambda c: (4 / (1 + c**-0.5) ** 2, ((c**0.5 - 1) / (c**0.5 + 1)) ** 2),
            lambda c: ((c**0.5 - 1) / (c**0.5 + 1)) ** 2,
        ),
        (
            "nesterov",
            lambda c: (1.0, (c**0.5 - 1) / (c**0.5 + 1)),
            lambda c: (1 - c**-0.5) ** 2,
        ),
    ],
)
def test_rates_of_convergence_are_those_of_theory(
    optimizer: str, settings: Any, factor: Any
) -> None:
    """The claim of `experiment=convergence_rates`: Nesterov 2004, Polyak 1964, Recht 2010."""
    conditions = (10.0, 100.0)
    experiments = []
    for condition in conditions:
        learning_rate, momentum = settings(condition)
        numbers = {"name": optimizer, "learning_rate": learning_rate}
        numbers |= {} if momentum is None else {"momentum": momentum}
        quadratic = {"name": "noisy_quadratic", "dimensions": 10, "train_examples": 1}
        experiments.append(
            compose(
                {"steps": 1000, "evaluate_every": 1000},
                data={**quadratic, "condition": condition},
                optimizer=numbers,
                batch_size="full",
            )
        )
    for condition, curves in zip(conditions, trained(experiments), strict=True):
        found = rate([(curves["steps"]["step"], curves["steps"]["train_loss"])])
        assert found is not None
        assert found.law == "linear"
        # At the two accelerated settings the excess falls like k^2 times the power.
        tolerance = 0.01 if optimizer == "sgd" else 0.16
        assert np.log(found.value) == pytest.approx(np.log(factor(condition)), rel=tolerance)


def adam_by_hand(kind: str, steps: int, rate: float, b2: float) -> float:
    """Where Adam (algorithm 1 with its correction) and AMSGrad (algorithm 2) end, in float64."""
    x, m, v, largest, b1 = 0.0, 0.0, 0.0, 0.0, 0.9
    for t in range(1, steps + 1):
        g = 1010.0 if t % 101 == 1 else -10.0
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        largest = max(largest, v)
        if kind == "adam":
            step = m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + 1e-8)
        else:
            step = m / np.sqrt(largest)
        x = float(np.clip(x - rate * step, -1, 1))
    return x


@pytest.mark.parametrize(("kind", "low", "high"), [("adam", 1.9, 2.0), ("amsgrad", 0.0, 0.8)])
def test_adam_ends_at_the_worst_point_and_amsgrad_does_not(
    kind: str, low: float, high: float
) -> None:
    """The claim of `experiment=adam_counterexample`, and the published rules in float64."""
    steps = 60 * 101
    experiment = compose(
        {"epochs": 60, "evaluate_every": 60},
        data="reddi",
        optimizer={"name": kind, "learning_rate": 0.05, "b2": 0.99},
        batch_size="stochastic",
        sampling={"name": "fixed", "shuffled": False},
    )
    (curves,) = trained([experiment])
    distance = curves["epochs"]["validation_error"][-1]
    assert distance == pytest.approx(adam_by_hand(kind, steps, 0.05, 0.99) + 1, abs=5e-3)
    assert low < distance <= high
    # The loss is the mean over a period, (1010 - 100 * 10) x / 101.
    assert curves["epochs"]["validation_loss"][-1] == pytest.approx(
        10 * (distance - 1) / 101, abs=1e-4
    )
    assert Reddi().least_loss("validation") == pytest.approx(-10 / 101)


def test_noise_leaves_the_worse_minimum_and_plain_descent_does_not() -> None:
    """The claim of `experiment=escape`: 32 seeds with noise, and one without."""
    seeds = [
        compose(
            {**SURFACE, "seed": seed},
            data="double_well",
            optimizer={"name": "sgd", "learning_rate": 0.02},
            gradient={"name": "noise", "eta": eta, "gamma": 0.0},
        )
        for seed, eta in [(0, 0.0), *((seed, 30.0) for seed in range(32))]
    ]
    plain, *noisy = (curves["path"]["x"][-1] for curves in trained(seeds))
    assert plain == pytest.approx(1, abs=1e-3)
    assert np.mean(np.array(noisy) < 0) > 0.5
    assert np.mean(np.array(noisy) < 0) < 1.0, "it is no certainty"


def test_momentum_leaves_the_worse_minimum_if_it_is_fast_enough() -> None:
    """`experiment=escape`, against the published rule; f' = 4 (x + 1) (x - 0.25) (x - 1)."""
    momenta = (0.5, 0.8)
    runs = [
        compose(
            SURFACE,
            data="double_well",
            optimizer={"name": "momentum", "learning_rate": 0.02, "momentum": momentum},
        )
        for momentum in momenta
    ]
    for momentum, curves in zip(momenta, trained(runs), strict=True):
        velocity, walked = 0.0, [1.8]
        for _ in range(60):
            at = walked[-1]
            velocity = momentum * velocity + 4 * (at + 1) * (at - 0.25) * (at - 1)
            walked.append(at - 0.02 * velocity)
        np.testing.assert_allclose(curves["path"]["x"][:61], walked, atol=2e-3)
        x = np.array(walked)
        expected = (x + 1) ** 2 * (x**2 - 7 / 3 * x + 5 / 3)
        np.testing.assert_allclose(curves["path"]["y"][:61], expected, atol=1e-2)
        assert curves["path"]["x"][-1] == pytest.approx(-1 if momentum == 0.8 else 1, abs=1e-3)


def first_below(distance: float, curves: dict[str, np.ndarray]) -> int:
    """The number of steps after which the distance from the minimum is first below another one."""
    return int((curves["steps"]["train_error"] < distance).argmax())


def test_gradient_descent_waits_at_the_foot_of_a_hill_and_adam_does_not() -> None:
    """The claim of `experiment=hill`: the offset grows by 1 - rate f_yy at the saddle point."""
    steps = {}
    for name in ("sgd", "adam"):
        runs = [
            compose(
                {"steps": 150, "evaluate_every": 1000},
                data={"name": "hill", "y": offset},
                optimizer={"name": name, "learning_rate": 0.1},
            )
            for offset in (1e-2, 1e-4, 1e-6)
        ]
        steps[name] = [first_below(0.1, curves) for curves in trained(runs)]
    x = np.linspace(2.5, 4, 100_001)
    foot = x[np.argmin(np.abs(np.gradient(Hill().value(x, 0.0), x)))]
    bend = (Hill().value(foot, 1e-3) - Hill().value(foot, 0.0)) / (1e-3**2 / 2)
    expected = np.log(100) / np.log(1 - 0.1 * bend)
    assert bend < 0
    np.testing.assert_allclose(np.diff(steps["sgd"]), expected, atol=1)
    assert np.ptp(steps["adam"]) <= 1
    assert 100 < steps["adam"][0] < 110


def test_steps_in_proportion_to_the_slope_do_not_cross_a_plateau() -> None:
    """The claim of `experiment=plateau`: x' = -2 x / (1 + x^2)^2 has a solution in closed form."""
    settings = {"steps": 60, "evaluate_every": 1000}
    numbers = ({"momentum": 0.0}, {"momentum": 0.9})
    runs = [
        compose(settings, data="plateau", optimizer={"name": "momentum", "learning_rate": 0.2, **n})
        for n in numbers
    ]
    plain, heavy = (curves["path"]["x"] for curves in trained(runs))
    adam = compose(settings, data="plateau", optimizer={"name": "adam", "learning_rate": 0.2})
    (curves,) = trained([adam])
    walked = curves["path"]["x"]

    def time(x: float) -> float:
        """How long x' takes from there to 1, at the rate 0.2."""
        return (np.log(abs(x)) / 2 + x**2 / 2 + x**4 / 8 - 0.625) / 0.2

    assert time(-8) == pytest.approx(2560, rel=0.1)
    assert time(-8) - time(plain[-1]) == pytest.approx(60, rel=0.01)
    assert 8 < (heavy[-1] + 8) / (plain[-1] + 8) < 10
    np.testing.assert_allclose(np.diff(walked[:20]), 0.2, rtol=0.15)
    assert np.abs(walked[40:]).max() < 0.6


def test_a_large_rate_leaves_a_sharp_minimum_for_a_flatter_one() -> None:
    """The claim of `experiment=sharp_minimum`: 2 / curvature on both sides of the rate."""
    rates = (0.15, 0.2, 0.3)
    runs = [
        compose(
            {"steps": 60, "evaluate_every": 1000},
            data={"name": "three_hump_camel", "x": -1.85, "y": 0.9},
            optimizer={"name": "sgd", "learning_rate": rate},
        )
        for rate in rates
    ]
    near, across, flat = (curves["path"] for curves in trained(runs))
    x2 = 1.747552**2
    sharp = np.linalg.eigvalsh([[4 - 12.6 * x2 + 5 * x2**2, 1], [1, 2]])[1]
    middle = np.linalg.eigvalsh([[4, 1], [1, 2]])[1]
    assert 0.15 < 2 / sharp < 0.2
    assert 2 / middle > 0.3
    assert near["x"][-1] == pytest.approx(-1.747552, abs=1e-3)
    jumps = across["x"][-20:]
    assert (np.diff(np.sign(jumps + 1.747552)) != 0).all(), "to and fro across the minimum"
    assert np.ptp(jumps) > 0.2
    assert abs(flat["x"][-1]) < 1e-4


def test_clipping_keeps_the_iterates_at_the_foot_of_a_cliff() -> None:
    """The claim of `experiment=cliff`."""
    runs = [
        compose(
            {"steps": 100, "evaluate_every": 1000},
            data="cliff",
            optimizer={"name": "momentum", "learning_rate": 0.05},
            gradient={"name": "clip_norm", "threshold": threshold},
        )
        for threshold in (1.0, 1e6)
    ]
    clipped, free = (curves["path"]["x"] for curves in trained(runs))
    assert free.min() < -4.5, "thrown back beyond the start"
    assert clipped.min() >= -4
    assert np.abs(clipped[-30:]).max() < 0.2 < np.abs(free[-30:]).max()


def test_a_network_forgets_classes_that_it_has_not_seen_for_a_while() -> None:
    """The claim of `experiment=ordered_data`, a linear model for two epochs."""
    errors = {}
    for sampling in ("permutation", "ordered"):
        experiment = compose(
            {"epochs": 2, "evaluate_every": 2},
            model="linear",
            initializer="zeros",
            optimizer={"learning_rate": 0.1},
            batch_size={"drop_remainder": True},
            sampling=sampling,
        )
        (curves,) = trained([experiment])
        errors[sampling] = curves["epochs"]["validation_error"][-1]
    assert errors["ordered"] > 0.4
    assert errors["permutation"] < 0.2


def test_steps_in_proportion_to_the_weights_make_training_independent_of_their_scale() -> None:
    """The claim of `experiment=scale_invariance`: batch normalization with LARS, and with SGD."""
    ends = {}
    for name in ("lars", "sgd"):
        own = {"momentum": 0.0, "trust_coefficient": 0.1} if name == "lars" else {}
        experiments = [
            compose(
                {"steps": 30, "evaluate_every": 100},
                model={"widths": [16], "depth": 2},
                normalization={"name": "batch", "epsilon": 1e-12},
                initializer={"name": "he_normal", "scale": [scale, scale, 1]},
                optimizer={"name": name, "learning_rate": 0.1, **own},
                batch_size="full",
            )
            for scale in (0.1, 1.0, 10.0)
        ]
        curves = [curve["steps"]["train_loss"] for curve in trained(experiments)]
        np.testing.assert_allclose([curve[0] for curve in curves], curves[0][0], rtol=1e-5)
        ends[name] = [float(curve[-1]) for curve in curves]
    np.testing.assert_allclose(ends["lars"], ends["lars"][0], rtol=1e-3)
    assert ends["lars"][0] < 1.8, ends
    assert ends["sgd"][0] < 0.7 * ends["sgd"][1] < 0.7 * 0.9 * ends["sgd"][2], ends


@pytest.mark.parametrize("columns", [(), (2,)])
def test_ordered_examples_are_sorted_and_random_within_a_class(columns: tuple[int, ...]) -> None:
    targets = np.random.default_rng(0).integers(0, 4, (60, *columns))
    first = targets.reshape(60, -1)[:, 0]
    orders = []
    for epoch in range(2):
        drawn = Ordered().order(jax.random.key(0), jnp.asarray(epoch), 60)
        orders.append(np.asarray(Ordered().arrange(drawn, jnp.asarray(targets))))
        assert sorted(orders[-1]) == list(range(60))
        assert (np.diff(first[orders[-1]]) >= 0).all()
    assert (orders[0] != orders[1]).any()


def test_adagrad_gains_on_sparse_features() -> None:
    """The claim of `experiment=sparse_features`, each optimizer at the best of three rates."""
    errors = {}
    for name, rates in (("sgd", (1.0, 10.0, 30.0)), ("adagrad", (0.3, 1.0, 3.0))):
        experiments = [
            compose(
                {"epochs": 3, "evaluate_every": 3},
                data="sparse_features",
                preprocessing="none",
                model="linear",
                initializer="zeros",
                optimizer={"name": name, "learning_rate": learning_rate},
                batch_size={"drop_remainder": True},
            )
            for learning_rate in rates
        ]
        ends = [curves["epochs"]["test_error"][-1] for curves in trained(experiments)]
        errors[name] = min(ends)
    assert errors["adagrad"] < 0.8 * errors["sgd"], errors


@pytest.mark.parametrize("spectrum", ["geometric", "linear", "power", "two"])
@pytest.mark.parametrize("rotated", [False, True])
def test_the_quadratic_is_what_it_says(spectrum: Any, rotated: bool) -> None:
    """Its Hessian has the chosen eigenvalues, its noise no mean, its minimum is 0 at 0."""
    data = NoisyQuadratic(
        dimensions=6,
        spectrum=spectrum,
        condition=32.0,
        rotated=rotated,
        noise=0.5,
        coordinate=2.0,
        train_examples=50,
    )
    expected = {
        "geometric": 2.0 ** -np.arange(6),
        "linear": np.linspace(1, 1 / 32, 6),
        "power": np.arange(1, 7) ** -(np.log(32) / np.log(6)),
        "two": np.repeat([1, 1 / 32], 3),
    }[spectrum]
    rows = jnp.asarray(data.load().train.inputs)

    def loss(theta: jax.Array) -> jax.Array:
        outputs = jnp.concatenate([jnp.broadcast_to(theta, rows.shape), rows], axis=1)
        return data.losses_and_errors(outputs, jnp.zeros(50))[0].mean()

    theta = jnp.arange(6.0) - 2
    hessian = np.asarray(jax.hessian(loss)(theta))
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian), np.sort(expected), atol=1e-5)
    np.testing.assert_allclose(jax.grad(loss)(theta), hessian @ theta, atol=1e-5)
    assert float(loss(data.start())) == pytest.approx(0.5 * 4 * expected.sum(), rel=1e-5)
    assert float(loss(jnp.zeros(6))) == 0.0


def test_the_error_of_the_gradient_falls_like_the_root_of_the_batch() -> None:
    """The claim of `experiment=gradient_error` on the quadratic: sigma sqrt(d / n)."""
    data = NoisyQuadratic(dimensions=100, noise=0.1)

    def norm(key: jax.Array, size: int) -> jax.Array:
        rows, targets = data.draw(key, size)

        def loss(theta: jax.Array) -> jax.Array:
            outputs = jnp.concatenate([jnp.broadcast_to(theta, rows.shape), rows], axis=1)
            return data.losses_and_errors(outputs, targets)[0].mean()

        return jnp.linalg.norm(jax.grad(loss)(jnp.zeros(100)))

    keys = jax.random.split(jax.random.key(0), 20)
    for size in (1, 64):
        norms = jax.jit(jax.vmap(lambda key, size=size: norm(key, size)))(keys)
        assert float(norms.mean()) == pytest.approx(0.1 * np.sqrt(100 / size), rel=0.05)
