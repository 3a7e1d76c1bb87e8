"""The engine against a NumPy training loop, and its promises about chunks and epochs."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import numpy as np
import pytest
from conftest import compose
from engine_alone import Engine

from runner.data import Dataset
from runner.engine.placement import place
from runner.experiment.experiment import Experiment
from runner.measures import NORMS, STEP_MEASURES
from runner.options.loss.classes import CrossEntropy

SIZE, EXAMPLES = 8, 36
PER_EPOCH = 5  # four whole batches and one of four examples


def small(settings: dict[str, Any] | None = None, **choices: Any) -> Experiment:
    choices = {"batch_size": {"size": SIZE}, "model": {"widths": [6]}, **choices}
    return compose(settings, **choices)


def forward(params: dict, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    flat = inputs.reshape(len(inputs), -1)
    before = flat @ params["hidden_1"]["dense"]["kernel"] + params["hidden_1"]["dense"]["bias"]
    hidden = np.maximum(before, 0)
    return flat, hidden, hidden @ params["logits"]["kernel"] + params["logits"]["bias"]


def loss_and_error(logits: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    shifted = logits - logits.max(1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    loss = -log_probabilities[np.arange(len(targets)), targets].mean()
    return loss, (logits.argmax(1) != targets).mean()


def backward(params: dict, inputs: np.ndarray, targets: np.ndarray) -> dict:
    flat, hidden, logits = forward(params, inputs)
    exp = np.exp(logits - logits.max(1, keepdims=True))
    delta = exp / exp.sum(1, keepdims=True)
    delta[np.arange(len(targets)), targets] -= 1
    delta /= len(targets)
    back = (delta @ params["logits"]["kernel"].T) * (hidden > 0)
    return {
        "hidden_1": {"dense": {"kernel": flat.T @ back, "bias": back.sum(0)}},
        "logits": {"kernel": hidden.T @ delta, "bias": delta.sum(0)},
    }


@pytest.mark.optimized
def test_training_equals_numpy_step_by_step(tiny: Dataset) -> None:
    """Loss, error, gradient norm, update norm, epoch means and evaluations, over three epochs."""
    with jax.enable_x64(True):
        experiment = small({"epochs": 3}, schedule={"name": "exp", "decay_rate": 0.5})
        engine = Engine(experiment, tiny)
        params = jax.tree.map(np.array, engine.state.params)
        orders = [engine.order(epoch) for epoch in range(3)]
        measured = engine.advance(0, 3 * PER_EPOCH, 3 * PER_EPOCH)
    low, high = tiny.train.inputs.min(), tiny.train.inputs.max()
    images = (tiny.train.inputs - low) / float(high - low)

    steps: list[dict[str, float]] = []
    start = {"train_loss": np.nan, "train_error": np.nan}
    epochs = [start | held_out(params, tiny, low, high)]
    for t in range(3 * PER_EPOCH):
        rows = orders[t // PER_EPOCH][t % PER_EPOCH * SIZE :][:SIZE]
        inputs, targets = images[rows], tiny.train.targets[rows]
        loss, error = loss_and_error(forward(params, inputs)[2], targets)
        gradient = backward(params, inputs, targets)
        norm = np.sqrt(sum((leaf**2).sum() for leaf in jax.tree.leaves(gradient)))
        rate = 0.1 * 0.5 ** (t / PER_EPOCH)
        params = jax.tree.map(lambda p, g: p - rate * g, params, gradient)  # noqa: B023
        steps.append(
            {
                "train_loss": loss,
                "train_error": error,
                "learning_rate": rate,
                "gradient_norm": norm,
                "update_norm": rate * norm,
                "clipped": 0.0,
            }
        )
        if (t + 1) % PER_EPOCH == 0:
            sizes = [SIZE] * 4 + [EXAMPLES - 4 * SIZE]
            means = {
                name: np.average([step[name] for step in steps[-PER_EPOCH:]], weights=sizes)
                for name in ("train_loss", "train_error")
            }
            epochs.append(means | held_out(params, tiny, low, high))

    assert measured.evaluated_at[: measured.evaluations].tolist() == [0, 5, 10, 15]
    for columns, expected in ((measured.steps, steps), (measured.epochs, epochs)):
        assert set(columns.names) == set(expected[0])
        for name in columns.names:
            values = columns[name][: len(expected)]
            np.testing.assert_allclose(
                values, [row[name] for row in expected], rtol=1e-9, err_msg=name
            )


def held_out(params: dict, data: Dataset, low: float, high: float) -> dict[str, float]:
    values: dict[str, float] = {}
    for name, split in (("validation", data.validation), ("test", data.test)):
        logits = forward(params, (split.inputs - low) / float(high - low))[2]
        values[f"{name}_loss"], values[f"{name}_error"] = loss_and_error(logits, split.targets)
    return values


def test_an_epoch_is_a_fresh_permutation_without_replacement(tiny: Dataset) -> None:
    engine = Engine(small(), tiny)
    first, second = engine.order(0), engine.order(1)
    assert sorted(first) == sorted(second) == list(range(EXAMPLES))
    assert (first != second).any()
    assert (Engine(small({"seed": 1}), tiny).order(0) != first).any()


@pytest.mark.parametrize(
    "choices",
    [
        {},
        pytest.param(
            {"optimizer": "adam", "normalization": "batch", "schedule": "cosine"},
            marks=pytest.mark.optimized,
        ),
        {"batch_size": "stochastic"},
        {"batch_size": "full"},
        {"batch_size": {"size": 8, "drop_remainder": True}},
        {"settings": {"measure_every": 3}},
    ],
)
def test_chunks_do_not_change_the_results(choices: dict, tiny: Dataset) -> None:
    """To the bit: every way to cut a run gives the same curves and the same parameters."""
    experiment = small(**{"settings": {"measure_every": 1}, **choices})
    whole = Engine(experiment, tiny)
    total = 40
    expected = whole.advance(0, total, total)
    cut = Engine(experiment, tiny)
    steps, epochs, evaluated = [], [], []
    marks = [0, 1, 4, 5, 6, 17, 36, 40]
    for start, until in itertools.pairwise(marks):
        part = cut.advance(start, until, total)
        steps.append(part.steps.values[: until - start])
        epochs.append(part.epochs.values[: part.evaluations])
        evaluated += part.evaluated_at[: part.evaluations].tolist()
    assert evaluated == expected.evaluated_at[: expected.evaluations].tolist()
    np.testing.assert_array_equal(np.concatenate(steps), expected.steps.values[:total])
    np.testing.assert_array_equal(
        np.concatenate(epochs), expected.epochs.values[: expected.evaluations]
    )
    jax.tree.map(np.testing.assert_array_equal, cut.state.params, whole.state.params)


@pytest.mark.optimized
def test_how_often_norms_are_measured_changes_nothing_else(tiny: Dataset) -> None:
    """To the bit; short last batches and the last step are measured by the same rule."""
    total, measured = 17, {}
    for every in (1, 4, 100):
        experiment = small({"measure_every": every}, optimizer="adam")
        measured[every] = Engine(experiment, tiny).advance(0, total, total)
    for every in (4, 100):
        for name in STEP_MEASURES:
            expected = np.array(measured[1].steps[name][:total])
            if name in NORMS:
                expected[np.arange(total) % every != 0] = np.nan
            np.testing.assert_array_equal(measured[every].steps[name][:total], expected)
        jax.tree.map(np.testing.assert_array_equal, measured[every].epochs, measured[1].epochs)


def test_norms_are_measured_at_2000_steps_by_default() -> None:
    """And saying so is the same program, of which the run that measures all is another lane."""
    experiments = [small({"steps": steps}) for steps in (1, 2000, 2001, 10_000)]
    assert [one.measure_every for one in experiments] == [1, 1, 2, 5]
    said = small({"steps": 2000, "measure_every": 7})
    assert jax.tree.structure(said) == jax.tree.structure(experiments[0])


def test_the_same_seed_gives_the_same_bits_and_another_does_not(tiny: Dataset) -> None:
    runs = [Engine(small({"seed": seed}), tiny).advance(0, 15, 15) for seed in (3, 3, 4)]
    jax.tree.map(np.testing.assert_array_equal, runs[0].steps, runs[1].steps)
    losses = [run.steps["train_loss"][:15] for run in runs]
    assert (losses[0] != losses[2]).all()


@pytest.mark.parametrize(
    ("every", "total", "expected"),
    [(1, 15, [0, 5, 10, 15]), (2, 15, [0, 10, 15]), (9, 15, [0, 15]), (1, 7, [0, 5, 7])],
)
def test_when_evaluations_happen(every: int, total: int, expected: list, tiny: Dataset) -> None:
    measured = Engine(small({"evaluate_every": every}), tiny).advance(0, total, total)
    assert measured.evaluated_at[: measured.evaluations].tolist() == expected


def test_dropping_the_remainder_leaves_out_the_short_batch(tiny: Dataset) -> None:
    choice = {"size": SIZE, "drop_remainder": True}
    engine = Engine(small(batch_size=choice), tiny)
    measured = engine.advance(0, 8, 8)
    assert measured.evaluated_at[: measured.evaluations].tolist() == [0, 4, 8]
    for name in ("train_loss", "train_error"):
        mean = measured.steps[name][:4].mean()
        np.testing.assert_allclose(measured.epochs[name][1], mean, rtol=1e-6)


def test_evaluation_uses_the_moving_averages(tiny: Dataset) -> None:
    """At momentum 0 the averages are the last batch's own statistics; at 0.99 almost the start's.

    Training itself does not look at them, so the training curves agree and the held-out ones don't.
    """
    runs = [
        Engine(small(normalization={"name": "batch", "momentum": m}), tiny).advance(0, 10, 10)
        for m in (0.0, 0.99)
    ]
    training = [run.steps.values[:10] for run in runs]
    np.testing.assert_allclose(training[0], training[1], rtol=1e-5)
    assert abs(runs[0].epochs["test_loss"][1] - runs[1].epochs["test_loss"][1]) > 1e-3


def test_images_stay_bytes_on_the_device(tiny: Dataset) -> None:
    assert place(small(), tiny).inputs.dtype == np.uint8


def test_a_logit_that_is_no_number_is_an_error_not_a_hit() -> None:
    logits = np.array([[np.nan, 1.0], [0.0, np.inf], [2.0, 1.0]])
    _, errors = CrossEntropy().losses_and_errors(logits, np.array([0, 0, 0]))
    assert errors.tolist() == [1, 1, 0]
