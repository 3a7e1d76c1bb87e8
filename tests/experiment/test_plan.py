"""Batch plans: growing sizes, micro-batches, and the four ways of sampling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose
from engine_alone import Engine

from runner.data import Dataset
from runner.engine.compilation import CompilationCounter
from runner.engine.loop import Training
from runner.engine.turns import lanes_for
from runner.errors import ConfigError
from runner.execution.cohorts import Parallelism, count_programs, form_cohorts
from runner.execution.run import run
from runner.experiment.plan import plan


def sizes(
    choice: dict, examples: int, epochs: int, steps: int | None = None, min_steps: int = 0
) -> list[tuple]:
    experiment = compose(batch_size={"name": "growing", **choice})
    return [
        (phase.batch_size.examples(examples), phase.first_step, phase.end_step, phase.first_epoch)
        for phase in plan(experiment.batch_size, examples, epochs, steps, min_steps)
    ]


@pytest.mark.parametrize(
    ("choice", "epochs", "steps", "expected"),
    [
        # 100 examples: 10, 5, 3 and 2 steps an epoch at sizes 10, 20, 40 and 60.
        (
            {"size": 10, "every": 2, "limit": 60},
            8,
            None,
            [(10, 0, 20, 0), (20, 20, 30, 2), (40, 30, 36, 4), (60, 36, 40, 6)],
        ),
        ({"size": 10, "every": 2, "limit": 60}, 2, None, [(10, 0, 20, 0)]),
        ({"size": 10, "every": 2, "limit": 60}, 3, None, [(10, 0, 20, 0), (20, 20, 25, 2)]),
        ({"size": 10, "every": 1, "factor": 10}, 3, None, [(10, 0, 10, 0), (100, 10, 12, 1)]),
        ({"size": 10, "every": 1, "factor": 10}, 3, 11, [(10, 0, 10, 0), (100, 10, 11, 1)]),
        ({"size": 10, "every": 1, "factor": 10}, 3, 10, [(10, 0, 10, 0)]),
        (
            {"size": 40, "every": 1, "limit": 80, "drop_remainder": True},
            3,
            None,
            [(40, 0, 2, 0), (80, 2, 4, 1)],
        ),
    ],
)
def test_growing_phases(choice: dict, epochs: int, steps: int | None, expected: list) -> None:
    assert sizes(choice, 100, epochs, steps) == expected


@pytest.mark.parametrize(
    ("epochs", "steps", "expected"),
    [
        (1, None, [(10, 0, 10, 0), (100, 10, 25, 1)]),  # 10 and 1 steps an epoch
        (40, None, [(10, 0, 10, 0), (100, 10, 49, 1)]),
        (40, 3, [(10, 0, 3, 0)]),
    ],
)
def test_a_run_has_at_least_its_least_steps(
    epochs: int, steps: int | None, expected: list[tuple]
) -> None:
    growing = {"size": 10, "every": 1, "factor": 10}
    assert sizes(growing, 100, epochs, steps, min_steps=25) == expected


def test_time_goes_on_where_a_growing_batch_grows(tmp_path: Path) -> None:
    """1437 examples: 3 steps of 500 an epoch, then 2 of 1000; epochs and schedules run through."""
    experiment = compose(
        {"epochs": 4, "evaluate_every": 3},
        batch_size={"name": "growing", "size": 500, "every": 2, "limit": 1000},
        schedule={"name": "exp", "decay_rate": 0.5},
        warmup={"name": "linear", "length": 4, "unit": "step"},
        optimizer={"name": "momentum", "learning_rate": 0.01},
    )
    run(experiment, tmp_path, {})
    steps, epochs = np.load(tmp_path / "steps.npy"), np.load(tmp_path / "epochs.npy")
    assert steps["step"].tolist() == list(range(3 + 3 + 2 + 2))
    assert epochs["epoch"].tolist() == [0, 3, 4]
    assert epochs["step"].tolist() == [0, 8, 10]
    time = [0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2, 2.5, 3, 3.5]
    # The warm-up of 4 steps ends after 4 / 3 epochs, in the first phase; the schedule starts there.
    multipliers = [0, 1 / 4, 2 / 4, 3 / 4, *(0.5 ** (t - 4 / 3) for t in time[4:])]
    np.testing.assert_allclose(steps["learning_rate"], 0.01 * np.array(multipliers), rtol=1e-5)
    # The mean over an epoch's steps is weighted by their examples: 1000 and 437.
    mean = np.average(steps["train_loss"][6:8], weights=[1000, 437])
    np.testing.assert_allclose(epochs["train_loss"][1], mean, rtol=1e-5)


def test_a_growing_batch_compiles_one_program_a_size(tmp_path: Path) -> None:
    choice = {"name": "growing", "size": 200, "every": 1, "limit": 800}
    run(compose({"epochs": 4}, batch_size=choice), tmp_path / "first", {})
    with CompilationCounter() as counter:
        summary = run(compose({"epochs": 5}, batch_size=choice), tmp_path / "second", {})
    assert counter.programs == 0
    steps = np.load(tmp_path / "second" / "steps.npy")
    # 1437 examples: 8 steps of 200, 4 of 400, then 2 of 800 in each of three epochs.
    assert len(steps) == 8 + 4 + 3 * 2
    assert summary["epochs"] == 5
    assert summary["total_epochs"] == 5


def learned(batch_size: Any, tiny: Dataset, **choices: Any) -> tuple[np.ndarray, np.ndarray]:
    quick = {"model": {"widths": [6]}, "sampling": {"name": "fixed", "shuffled": False}}
    with jax.enable_x64(True):
        experiment = compose(batch_size=batch_size, **{**quick, **choices})
        engine = Engine(experiment, tiny)
        measured = engine.advance(0, 10, 10)
    return measured.steps.values[:10], measured.epochs.values[: measured.evaluations]


@pytest.mark.parametrize(
    ("optimizer", "micro"),
    [
        ("momentum", 1),
        ("momentum", 4),
        ("momentum", 5),
        ("sam", 15),
        ("newton_cg", 5),
        ("lbfgs", 5),
    ],
)
def test_micro_batches_give_the_update_of_the_whole_batch(
    optimizer: str, micro: int, tiny: Dataset
) -> None:
    """Also where they do not divide it, in its short last batch, and for what asks for the loss."""
    # What asks for the loss again and again takes long to compile.
    chosen = {} if optimizer == "momentum" else {"model": "linear"}
    whole = learned({"size": 16}, tiny, optimizer=optimizer, **chosen)
    parts = learned({"size": 16, "micro_batch": micro}, tiny, optimizer=optimizer, **chosen)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-12)


def test_with_batch_normalization_micro_batches_are_another_function(tiny: Dataset) -> None:
    whole = learned({"size": 16}, tiny, normalization="batch")[0]
    parts = learned({"size": 16, "micro_batch": 8}, tiny, normalization="batch")[0]
    assert abs(whole[1:, 0] - parts[1:, 0]).max() > 1e-3


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"micro_batch": 32}, "not less than the batch of 32"),
        ({"name": "growing", "limit": 16}, "less than the first size"),
        ({"name": "growing", "limit": 2000}, "more than the 1,437"),
        ({"name": "growing", "size": 2000}, "more than the 1,437"),
    ],
)
def test_plans_that_do_not_fit_are_refused(choice: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compose(batch_size=choice)


def orders(sampling: Any, tiny: Dataset, size: int = 8) -> list[np.ndarray]:
    engine = Engine(compose(sampling=sampling, batch_size={"size": size}), tiny)
    return [engine.order(epoch) for epoch in range(40)]


def test_fixed_sampling_repeats_one_order(tiny: Dataset) -> None:
    shuffled = orders("fixed", tiny)
    assert sorted(shuffled[0]) == list(range(36))
    assert all((order == shuffled[0]).all() for order in shuffled)
    assert (shuffled[0] != np.arange(36)).any()
    stored = orders({"name": "fixed", "shuffled": False}, tiny)
    assert all((order == np.arange(36)).all() for order in stored)


def test_sampling_with_replacement_is_uniform_and_leaves_a_third_out(tiny: Dataset) -> None:
    drawn = np.array(orders("replacement", tiny))
    missing = np.mean([36 - len(set(order)) for order in drawn]) / 36
    assert missing == pytest.approx((1 - 1 / 36) ** 36, abs=0.03)
    counts = np.bincount(drawn.ravel(), minlength=36)
    assert abs(counts - 40).max() < 5 * np.sqrt(40)
    # A full batch with replacement is a bootstrap sample, not all examples once.
    assert len(set(orders("replacement", tiny, size=36)[0])) < 36


def test_a_stream_never_repeats_and_is_labelled_by_the_teacher() -> None:
    data = compose(data="teacher").data
    batches = [data.draw(jax.random.key(step), 500) for step in range(2)]
    assert not np.isclose(batches[0][0][:, None], batches[1][0][None]).all(-1).any()
    stored = data.load().train
    first, second = data.weights()
    for inputs, targets in [*batches, (stored.inputs, stored.targets)]:
        expected = np.argmax(np.tanh(np.asarray(inputs) @ first) @ second, axis=1)
        assert (np.asarray(targets) == expected).mean() > 0.999  # up to ties in rounding
    assert len(np.unique(stored.targets)) == 10


def test_online_learning_does_not_overfit(tmp_path: Path) -> None:
    """With few stored examples the gap opens; from a stream, train and test loss agree."""
    gaps = {}
    for sampling in ("permutation", "stream"):
        experiment = compose(
            {"epochs": 60},
            data={"name": "teacher", "train_examples": 500},
            sampling=sampling,
            optimizer="adam",
            preprocessing="none",
        )
        run(experiment, tmp_path / sampling, {})
        epochs = np.load(tmp_path / sampling / "epochs.npy")[-10:]
        gaps[sampling] = (epochs["test_loss"] - epochs["train_loss"]).mean()
    assert gaps["permutation"] > 0.5
    assert abs(gaps["stream"]) < 0.15


def test_a_stream_of_stored_data_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs data that can be generated: data=teacher"):
        compose(sampling="stream")


def test_streams_do_not_depend_on_how_the_run_is_cut(tiny: Dataset) -> None:
    experiment = compose(data="teacher", sampling="stream", batch_size={"size": 100})
    whole, cut = (Engine(experiment, experiment.data.load()) for _ in range(2))
    expected = whole.advance(0, 20, 20).steps.values[:20]
    got = [cut.advance(0, 7, 20).steps.values[:7], cut.advance(7, 20, 20).steps.values[:13]]
    np.testing.assert_array_equal(np.concatenate(got), expected)
    assert jnp.isfinite(expected).all()


# --- the learning rate that follows the size ----------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "size"),
    [
        ("stochastic", 1),
        ({"size": 8}, 8),
        ({"size": 8, "micro_batch": 4}, 8),
        ("full", 1437),
    ],
)
@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_learning_rate_is_scaled_by_a_power_of_the_size(
    choice: Any, size: int, power: float
) -> None:
    named = {"name": choice} if isinstance(choice, str) else choice
    chosen = compose(batch_size={**named, "learning_rate_power": power, "reference": 4}).batch_size
    assert float(chosen.learning_rate_scale(1437)) == pytest.approx((size / 4) ** power)


def test_the_recorded_rate_is_the_scaled_one_and_scaling_compiles_nothing(tiny: Dataset) -> None:
    """Goyal et al. 2017, section 2.2: warm-up from the rate of the reference up to k times that.

    In micro-batches the whole batch counts, in the short one (the fifth) the size of the others.
    """

    def rates(power: float, reference: int) -> np.ndarray:
        scaling = {"learning_rate_power": power, "reference": reference}
        experiment = compose(
            batch_size={"size": 8, "micro_batch": 4, **scaling},
            model="linear",
            optimizer={"learning_rate": 0.01},
            warmup={"name": "linear", "length": 4, "initial": reference / 8, "unit": "step"},
        )
        return Engine(experiment, tiny).advance(0, 5, 5).steps["learning_rate"][:5]

    np.testing.assert_allclose(rates(1.0, 2), np.linspace(0.01, 0.04, 5), rtol=1e-6)
    with CompilationCounter() as counter:
        scaled = rates(0.5, 4)
    np.testing.assert_allclose(scaled, np.linspace(0.5, 1, 5) * 0.01 * 2**0.5, rtol=1e-6)
    assert counter.programs == 0


def test_scaled_rates_in_a_population_of_growing_batches() -> None:
    """Each lane has its own power and reference, in each phase, in one cohort, compiled once."""
    choice = {"name": "growing", "size": 400, "factor": 3, "every": 1, "limit": 1200}
    numbers = [(0.0, 32), (0.5, 32), (1.0, 400)]
    experiments = [
        compose(
            batch_size={**choice, "learning_rate_power": power, "reference": reference},
            model="linear",
            optimizer={"learning_rate": 0.01},
            sampling={"name": "fixed", "shuffled": False},
        )
        for power, reference in numbers
    ]
    assert len(form_cohorts(experiments, Parallelism("map", 4, 1))) == 1
    assert count_programs(experiments) == 2
    lanes = lanes_for(3, "map", jax.devices()[:1])
    training = Training(experiments, experiments[0].data.load(), lanes)
    rates: list[list[float]] = [[], [], []]
    for chunks in training.chunks():
        for lane, chunk in zip(rates, chunks, strict=True):
            assert chunk is not None
            lane.extend(chunk.steps["learning_rate"])
    sizes = np.array([400] * 4 + [1200] * 2)
    for lane, (power, reference) in zip(rates, numbers, strict=True):
        np.testing.assert_allclose(lane, 0.01 * (sizes / reference) ** power, rtol=1e-6)


@pytest.mark.slow
def test_growing_the_batch_is_as_good_as_decaying_the_rate() -> None:
    """The claim of `+experiment=growing_batch` (Smith et al. 2018), here with one growth.

    The same loss epoch for epoch, below that of a constant rate, in far fewer steps.
    """
    whole = {"drop_remainder": True}
    mini = {"size": 8, **whole}
    growing = {"name": "growing", "size": 8, "factor": 16, "every": 5, "limit": 128, **whole}
    step = {"name": "step", "milestones": [5], "factor": 1 / 16}
    losses, steps = {}, {}
    for name, batch, schedule in (
        ("constant", mini, "constant"),
        ("decaying", mini, step),
        ("growing", growing, "constant"),
    ):
        experiments = [
            compose(
                {"epochs": 10, "seed": seed},
                model="linear",
                optimizer={"learning_rate": 3.0},
                batch_size=batch,
                schedule=schedule,
            )
            for seed in range(3)
        ]
        lanes = lanes_for(3, "map", jax.devices()[:1])
        training = Training(experiments, experiments[0].data.load(), lanes)
        chunks = [chunk for chunks in training.chunks() for chunk in chunks if chunk]
        found = np.concatenate([chunk.epochs for chunk in chunks])
        losses[name] = np.array(
            [found["validation_loss"][found["epoch"] == epoch].mean() for epoch in range(11)]
        )
        steps[name] = training.total_steps
    np.testing.assert_allclose(losses["growing"][6:], losses["decaying"][6:], rtol=0.1)
    assert losses["growing"][6:].mean() < 0.8 * losses["constant"][6:].mean()
    assert (steps["growing"], steps["decaying"]) == (5 * 179 + 5 * 11, 10 * 179)
