"""Targets at each step of a sequence: loss, error and bits against NumPy; a run on a text."""

from __future__ import annotations

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from command_line import CommandLine
from conftest import compose
from scipy.special import log_softmax
from sklearn.metrics import r2_score

from runner.engine.determination import r_squared
from runner.experiment.table import OPTIONS
from runner.options.loss.base import bits
from runner.options.loss.classes import CrossEntropy
from runner.options.regularization.targets import LabelSmoothing

RANDOM = np.random.default_rng(8)
OUTPUTS = RANDOM.normal(size=(3, 5, 4)).astype(np.float32)
CLASSES = RANDOM.integers(0, 4, (3, 5)).astype(np.int32)
NUMBERS = RANDOM.normal(size=(3, 5, 4)).astype(np.float32)


@pytest.mark.parametrize("name", OPTIONS["loss"])
def test_loss_and_error_of_an_example_are_means_over_its_steps(name: str) -> None:
    loss = compose(loss=name).loss
    for targets in (CLASSES, NUMBERS) if not loss.needs_classes else (CLASSES,):
        unit = jnp.arange(1.0, 5.0) if targets is NUMBERS else None
        flat = targets.reshape(15, *targets.shape[2:])
        found, alone = jax.jit(
            lambda *pairs, unit=unit: [loss.losses_and_errors(*pair, unit) for pair in pairs]
        )((OUTPUTS, targets), (OUTPUTS.reshape(15, 4), flat))
        for of_examples, of_steps in zip(found, alone, strict=True):
            expected = np.reshape(of_steps, (3, 5)).mean(1)
            np.testing.assert_allclose(of_examples, expected, rtol=1e-5)


def test_bits_are_those_of_the_probabilities() -> None:
    log_p = log_softmax(OUTPUTS.astype(float), axis=-1)
    own = np.take_along_axis(log_p, CLASSES[..., None], axis=-1)[..., 0]
    np.testing.assert_allclose(bits(OUTPUTS, CLASSES), -own.mean(1) / np.log(2), rtol=1e-5)


def test_labels_are_smoothed_at_each_step() -> None:
    """The objective is the cross-entropy with the smoothed labels (Szegedy et al. 2016)."""
    losses = CrossEntropy().losses_and_errors(OUTPUTS, CLASSES)[0]
    found = losses.mean() + LabelSmoothing(amount=0.2).term({}, OUTPUTS, losses)
    labels = 0.8 * np.eye(4)[CLASSES] + 0.2 / 4
    expected = -(labels * log_softmax(OUTPUTS.astype(float), axis=-1)).sum(-1).mean()
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_r_squared_is_a_mean_over_the_steps() -> None:
    weights = np.full((1, 3), 1 / 3)
    found = jax.jit(r_squared)(weights, (NUMBERS - OUTPUTS)[None] ** 2, NUMBERS[None])
    of_columns = r2_score(NUMBERS.reshape(3, 20), OUTPUTS.reshape(3, 20))
    assert float(found) == pytest.approx(of_columns, rel=1e-5)


def test_frequencies_are_counted_over_all_steps() -> None:
    params: dict[str, Any] = {"logits": {"bias": np.zeros(4, np.float32)}}
    shares = np.bincount(CLASSES.ravel(), minlength=4) / CLASSES.size
    found = compose(bias_initializer="class_frequencies").bias_initializer(params, CLASSES)
    np.testing.assert_allclose(found["logits"]["bias"], np.log(shares), rtol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_network_gets_each_symbol_as_a_vector(precision: str) -> None:
    """Also where there are more symbols than bfloat16 tells from each other."""
    experiment = compose({"precision": precision}, data="text", model="rnn")
    network = experiment.network()
    params = {
        "recurrent": {
            "input": {"kernel": np.eye(experiment.data.symbols, 64), "bias": np.zeros(64)},
            "recurrent": {"kernel": np.zeros((64, 64))},
        },
        "logits": {"kernel": np.eye(64), "bias": np.zeros(64)},
    }
    symbols = np.arange(experiment.data.symbols, dtype=np.float32)[None]
    outputs = jax.jit(lambda x: network.apply(params, {}, x, False)[0])(symbols)
    np.testing.assert_array_equal(outputs[0], np.eye(experiment.data.symbols, 64))


def test_a_run_on_a_text_says_bits_per_character(runner: CommandLine) -> None:
    (runner.directory / "a.txt").write_text("to be or not to be, that is the question. " * 20)
    done = runner(
        "data=text", "data.path=a.txt", "data.steps=8", "model=rnn", "model.widths=[4]", "steps=3",
        "normalization=layer", "hydra.run.dir=run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (
        "a.txt: 840 characters, 15 different ones, in examples of 8; 94 for training" in done.stderr
    )
    assert "final bits" in done.stdout
    summary = json.loads((runner.directory / "run/summary.json").read_text())
    assert summary["error"] == "0-1 error by character"
    for measures in (summary["final"], summary["best"]):
        for split in ("validation", "test"):
            loss = measures[f"{split}_loss"]
            assert measures[f"{split}_bits"] == pytest.approx(loss / np.log(2), rel=1e-5)
    assert summary["best"]["validation_bits"] <= summary["final"]["validation_bits"]
    refused = runner("data=text", "model=rnn", "preprocessing=standardize")
    assert refused.returncode == 2
    assert "preprocessing=standardize has no part in data=text, which has symbols" in refused.stderr
