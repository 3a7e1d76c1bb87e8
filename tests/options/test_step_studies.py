"""The claims of the studies of gradient noise and of updates, trained in small."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import numpy.typing as npt
import pytest
from conftest import compose

from runner.engine.chunk import Chunk
from runner.engine.loop import Training
from runner.engine.turns import lanes_for
from runner.statistics.critical_batch_size import fit

TARGET = 0.35


def trained(*choices: dict[str, Any], **settings: Any) -> list[list[Chunk]]:
    """The chunks of runs of one structure."""
    experiments = [compose(settings, **each) for each in choices]
    training = Training(
        experiments,
        experiments[0].data.load(),
        lanes_for(len(experiments), "map", jax.devices()[:1]),
    )
    return [[each for each in of_run if each] for of_run in zip(*training.chunks(), strict=True)]


def steps_to_target(chunks: list[Chunk], size: int) -> float:
    """Until the mean loss of the last 256 examples reaches the target; infinite: never."""
    losses = np.concatenate([chunk.steps["train_loss"] for chunk in chunks])
    window = max(1, 256 // size)
    means = np.convolve(losses, np.ones(window) / window, "valid")
    reached = np.flatnonzero(means <= TARGET)
    return float(reached[0] + window) if len(reached) else np.inf


def test_the_noise_of_the_gradient_foretells_the_critical_batch_size() -> None:
    """The claim of `experiment=noise_scale`, for a linear model: one size of batch has both."""
    steps, scales = {}, []
    for size, rates in (
        (8, (0.3, 1.0)),
        (32, (0.3, 1.0, 3.0)),
        (128, (1.0, 3.0)),
        (512, (1.0, 3.0)),
    ):
        noise = {"name": "noise", "examples": 512} if size == 32 else "none"
        usual = {"model": "linear", "batch_size": {"size": size}, "diagnostics": noise}
        runs = [{**usual, "optimizer": {"learning_rate": rate}} for rate in rates]
        found = trained(*runs, epochs=6 if size < 100 else 12)
        own = [steps_to_target(chunks, size) for chunks in found]
        steps[size] = min(own)
        if size == 32:
            for count, chunks in zip(own, found, strict=True):
                rows = np.concatenate([chunk.tables["noise"] for chunk in chunks])
                rows = rows[(rows["name"] == "all") & (rows["step"] <= count)]
                scales.append(rows["variance"].mean() / rows["signal"].mean())
    law = fit(list(steps), list(steps.values()))
    assert law is not None
    assert law.is_conclusive, law.verdict
    assert 1 / 3 < np.median(scales) / law.critical < 3
    assert steps[8] / steps[32] > 2 * steps[128] / steps[512], "beyond it steps are not saved"


def updates(chunks: list[Chunk]) -> npt.NDArray:
    rows = np.concatenate([chunk.step_tables["updates"] for chunk in chunks])
    return rows[rows["name"] == "all"]


def test_momentum_has_one_learning_rate_and_adam_one_for_each_parameter() -> None:
    """The claim of `experiment=effective_step`, for a smaller network.

    Momentum of 0 is plain gradient descent, and Adam without momentum (`b1=0`) with a short memory
    is RMSProp but for its first steps: two programs serve all four.
    """
    usual = {"model": {"widths": [16]}, "batch_size": "full", "diagnostics": "update"}
    settings = {"epochs": 300, "evaluate_every": 300}

    def rows(name: str, rate: float, *several: dict[str, float]) -> list[npt.NDArray]:
        optimizers = [{"name": name, "learning_rate": rate, **each} for each in several]
        runs = trained(*({**usual, "optimizer": each} for each in optimizers), **settings)
        return [updates(chunks) for chunks in runs]

    sgd, momentum = rows("momentum", 0.03, {"momentum": 0.0}, {"momentum": 0.9})
    adam, rmsprop = rows("adam", 0.003, {"b2": 0.999}, {"b1": 0.0, "b2": 0.9})
    np.testing.assert_allclose(sgd["effective_step"], 0.03, 1e-3)
    assert sgd["step_spread"].max() < 1e-4
    assert momentum["effective_step"][-1] == pytest.approx(0.03 / (1 - 0.9), rel=0.1)
    assert momentum["step_spread"][-1] < 0.2
    assert min(adam["step_spread"].min(), rmsprop["step_spread"].min()) > 0.8
    rise = [rows["effective_step"][-1] / rows["effective_step"].min() for rows in (adam, rmsprop)]
    assert 1.5 < rise[0] < 3 < 8 < rise[1], rise
    assert adam["effective_step"].min() > 100 * 0.003
    gained = [np.median(each["decrease_ratio"][-100:]) for each in (sgd, momentum, adam, rmsprop)]
    assert min(gained[:3]) > 0.98 > 0.5 > gained[3] > 0, gained
