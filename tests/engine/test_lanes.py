"""Lanes: a run beside others is the run alone, and the others do not matter to it."""

from __future__ import annotations

import dataclasses
import functools
import gc
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import pytest
from conftest import compose

from runner.data import Dataset
from runner.engine import lanes as module
from runner.engine.compilation import CompilationCounter
from runner.engine.lanes import Lanes
from runner.engine.loop import Training
from runner.engine.strategy import Strategy
from runner.engine.turns import lanes_for
from runner.experiment.experiment import Experiment
from runner.status import Status

TYPICAL: dict[str, Any] = {"batch_size": {"size": 8}, "model": {"widths": [6]}}
# Everything that draws random numbers or remembers something between steps.
EVERYTHING: dict[str, Any] = {
    **TYPICAL,
    "optimizer": "adam",
    "normalization": "batch",
    "schedule": "plateau",
    "warmup": {"name": "linear", "length": 3, "unit": "step"},
    "regularization": [{"name": "dropout", "evaluation_samples": 2}, "dropconnect", "l2"],
    "gradient": ["clip_norm", "noise"],
}

Curves = list[tuple[npt.NDArray, npt.NDArray]]


def runs(choices: dict[str, Any], rates: Sequence[float], epochs: int = 2) -> list[Experiment]:
    """Experiments with different learning rates and seeds."""
    default = compose({"epochs": epochs}, **choices)
    return [
        dataclasses.replace(
            default, seed=seed, optimizer=dataclasses.replace(default.optimizer, learning_rate=rate)
        )
        for seed, rate in enumerate(rates)
    ]


def curves(
    experiments: Sequence[Experiment], data: Dataset, lanes: Lanes | None = None
) -> tuple[Curves, Training]:
    """The steps and evaluations of each, trained side by side."""
    training = Training(experiments, data, lanes)
    pieces: list[list] = [[] for _ in experiments]
    for chunks in training.chunks():
        for mine, chunk in zip(pieces, chunks, strict=True):
            if chunk is not None:
                mine.append(chunk)
    return [
        (np.concatenate([c.steps for c in mine]), np.concatenate([c.epochs for c in mine]))
        for mine in pieces
    ], training


def lanes(count: int, strategy: Strategy, devices: int) -> Lanes:
    return lanes_for(count, strategy, jax.devices()[:devices])


def assert_close(one: npt.NDArray, other: npt.NDArray, tolerance: float) -> None:
    assert len(one) == len(other)
    for name in set(one.dtype.names or ()) - {"seconds"}:
        if tolerance == 0:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
        else:
            np.testing.assert_allclose(
                one[name], other[name], rtol=tolerance, atol=tolerance / 10, err_msg=name
            )


@pytest.mark.parametrize(
    ("strategy", "devices", "tolerance", "choices"),
    [
        # The program of the run alone: the same bits.
        ("map", 1, 0.0, TYPICAL),
        ("map", 2, 0.0, EVERYTHING),
        # Batched sums are added up in another order. In the 360 steps of these runs the last bit of
        # a float (6e-8) does not grow beyond this; in a run that is chaotic it would go on growing.
        ("vmap", 1, 2e-4, EVERYTHING),
        ("vmap", 2, 1e-4, TYPICAL),
    ],
)
def test_a_lane_equals_the_run_alone(
    strategy: Strategy, devices: int, tolerance: float, choices: dict[str, Any], tiny: Dataset
) -> None:
    """Three runs in four lanes: one is idle."""
    experiments = runs(choices, (0.05, 0.02, 0.01))
    together, _ = curves(experiments, tiny, lanes(4, strategy, devices))
    for experiment, (steps, epochs) in zip(experiments, together, strict=True):
        ((alone_steps, alone_epochs),), _ = curves([experiment], tiny)
        assert_close(steps, alone_steps, tolerance)
        assert_close(epochs, alone_epochs, tolerance)


@pytest.mark.parametrize(("strategy", "devices"), [("map", 2), ("vmap", 1)])
def test_a_diverging_lane_ends_and_touches_no_other(
    strategy: Strategy, devices: int, tiny: Dataset
) -> None:
    wild = runs(TYPICAL, (0.05, 1e30, 0.02, 0.01), epochs=4)
    tame = runs(TYPICAL, (0.05, 0.03, 0.02, 0.01), epochs=4)
    found, _ = curves(wild, tiny, lanes(4, strategy, devices))
    expected, _ = curves(tame, tiny, lanes(4, strategy, devices))
    for lane in (0, 2, 3):
        assert_close(found[lane][0], expected[lane][0], 0.0)
        assert_close(found[lane][1], expected[lane][1], 0.0)
    losses = found[1][0]["train_loss"]
    assert np.isfinite(losses[:-1]).all()
    assert not np.isfinite(losses[-1])
    ((alone, _),), _ = curves([wild[1]], tiny)
    assert_close(found[1][0], alone, 0.0 if strategy == "map" else 1e-4)


def test_a_chunk_says_how_its_run_ended(tiny: Dataset) -> None:
    """The second diverges at its second step, the others finish; the last is given up."""
    training = Training(runs(TYPICAL, (0.05, 1e30, 0.02)), tiny, lanes(4, "map", 2))
    ends: dict[int, tuple[Status, int, int | None]] = {}
    lengths = [0, 0, 0]
    for chunks in training.chunks():
        for place, chunk in enumerate(chunks):
            if chunk is None:
                continue
            assert place not in ends, "nothing comes after the end"
            lengths[place] += len(chunk.steps)
            if chunk.status is not None:
                ends[place] = chunk.status, chunk.steps_taken, chunk.diverged_at
        training.drop(2)
    assert ends == {0: (Status.FINISHED, 360, None), 1: (Status.DIVERGED, 2, 1)}
    assert lengths == [360, 2, 8], "the dropped one has its first chunk"
    assert training.ended == [True] * 3


def test_when_all_lanes_have_ended_nothing_more_is_computed(tiny: Dataset) -> None:
    experiments = runs(TYPICAL, (1e30, 1e31), epochs=100_000)
    found, training = curves(experiments, tiny, lanes(2, "map", 2))
    assert all(training.ended)
    assert max(len(steps) for steps, _ in found) < 20


def test_lanes_share_what_is_compiled(tiny: Dataset) -> None:
    """Five runs and three runs, the second ones longer and with other numbers."""
    choices = {**TYPICAL, "model": {"widths": [7]}}
    with CompilationCounter() as counter:
        curves(runs(choices, (0.1, 0.2, 0.3, 0.4, 0.5)), tiny, lanes(6, "map", 2))
        curves(runs(choices, (0.01, 0.02, 0.03), epochs=3), tiny, lanes(4, "map", 2))
        curves(runs(choices, (0.1,)), tiny)
    assert counter.programs == 2, "initialize and advance, which a run alone uses too"


def test_growing_batches_grow_in_every_lane() -> None:
    growing = {"name": "growing", "size": 400, "every": 1, "limit": 800}
    experiments = runs({"batch_size": growing, "model": "linear"}, (0.1, 0.05), epochs=3)
    digits = experiments[0].data.load()
    together, _ = curves(experiments, digits, lanes(2, "map", 2))
    for experiment, (steps, epochs) in zip(experiments, together, strict=True):
        ((alone, alone_epochs),), _ = curves([experiment], digits)
        assert len(alone) == 4 + 2 + 2
        assert_close(steps, alone, 0.0)
        assert_close(epochs, alone_epochs, 0.0)


def test_time_is_shared_out(tiny: Dataset) -> None:
    """Each of four lanes on two devices has half of a device's time, also over several chunks."""
    training = Training(runs(TYPICAL, (0.1, 0.2, 0.3, 0.4)), tiny, lanes(4, "map", 2))
    elapsed = 0.0
    for chunks in training.chunks():
        for chunk in chunks:
            assert chunk is not None
            expected = (elapsed + chunk.done - chunk.started) / 2
            assert chunk.seconds == pytest.approx(expected)
            assert chunk.steps["seconds"][-1] == pytest.approx(expected)
        elapsed = 2 * expected


def test_a_process_keeps_few_programs(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep may need hundreds, and an operating system limits their number."""
    client = jax.devices()[0].client
    limited = functools.lru_cache(maxsize=1)(module.programs_for.__wrapped__)
    monkeypatch.setattr(module, "programs_for", limited)
    alive = []
    for width in range(3):
        (experiment,) = runs({**TYPICAL, "model": {"widths": [11 + width]}}, (0.1,), epochs=1)
        curves([experiment], tiny)
        gc.collect()
        alive.append(len(client.live_executables()))
    assert alive[2] <= alive[1] <= alive[0] + 1
