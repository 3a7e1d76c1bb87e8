"""What `diagnostics=update` measures at steps, against NumPy, side by side, and on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from conftest import compose
from engine_alone import Engine
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import runner
from runner.data import Dataset
from runner.engine.chunk import Chunk
from runner.engine.lanes import Lanes
from runner.engine.loop import Training
from runner.engine.memory import COPIES, bytes_of_a_lane
from runner.engine.placement import place
from runner.engine.train import STEPS_PER_CALL
from runner.experiment.experiment import Experiment
from runner.options.diagnostics.update import UPDATE_MEASURES
from runner.record.facts import RunFacts
from runner.record.recorder import Recorder

PENALTY, EVERY, STEPS, PER_EPOCH = 0.1, 3, 10, 5
NAMES = ["all", "logits/bias", "logits/kernel"]


def teacher(diagnostics: str = "update", rate: float = 0.3) -> Experiment:
    """One that brings its own data, of as many examples as `tiny` has."""
    optimizer = {"name": "momentum", "learning_rate": rate}
    data = {"name": "teacher", "train_examples": 36}
    return experiment(diagnostics, data=data, optimizer=optimizer)


def experiment(diagnostics: str = "update", **choices: Any) -> Experiment:
    settings = {"epochs": 2, "measure_every": EVERY, "evaluate_every": 2}
    usual: dict[str, Any] = {
        "model": "linear",
        "optimizer": {"name": "momentum", "learning_rate": 0.3},
        "momentum_schedule": {"name": "linear", "initial": 0.5},
        "regularization": {"name": "l2", "strength": PENALTY},
        "batch_size": {"size": 8},
    }
    return compose(settings, **{**usual, "diagnostics": diagnostics, **choices})


def objective(params: dict[str, Any], x: np.ndarray, y: np.ndarray) -> tuple[float, dict[str, Any]]:
    """The mean cross-entropy of a linear model with the penalty, and its gradient."""
    logits = x @ params["kernel"] + params["bias"]
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    loss = -np.log(shares[np.arange(len(y)), y]).mean()
    delta = (shares - np.eye(shares.shape[1])[y]) / len(y)
    gradient = {"kernel": x.T @ delta + PENALTY * params["kernel"], "bias": delta.sum(0)}
    return loss + PENALTY / 2 * (params["kernel"] ** 2).sum(), gradient


def flat(name: str, tree: dict[str, Any]) -> np.ndarray:
    parts = ("bias", "kernel") if name == "all" else (name.partition("/")[2],)
    return np.concatenate([np.ravel(tree[part]) for part in parts])


def test_updates_are_measured_as_numpy_does(tiny: Dataset) -> None:
    """Whole batches and short ones, of which only every third step is measured."""
    with jax.enable_x64(True):
        chosen = experiment()
        engine = Engine(chosen, tiny)
        x = np.asarray(chosen.preprocessing(engine.arrays.statistics, engine.arrays.inputs))
        x, y = x.reshape(len(x), -1).astype(float), tiny.train.targets
        params, found = [jax.device_get(engine.state.params)["logits"]], []
        for step in range(STEPS):
            measured = engine.advance(step, step + 1, STEPS)
            params.append(jax.device_get(engine.state.params)["logits"])
            found.append(measured.step_tables["updates"])
        orders = [engine.order(epoch) for epoch in range(2)]
    assert list(found[0].rows) == NAMES
    lengths, before = dict.fromkeys(NAMES, 0.0), None
    for step in range(0, STEPS, EVERY):
        rows = orders[step // PER_EPOCH][step % PER_EPOCH * 8 :][:8]
        (value, gradient), after = objective(params[step], x[rows], y[rows]), params[step + 1]
        decrease = value - objective(after, x[rows], y[rows])[0]
        update = {name: after[name] - params[step][name] for name in after}
        columns = dict(zip(found[step].columns, found[step].values, strict=True))
        for place_of, name in enumerate(NAMES):
            g, u, w = (flat(name, tree) for tree in (gradient, update, params[step]))
            both = (g != 0) & (abs(u) > 0)
            logs = np.log10(abs(u[both] / g[both]))
            expected = {
                "effective_step": 10 ** logs.mean(),
                "step_spread": logs.std(),
                "cosine": -u @ g / np.linalg.norm(u) / np.linalg.norm(g),
                "predicted_decrease": -u @ g,
                "distance": np.linalg.norm(w - flat(name, params[0])),
                "gradient_cosine": np.nan,
            }
            if before is not None:
                earlier = flat(name, before[1])
                cosine = g @ earlier / np.linalg.norm(g) / np.linalg.norm(earlier)
                lengths[name] += np.linalg.norm(w - flat(name, before[0]))
                expected["gradient_cosine"] = cosine
            expected["path_length"] = lengths[name]
            momentum = 0.5 + (0.9 - 0.5) * step / STEPS
            whole = {"momentum": momentum, "decrease": decrease}
            whole["decrease_ratio"] = decrease / (-u @ g)
            expected |= whole if name == "all" else dict.fromkeys(whole, np.nan)
            assert set(expected) == set(UPDATE_MEASURES) == set(columns)
            for measure, number in expected.items():
                np.testing.assert_allclose(
                    columns[measure][0, place_of], number, 2e-4, 1e-7, err_msg=f"{measure} {step}"
                )
        before = params[step], gradient
    assert lengths["all"] > 1.1 * np.linalg.norm(flat("all", params[9]) - flat("all", params[0]))


def test_the_objective_after_a_step_is_of_the_same_random_masks(tiny: Dataset) -> None:
    """So a short step loses what its gradient says."""
    masked = experiment(
        optimizer={"name": "sgd", "learning_rate": 1e-4},
        momentum_schedule="constant",
        regularization={"name": "dropout", "input_rate": 0.5},
    )
    with jax.enable_x64(True):
        tables = Engine(masked, tiny).advance(0, STEPS, STEPS).step_tables
    columns = dict(zip(tables["updates"].columns, tables["updates"].values, strict=True))
    ratios = columns["decrease_ratio"][:STEPS:EVERY, 0]
    np.testing.assert_allclose(ratios, 1, atol=0.01)
    np.testing.assert_allclose(columns["effective_step"][:STEPS:EVERY], 1e-4, 1e-5)
    np.testing.assert_allclose(columns["step_spread"][:STEPS:EVERY], 0, atol=1e-6)
    assert np.isnan(columns["momentum"][:STEPS:EVERY]).all(), "there is none"


@pytest.fixture(scope="module")
def chunks() -> list[list[Chunk]]:
    """Two runs side by side, with other learning rates."""
    both = [teacher(rate=rate) for rate in (0.3, 0.01)]
    training = Training(both, both[0].data.load(), Lanes(2, "vmap", jax.devices()[:1]))
    return [[each for each in lane if each] for lane in zip(*training.chunks(), strict=True)]


def rows_of(chunks: list[Chunk]) -> np.ndarray:
    return np.concatenate([chunk.step_tables["updates"] for chunk in chunks])


def test_each_lane_has_its_own_rows_and_learns_as_without(chunks: list[list[Chunk]]) -> None:
    plain = teacher("none")
    alone = Training([plain], plain.data.load()).chunks()
    expected = np.concatenate([chunk.steps for (chunk,) in alone if chunk])
    steps = np.concatenate([chunk.steps for chunk in chunks[0]])
    for name in set(steps.dtype.names) - {"seconds"}:
        np.testing.assert_allclose(steps[name], expected[name], 1e-5, err_msg=name)
    first, second = map(rows_of, chunks)
    assert first["name"].tolist() == NAMES * 4
    assert first["step"].tolist() == np.repeat([0, 3, 6, 9], 3).tolist()
    assert first["epoch"].tolist() == np.repeat([0, 0, 1, 1], 3).tolist()
    np.testing.assert_allclose(first["effective_step"][:3], 0.3, 1e-5)
    np.testing.assert_allclose(second["effective_step"][:3], 0.01, 1e-5)


def test_the_record_has_a_row_for_each_measured_step_and_name(
    chunks: list[list[Chunk]], tmp_path: Path
) -> None:
    lengths = {"total_steps": STEPS, "total_epochs": 2.0, "measure_every": EVERY}
    facts = {"train_examples": 36, "device": "cpu: test", **lengths}
    written = Recorder(tmp_path / "run", RunFacts(config={"seed": 1}, seed=1, **facts))
    for chunk in chunks[0]:
        written.write(chunk)
    written.finish(compile_seconds=0.0)
    runs = runner.load(tmp_path / "run")
    rows = runs[0].diagnostics("updates")
    assert rows.tobytes() == rows_of(chunks[0]).tobytes()
    frame = runs.diagnostics("updates")
    assert frame["cosine"].tolist() == rows["cosine"].tolist()
    events = EventAccumulator(str(tmp_path / "run"), size_guidance={"scalars": 0}).Reload()
    points = events.Scalars("updates cosine/1_all")
    assert [point.step for point in points] == [0, 3, 6, 9], "steps, not epochs"
    assert [np.float32(point.value) for point in points] == rows["cosine"][::3].tolist()
    assert "updates momentum/2_logits/bias" not in events.Tags()["scalars"]


def test_memory_counts_what_is_remembered_and_measured(tiny: Dataset) -> None:
    diagnosed, plain = experiment(), experiment("none")
    arrays = place(plain, tiny)
    more = bytes_of_a_lane(diagnosed, arrays) - bytes_of_a_lane(plain, arrays)
    remembered = 3 * (64 * 10 + 10) + len(NAMES)
    measured = STEPS_PER_CALL * len(NAMES) * len(UPDATE_MEASURES)
    assert more == COPIES * 4 * (remembered + measured)
