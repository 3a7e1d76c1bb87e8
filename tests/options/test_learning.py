"""Does it learn? Real data, real accuracy."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import compose
from engine_alone import Engine, leaves_as_arrays

from runner.engine.chunk import EPOCH_DTYPE
from runner.engine.diagnostics import diagnosed
from runner.engine.loop import Training
from runner.engine.placement import place
from runner.engine.tables import named_rows
from runner.engine.train import initial_state
from runner.engine.turns import lanes_for
from runner.execution.run import run
from runner.experiment.experiment import Experiment
from runner.statistics.remarks import remarks


def test_digits_above_95_percent(tmp_path: Path) -> None:
    summary = run(compose({"epochs": 20}, optimizer="adam"), tmp_path, {})
    assert summary["final"]["test_error"] < 0.05


def test_the_same_config_and_seed_give_the_same_bits(tmp_path: Path) -> None:
    for name in ("a", "b"):
        experiment = compose({"epochs": 3}, optimizer="adam", normalization="batch")
        run(experiment, tmp_path / name, {})
    for curve in ("steps.npy", "epochs.npy"):
        first, second = (np.load(tmp_path / name / curve) for name in ("a", "b"))
        for column in first.dtype.names:
            if column != "seconds":
                np.testing.assert_array_equal(first[column], second[column])


@pytest.mark.slow
def test_mnist_above_97_percent_in_3_epochs(tmp_path: Path, data_directory: Path) -> None:
    experiment = compose(
        {"epochs": 3},
        data={"name": "mnist", "dir": str(data_directory / "mnist")},
        model={"widths": [192]},
        batch_size={"size": 128},
        optimizer="adam",
    )
    summary = run(experiment, tmp_path, {})
    assert summary["final"]["test_error"] < 0.03


@pytest.mark.slow
def test_a_cnn_with_batch_normalization_learns_digits(tmp_path: Path) -> None:
    experiment = compose({"epochs": 5}, model="cnn", normalization="batch", optimizer="adam")
    summary = run(experiment, tmp_path, {})
    assert summary["final"]["test_error"] < 0.05


def test_stopping_early_is_better_on_test_data_than_training_on() -> None:
    """The claim of `experiment=early_stopping`, with fewer examples and a smaller network."""
    patience, epochs = 3, 40
    experiments = [
        compose(
            {"epochs": epochs},
            data={"name": "teacher", "train_examples": 300},
            preprocessing="none",
            batch_size={"size": 30},
            optimizer={"name": "adam", "learning_rate": 0.01},
            stopping={"name": "patience", "patience": count},
        )
        for count in (patience, epochs)  # more patience than evaluations trains on
    ]
    stopped, whole = (
        [chunk for (chunk,) in training.chunks() if chunk]
        for training in (Training([each], each.data.load()) for each in experiments)
    )
    curve = np.concatenate([chunk.epochs for chunk in whole])
    best = curve[curve["validation_loss"].argmin()]
    assert stopped[-1].kept_at == best["step"], "the minimum of the whole curve"
    assert stopped[-1].epochs_taken == best["epoch"] + patience < epochs / 2
    assert best["test_loss"] < 0.8 * curve["test_loss"][-1]


@pytest.mark.slow
def test_noise_on_the_gradient_leaves_a_start_from_zeros() -> None:
    """The claim of `experiment=gradient_noise`, in a third of its time."""
    losses = {}
    for eta in (0.0, 0.1):
        experiment = compose(
            {"epochs": 7, "evaluate_every": 7},
            model={"widths": [64, 64]},
            initializer="zeros",
            gradient={"name": "noise", "eta": eta},
            batch_size={"drop_remainder": True},
        )
        training = Training([experiment], experiment.data.load())
        epochs = np.concatenate([chunk.epochs for (chunk,) in training.chunks() if chunk])
        losses[eta] = epochs["train_loss"][-1]
    # Plain SGD learns the shares of the classes: the loss of guessing one of ten.
    assert losses[0.0] == pytest.approx(np.log(10), abs=0.02)
    assert losses[0.1] < 0.5


@pytest.mark.slow
def test_whitening_needs_fewer_steps_to_a_target() -> None:
    """The claim of `experiment=preprocessing`, against the second best, with three rates each."""

    def steps_to_target(preprocessing: str, rate: float) -> float:
        experiment = compose(
            {"steps": 60, "evaluate_every": 60},
            preprocessing=preprocessing,
            model="linear",
            optimizer={"learning_rate": rate},
            batch_size="full",
        )
        training = Training([experiment], experiment.data.load())
        steps = np.concatenate([chunk.steps for (chunk,) in training.chunks() if chunk])
        reached = np.flatnonzero(steps["train_loss"] <= 0.1)
        return float(reached[0]) if len(reached) else np.inf

    rates = {"standardize": (1.0, 3.0, 10.0), "zca_whiten": (10.0, 30.0, 100.0)}
    fewest = {
        name: min(steps_to_target(name, rate) for rate in tried) for name, tried in rates.items()
    }
    assert 5 * fewest["zca_whiten"] < fewest["standardize"] < np.inf


@pytest.mark.slow
def test_batch_normalization_repairs_a_bad_start_and_allows_a_large_rate() -> None:
    """The claims of two studies, `batch_normalization` and `normalization`, in less time."""
    errors = {}
    starts = {"good": (0.18, 0.1), "small": (0.01, 0.1), "large": (0.6, 0.1), "fast": (0.18, 1.0)}
    for normalization in ("none", "batch"):
        experiments = [
            compose(
                {"epochs": 4, "evaluate_every": 4},
                model={"widths": [64], "depth": 4},
                initializer={"name": "normal", "stddev": stddev},
                normalization=normalization,
                optimizer={"learning_rate": rate},
                batch_size={"drop_remainder": True},
            )
            for stddev, rate in starts.values()
        ]
        side_by_side = lanes_for(len(starts), "map", jax.devices()[:1])
        training = Training(experiments, experiments[0].data.load(), side_by_side)
        last = [1.0] * len(starts)  # of a run that diverged before it was evaluated
        for chunks in training.chunks():
            last = [
                chunk.epochs["test_error"][-1] if chunk is not None and len(chunk.epochs) else old
                for chunk, old in zip(chunks, last, strict=True)
            ]
        errors[normalization] = dict(zip(starts, last, strict=True))
    assert errors["none"]["good"] < 0.2, errors
    assert min(errors["none"][start] for start in ("small", "large", "fast")) > 0.5
    assert max(errors["batch"].values()) < 0.2, errors


def diagnosed_at_start(chosen: Experiment) -> Mapping[str, np.ndarray]:
    arrays = place(chosen, chosen.data.load())
    state = jax.jit(initial_state)(chosen, arrays)
    at = jnp.zeros((), int), state.params, state.layers, jnp.zeros(())
    _, tables = diagnosed(
        chosen, arrays, state.memories, *at
    )  # uncompiled: ten layers of one shape
    found = jax.tree.map(lambda x: x[None], tables)
    return named_rows(found, np.zeros(1, EPOCH_DTYPE))


def test_gradients_vanish_in_deep_sigmoids_only() -> None:
    """The claim of `experiment=vanishing_gradients`, before the first step."""
    shares = {}
    for activation, initializer, normalization in (
        ("sigmoid", "xavier_uniform", "none"),
        ("relu", "he_normal", "none"),
        ("sigmoid", "xavier_uniform", "batch"),
    ):
        chosen = compose(
            model={"depth": 10},
            activation=activation,
            initializer=initializer,
            normalization=normalization,
            diagnostics={"name": "layers", "examples": 128},
        )
        rows = diagnosed_at_start(chosen)
        kernels = [row for row in rows["parameters"] if row["name"].endswith("kernel")]
        shares[activation, normalization] = (
            kernels[0]["gradient_norm"] / kernels[-1]["gradient_norm"]
        )
        said = list(remarks(rows["layers"], rows["parameters"], np.zeros(0)))
        assert bool(said) == (activation == "sigmoid" and normalization == "none")
    assert shares["sigmoid", "none"] < 1e-5
    assert min(shares["relu", "none"], shares["sigmoid", "batch"]) > 0.1


def test_alpha_dropout_keeps_the_variance_of_selu_and_dropout_does_not() -> None:
    """The claim of `experiment=alpha_dropout`, with the masks that evaluations draw."""
    variances = {}
    for name in ("dropout", "alpha_dropout"):
        chosen = compose(
            model={"depth": 6, "widths": [128]},
            activation="selu",
            initializer="lecun_normal",
            regularization={"name": name, "rate": 0.2, "evaluation_samples": 1},
            preprocessing="standardize",
            diagnostics={"name": "layers", "examples": 128},
        )
        variances[name] = diagnosed_at_start(chosen)["layers"]["activation_variance"][1:-1]
    assert variances["dropout"][-1] > 1.3, variances
    assert np.abs(variances["alpha_dropout"] - 1).max() < 0.2, variances


def test_gates_remember_what_an_elman_network_forgets() -> None:
    """The claim of `experiment=long_lag`, over 24 steps: 1/6 is the loss without a memory.

    Gates learn to pass gradients on: at the start, those of a GRU vanish.
    """
    losses = {}
    for model, diagnostics in (("rnn", "none"), ("gru", {"name": "layers", "examples": 32})):
        chosen = compose(
            {"steps": 240},
            data={"name": "adding", "steps": 24},
            model={"name": model, "widths": [10]},
            activation="tanh",
            initializer="xavier_normal",
            optimizer={"name": "adam", "learning_rate": 0.02},
            sampling="stream",
            batch_size={"size": 16},
            diagnostics=diagnostics,
        )
        training = Training([chosen], chosen.data.load())
        chunks = [chunk for (chunk,) in training.chunks() if chunk]
        losses[model] = np.concatenate([chunk.steps["train_loss"] for chunk in chunks])
    assert losses["rnn"][-50:].mean() > 0.14
    assert losses["gru"][-50:].mean() < 0.03
    rows = np.concatenate([chunk.tables["time_steps"] for chunk in chunks])
    assert rows["gradient_ratio"][0] < 0.002
    assert rows["gradient_ratio"][-1] > 0.1


def test_post_norm_needs_a_warm_up_that_pre_norm_does_not() -> None:
    """The claim of `experiment=post_norm`, with two blocks at a larger rate and plain Adam."""
    (pre,) = final_losses("pre", (1,))
    post, warmed_up = final_losses("post", (1, 60))
    assert pre < post - 0.2
    assert warmed_up < post - 0.2


def final_losses(norm: str, lengths: tuple[int, ...], steps: int = 120) -> list[float]:
    """Of small transformers at the end of training, by the steps of warm-up; of three seeds."""
    chosen = compose(
        data={"name": "text", "steps": 8},
        model={"name": "transformer", "norm": norm, "width": 16, "heads": 1, "expansion": 1},
        normalization="layer",
        initializer="xavier_uniform",
    )
    data, network, adam = chosen.data.load().train, chosen.network(), optax.scale_by_adam()

    def value(params: Any, inputs: Any, targets: Any) -> Any:
        outputs = network.apply(params, {}, inputs, True)[0]
        return chosen.losses_and_errors(outputs, targets)[0].mean()

    @jax.jit
    def step(params: Any, state: Any, rate: float, *pair: Any) -> Any:
        loss, gradient = jax.value_and_grad(value)(params, *pair)
        update, state = adam.update(gradient, state)
        return jax.tree.map(lambda w, u: w - rate * u, params, update), state, loss

    start = jax.jit(lambda key: network.init(key, data.inputs.shape[1:])[0])
    found: list[float] = []
    for length in lengths:
        last = []
        for seed in range(3):
            random, params = np.random.default_rng(seed), start(jax.random.key(seed))
            state = adam.init(params)
            for at in range(steps):
                rows = random.integers(0, len(data.inputs), 16)
                pair = data.inputs[rows].astype(np.float32), data.targets[rows].astype(np.int32)
                rate = 0.03 * min(at / length, 1)
                params, state, loss = step(params, state, rate, *pair)
                last += [loss] if at >= steps - 20 else []
        found.append(float(np.mean(last)))
    return found


def test_a_large_rate_kills_rectified_units_unless_they_are_normalized() -> None:
    """The claim of `experiment=dead_units`, in two epochs of a smaller network."""
    last = {}
    for normalization, rates in (("none", (0.1, 2.0)), ("batch", (2.0,))):
        experiments = [
            compose(
                {"epochs": 2},
                model={"widths": [32], "depth": 3},
                normalization=normalization,
                optimizer={"learning_rate": rate},
                batch_size={"drop_remainder": True},
                diagnostics="layers",
            )
            for rate in rates
        ]
        side_by_side = lanes_for(len(rates), "map", jax.devices()[:1])
        training = Training(experiments, experiments[0].data.load(), side_by_side)
        for chunks in training.chunks():
            for rate, chunk in zip(rates, chunks, strict=True):
                if chunk is not None and len(chunk.epochs):
                    last[normalization, rate] = chunk
    dead = {key: chunk.tables["layers"]["dead"][-4:].max() for key, chunk in last.items()}
    error = {key: chunk.epochs["test_error"][-1] for key, chunk in last.items()}
    assert dead["none", 2.0] > 0.9
    assert error["none", 2.0] > 0.8
    assert max(dead["none", 0.1], dead["batch", 2.0]) < 0.3, dead
    assert max(error["none", 0.1], error["batch", 2.0]) < 0.3, error


@functools.partial(jax.jit, static_argnames="structure")
def tables_at_start(structure: Any, leaves: Any, arrays: Any) -> Any:
    chosen = jax.tree.unflatten(structure, leaves)
    state = initial_state(chosen, arrays)
    at = jnp.zeros((), int), state.params, state.layers, jnp.zeros(())
    return diagnosed(chosen, arrays, state.memories, *at)[1]


def rows_at_start(chosen: Experiment) -> Mapping[str, np.ndarray]:
    """What diagnostics measure before the first step, compiled once for runs of one structure."""
    leaves, structure = jax.tree.flatten(leaves_as_arrays(chosen))
    tables = tables_at_start(structure, leaves, place(chosen, chosen.data.load()))
    return named_rows(jax.tree.map(lambda x: x[None], tables), np.zeros(1, EPOCH_DTYPE))


def test_signals_explode_and_vanish_with_depth_unless_their_scale_is_kept() -> None:
    """The claim of `experiment=exploding_signals`, before the first step, with four layers."""
    ratios = {}
    for scale, normalization in ((0.5, "none"), (1.0, "none"), (2.0, "none"), (2.0, "layer")):
        chosen = compose(
            model={"depth": 4},
            initializer={"name": "he_normal", "scale": scale},
            normalization=normalization,
            diagnostics={"name": "layers", "examples": 64},
        )
        variance = rows_at_start(chosen)["layers"]["activation_variance"]
        ratios[scale, normalization] = variance[3] / variance[0]
    # Each of the three layers after the first multiplies the variance by the square of the scale.
    assert ratios[2.0, "none"] / ratios[1.0, "none"] == pytest.approx(4**3, rel=1e-3)
    assert ratios[0.5, "none"] / ratios[1.0, "none"] == pytest.approx(4**-3, rel=1e-3)
    assert all(0.1 < ratios[key] < 10 for key in ((1.0, "none"), (2.0, "layer")))


def test_units_saturate_with_large_weights_and_it_is_said() -> None:
    """The claim of `experiment=saturation`, before the first step."""
    saturated, said = {}, {}
    for scale in (1.0, 10.0, 100.0):
        chosen = compose(
            model={"depth": 2},
            activation="tanh",
            initializer={"name": "xavier_normal", "scale": scale},
            diagnostics={"name": "layers", "examples": 128},
        )
        rows = rows_at_start(chosen)
        saturated[scale] = rows["layers"]["saturated"][:2]
        said[scale] = list(remarks(rows["layers"], rows["parameters"]))
    assert saturated[1.0].max() < 0.05 < 0.6 < saturated[10.0].min()
    assert not said[1.0]
    assert [words for words in said[100.0] if "of units saturated since epoch 0" in words]


def test_units_that_start_equal_stay_equal() -> None:
    """The claim of `experiment=symmetric_units`, in an epoch."""
    chosen = compose(
        {"epochs": 1},
        model={"widths": [8]},
        activation="tanh",
        initializer={"name": "constant", "value": 0.05},
        batch_size={"drop_remainder": True},
        diagnostics={"name": "layers", "examples": 64},
    )
    training = Training([chosen], chosen.data.load())
    rows = np.concatenate([chunk.tables["layers"] for (chunk,) in training.chunks() if chunk])
    spread = {name: rows["unit_spread"][rows["name"] == name] for name in set(rows["name"])}
    assert not spread["hidden_1"].any()
    assert spread["logits"][0] == 0 < 0.01 < spread["logits"][1], "the classes differ"
    assert rows["pre_activation_variance"][rows["name"] == "hidden_1"].min() > 0


def test_gradients_vanish_or_explode_through_time() -> None:
    """The claim of `experiment=gradients_through_time`, before the first step."""
    ratio = {}
    for scale in (0.5, 1.5, 3.0):
        chosen = compose(
            model={"name": "rnn", "pixels": True, "recurrent_scale": scale},
            activation="tanh",
            diagnostics={"name": "layers", "examples": 64},
        )
        (row,) = rows_at_start(chosen)["time_steps"]
        assert row["gradient_norm"].shape == (64,)
        ratio[scale] = row["gradient_ratio"]
    assert 0 < ratio[0.5] < 1e-15
    assert 0.01 < ratio[1.5] < 10
    assert ratio[3.0] > 1e5


def test_a_linear_autoencoder_finds_the_principal_components_from_every_start() -> None:
    """The claim of `experiment=linear_autoencoder`, against the singular values of the data."""
    code, steps = 2, 1500
    for seed, stddev in enumerate((0.01, 0.1)):
        experiment = compose(
            {"steps": steps, "evaluate_every": steps, "seed": seed},
            data={"validation_examples": 1417},
            model={"name": "autoencoder", "widths": [code]},
            activation="linear",
            initializer={"name": "normal", "stddev": stddev},
            batch_size="full",
            optimizer={"name": "adam", "learning_rate": 0.03},
            schedule="cosine",
        )
        data = experiment.data.load()
        engine = Engine(experiment, data)
        measured = engine.advance(0, steps, steps)
        rows = data.train.inputs.reshape(-1, 64) / 16
        centred = rows - rows.mean(0)
        _, values, axes = np.linalg.svd(centred, full_matrices=False)
        least = (values[code:] ** 2).sum() / rows.size
        assert measured.steps["train_loss"][steps - 1] == pytest.approx(least, rel=2e-3)
        span, _ = np.linalg.qr(np.asarray(engine.state.params["logits"]["kernel"]).T)
        cosines = np.linalg.svd(axes[:code] @ span, compute_uv=False)
        assert cosines.min() > 0.99, "of the angles between the decoder's span and the components"
