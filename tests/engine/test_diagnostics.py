"""Diagnostics against NumPy, in the compiled program of two lanes and in the record."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import compose
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import runner
from runner.compare.cli import run_command_line
from runner.compare.runs import Run
from runner.engine.chunk import Chunk
from runner.engine.lanes import Lanes
from runner.engine.loop import Training
from runner.engine.memory import COPIES, bytes_of_a_lane
from runner.engine.placement import place
from runner.engine.train import evaluations_per_call, initial_state
from runner.errors import ConfigError
from runner.experiment.experiment import Experiment
from runner.options.diagnostics.layers import (
    BINS,
    HISTOGRAMS,
    LAYER_MEASURES,
    PARAMETER_MEASURES,
    stable_rank,
)
from runner.options.signals import signals_of
from runner.record.facts import RunFacts
from runner.record.recorder import Recorder

PROBE = 20
PENALTY = 0.1
RATES = (0.1, 2.0)
STEPS = 11


def experiment(**choices: Any) -> Experiment:
    choices = {"diagnostics": {"name": "layers", "examples": PROBE}, **choices}
    settings = {"seed": 1, "epochs": 1}
    network: dict[str, Any] = {
        "model": {"widths": [6, 5]},
        "activation": "tanh",
        "initializer": {"name": "normal", "stddev": 0.05},
        "preprocessing": "none",
        "regularization": [{"name": "l2", "strength": PENALTY}, "dropout"],
    }
    sizes = {"batch_size": {"size": 128, "drop_remainder": True}}
    return compose(settings, **{**network, **sizes, **choices})


class Trained(NamedTuple):
    """Two runs side by side: what they did, and the parameters before and after."""

    chunks: list[list[Chunk]]
    params: list[list[Any]]
    inputs: np.ndarray
    targets: np.ndarray


@pytest.fixture(scope="module")
def trained() -> Trained:
    both = [experiment(optimizer={"learning_rate": rate}) for rate in RATES]
    data = both[0].data.load()
    training = Training(both, data, Lanes(2, "vmap", jax.devices()[:1]))
    shapes = jax.eval_shape(initial_state, both[0], place(both[0], data))
    training.compile()

    def params() -> list[Any]:
        leaves = jax.device_get(training.state)
        return [
            jax.tree.unflatten(jax.tree.structure(shapes), [leaf[lane] for leaf in leaves]).params
            for lane in range(2)
        ]

    states = [params()]
    chunks = list(training.chunks())
    states.append(params())
    return Trained(
        [[each for each in of_lane if each] for of_lane in zip(*chunks, strict=True)],
        [list(of_lane) for of_lane in zip(*states, strict=True)],
        data.train.inputs.reshape(len(data.train.inputs), -1)[:PROBE],
        data.train.targets[:PROBE],
    )


def forward(params: Any, inputs: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What goes into and comes out of each activation; the logits are both."""
    found, x = {}, inputs.astype(float)
    for name in ("hidden_1", "hidden_2"):
        before = x @ params[name]["dense"]["kernel"] + params[name]["dense"]["bias"]
        found[name] = before, np.tanh(before)
        x = found[name][1]
    logits = x @ params["logits"]["kernel"] + params["logits"]["bias"]
    return {**found, "logits": (logits, logits)}


def gradients(params: Any, inputs: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
    """Those of the mean cross-entropy and the penalty, by the chain rule."""
    signals = forward(params, inputs)
    logits = signals["logits"][0]
    shares = np.exp(logits - logits.max(1, keepdims=True))
    delta = shares / shares.sum(1, keepdims=True)
    delta[np.arange(len(targets)), targets] -= 1
    delta /= len(targets)
    found = {}
    layers = {"hidden_1": "hidden_1/dense", "hidden_2": "hidden_2/dense", "logits": "logits"}
    inputs_of = dict(
        zip(layers, [inputs, signals["hidden_1"][1], signals["hidden_2"][1]], strict=True)
    )
    for name, path in reversed(layers.items()):
        own = params[name] if name == "logits" else params[name]["dense"]
        if name != "logits":
            delta = delta * (1 - signals[name][1] ** 2)
        found[f"{path}/kernel"] = inputs_of[name].T @ delta + PENALTY * own["kernel"]
        found[f"{path}/bias"] = delta.sum(0)
        delta = delta @ own["kernel"].T
    return found


@pytest.mark.parametrize("lane", [0, 1])
def test_layers_are_measured_as_numpy_does(trained: Trained, lane: int) -> None:
    rows = np.concatenate([chunk.tables["layers"] for chunk in trained.chunks[lane]])
    assert rows["name"].tolist() == ["hidden_1", "hidden_2", "logits"] * 2
    assert rows["step"].tolist() == [0] * 3 + [STEPS] * 3
    moments: dict[str, Any] = {}
    for row, params in zip(rows, [p for p in trained.params[lane] for _ in range(3)], strict=True):
        signals = forward(params, trained.inputs)[row["name"]]
        for name, values in zip(HISTOGRAMS, signals, strict=True):
            close = {"rtol": 1e-4, "atol": 1e-5}
            np.testing.assert_allclose(row[f"{name}_mean"], values.mean(), **close)
            np.testing.assert_allclose(row[f"{name}_variance"], values.var(), **close)
            low, high, counts = (row[f"{name}_{part}"] for part in ("low", "high", "histogram"))
            np.testing.assert_allclose([low, high], [values.min(), values.max()], **close)
            expected, _ = np.histogram(values, BINS, (low, high))
            assert abs(counts - expected).sum() <= 4, "rounding may move a number to the next bin"
            assert counts.sum() == values.size
        saturated = 1 - np.tanh(signals[0]) ** 2 < 0.05
        if row["name"] == "logits":
            saturated = np.zeros_like(signals[0])
        np.testing.assert_allclose(row["saturated"], saturated.mean(), atol=0.01)
        np.testing.assert_allclose(row["dead"], saturated.all(0).mean())
        of_units = saturated.mean(0)
        assert row["saturated_units"] == pytest.approx((of_units >= 0.9).mean(), abs=0.01)
        spread = np.sqrt(signals[0].var(1).mean() / (signals[0] ** 2).mean())
        np.testing.assert_allclose(row["unit_spread"], spread, 1e-4)
        singular = np.linalg.svd(signals[1], compute_uv=False)
        np.testing.assert_allclose(row["stable_rank"], (singular**2).sum() / singular[0] ** 2, 1e-3)
        mean, deviation = signals[0].mean(0), signals[0].std(0)
        if row["name"] in moments:
            m, s = moments[row["name"]]
            moved = np.sqrt(((mean - m) ** 2 + (deviation - s) ** 2).sum() / (s**2).sum())
            np.testing.assert_allclose(row["shift"], moved, 1e-3)
        else:
            assert np.isnan(row["shift"]), "nothing came before"
        moments[row["name"]] = mean, deviation
    assert rows["saturated"].max() > 0.05, "else the test shows nothing"


@pytest.mark.parametrize("lane", [0, 1])
def test_parameters_are_measured_as_numpy_does(trained: Trained, lane: int) -> None:
    rows = np.concatenate([chunk.tables["parameters"] for chunk in trained.chunks[lane]])
    start = trained.params[lane][0]
    for row, params in zip(rows, [p for p in trained.params[lane] for _ in range(6)], strict=True):
        now, then = params, start
        for key in row["name"].split("/"):
            now, then = now[key], then[key]
        expected = gradients(params, trained.inputs, trained.targets)[row["name"]]
        np.testing.assert_allclose(row["gradient_norm"], np.linalg.norm(expected), 1e-3)
        np.testing.assert_allclose(row["norm"], np.linalg.norm(now), 1e-5)
        moved = np.linalg.norm(now - then)
        np.testing.assert_allclose(row["distance"], moved, 1e-5)
        if row["step"]:
            np.testing.assert_allclose(row["update_ratio"], moved / np.linalg.norm(now), 1e-5)
        else:
            assert np.isnan(row["update_ratio"])
    names = rows["name"][:6].tolist()
    assert [name.partition("/")[0] for name in names[::2]] == ["hidden_1", "hidden_2", "logits"]


@pytest.fixture(scope="module")
def record(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of the first lane, with the config of such a run."""
    directory = tmp_path_factory.mktemp("inside") / "run"
    facts = {
        "train_examples": 1438,
        "total_steps": STEPS,
        "total_epochs": 1.0,
        "device": "cpu: test",
    }
    written = Recorder(directory, RunFacts(config={"seed": 1}, seed=1, **facts))
    for chunk in trained.chunks[0]:
        written.write(chunk)
    written.finish(compile_seconds=0.0)
    return directory


def test_the_record_has_a_row_for_each_evaluation_and_name(trained: Trained, record: Path) -> None:
    run = Run(record, {})
    for table, measures in (("layers", LAYER_MEASURES), ("parameters", PARAMETER_MEASURES)):
        rows = run.diagnostics(table)
        expected = np.concatenate([chunk.tables[table] for chunk in trained.chunks[0]])
        assert rows.tobytes() == np.load(record / f"{table}.npy").tobytes() == expected.tobytes()
        assert set(measures) <= set(rows.dtype.names)
    frame = runner.load(record).diagnostics("parameters")
    last = frame[(frame["epoch"] == 1) & (frame["name"] == rows["name"][-1])]
    assert last["norm"].item() == rows["norm"][-1]
    assert len(runner.load(record).diagnostics()["activation_histogram"][0]) == BINS
    with pytest.raises(
        ConfigError, match=r"no run has a table curvature; .* layers, parameters, time_steps"
    ):
        runner.load(record).diagnostics("curvature")
    assert len(Run(record.parent, {}).diagnostics("layers")) == 0


def test_tensorboard_reads_scalars_and_histograms_that_sort(record: Path) -> None:
    events = EventAccumulator(str(record), size_guidance={"tensors": 0, "scalars": 0})
    events.Reload()
    tags = events.Tags()
    of_layers = [tag for tag in tags["scalars"] if tag.startswith("layers dead/")]
    assert sorted(of_layers) == [
        f"layers dead/{n}" for n in ("1_hidden_1", "2_hidden_2", "3_logits")
    ]
    rows = Run(record, {}).diagnostics("parameters")
    points = events.Scalars("parameters gradient_norm/2_hidden_1/dense/kernel")
    kernel = rows[rows["name"] == "hidden_1/dense/kernel"]
    assert [(point.step, np.float32(point.value)) for point in points] == [
        (0, kernel["gradient_norm"][0]),
        (1, kernel["gradient_norm"][1]),
    ]
    assert [point.step for point in events.Scalars("layers shift/1_hidden_1")] == [1]
    first, last = events.Tensors("layers activation/1_hidden_1")
    assert (first.step, last.step) == (0, 1)
    bins = np.frombuffer(last.tensor_proto.tensor_content, "<f8").reshape(BINS, 3)
    layer = Run(record, {}).diagnostics("layers")[3]
    np.testing.assert_allclose(bins[:, 2], layer["activation_histogram"])
    np.testing.assert_allclose(
        [bins[0, 0], bins[-1, 1]], [layer["activation_low"], layer["activation_high"]]
    )


def test_figures_show_what_is_recorded(record: Path, tmp_path: Path) -> None:
    runs = runner.load(record)
    rows = runs[0].diagnostics("layers")
    figure = runs.figure("saturated", kind="layers")
    (image,) = figure.axes[0].get_images()
    np.testing.assert_allclose(image.get_array(), rows["saturated"].reshape(2, 3).T)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [
        "hidden 1",
        "hidden 2",
        "logits",
    ]
    for measure, kind, expected in (
        ("update_ratio", "layers", "logits"),
        (None, "layers", "logits"),
        ("activation_mean", "layers", "logits"),
        (None, "histograms", "hidden 2"),
        ("pre_activation", "histograms", "logits"),
    ):
        output = tmp_path / f"{kind} {measure}.png"
        words = ["--measure", measure] if measure else []
        call = [str(record), "--figure", kind, *words, "--output", str(output)]
        assert run_command_line(call) == 0
        numbers = output.with_suffix(".data.csv").read_text()
        assert expected in numbers.splitlines()[-2]


@pytest.mark.parametrize(
    ("kind", "measure", "said"),
    [
        ("layers", "loss", "measure loss is not known; choose from pre_activation_mean"),
        ("histograms", "dead", "measure dead is not known; choose from pre_activation, activation"),
        ("curves", "dead", "measure dead is not known"),
    ],
)
def test_a_measure_of_another_kind_of_figure_is_refused(
    kind: str, measure: str, said: str, record: Path
) -> None:
    with pytest.raises(ConfigError, match=said):
        runner.load(record).figure(measure, kind=kind)


@pytest.mark.parametrize("kind", ["layers", "histograms"])
def test_a_run_without_diagnostics_has_no_figure_of_layers(kind: str, tmp_path: Path) -> None:
    facts = {"train_examples": 8, "total_steps": 1, "total_epochs": 1.0, "device": "cpu: test"}
    Recorder(tmp_path, RunFacts(config={"seed": 1}, seed=1, **facts))
    with pytest.raises(
        ConfigError, match=f"{kind} needs runs with diagnostics=layers; there is none"
    ):
        runner.load(tmp_path).figure(kind=kind)


def test_memory_counts_what_is_remembered_and_measured() -> None:
    diagnosed, plain = experiment(), experiment(diagnostics="none")
    arrays = place(plain, plain.data.load())
    more = bytes_of_a_lane(diagnosed, arrays) - bytes_of_a_lane(plain, arrays)
    params = 64 * 6 + 6 + 6 * 5 + 5 + 5 * 10 + 10
    memories = 2 * (params + 2 * (6 + 5 + 10))
    tables = 3 * (len(LAYER_MEASURES) + len(HISTOGRAMS) * (BINS + 2)) + 6 * len(PARAMETER_MEASURES)
    assert more == COPIES * 4 * (memories + evaluations_per_call(STEPS) * tables)


def test_what_is_learned_is_the_same_to_the_bit(trained: Trained) -> None:
    plain = [experiment(optimizer={"learning_rate": rate}, diagnostics="none") for rate in RATES]
    training = Training(plain, plain[0].data.load(), Lanes(2, "vmap", jax.devices()[:1]))
    chunks = list(training.chunks())
    for lane in range(2):
        steps = np.concatenate([chunk[lane].steps for chunk in chunks])
        own = np.concatenate([chunk.steps for chunk in trained.chunks[lane]])
        for name in set(steps.dtype.names) - {"seconds"}:
            np.testing.assert_array_equal(steps[name], own[name])
        assert not any(chunk[lane].tables for chunk in chunks)


DEEP = [f"hidden_{number}" for number in range(1, 12)]


@pytest.mark.parametrize(
    ("choices", "layers", "shape"),
    [
        ({"model": {"widths": [3], "depth": 11}, "normalization": "batch"}, DEEP, (4, 3)),
        (
            {"model": "cnn", "regularization": "dropout"},
            ["convolution_1", "convolution_2", "hidden_1"],
            (4, 128),
        ),
        ({"model": "rnn", "normalization": "layer"}, ["recurrent"], (8, 4, 64)),
        (
            {
                "activation": "prelu",
                "normalization": {"name": "rms", "position": "after_activation"},
            },
            ["hidden_1"],
            (4, 64),
        ),
        ({"regularization": {"name": "dropout", "input_rate": 0.2}}, ["hidden_1"], (4, 64)),
    ],
)
def test_signals_are_in_the_order_of_the_layers(
    choices: dict[str, Any], layers: list[str], shape: tuple[int, ...]
) -> None:
    """The state is passed through a pytree, which sorts its names."""
    chosen = compose({"precision": "bfloat16"}, **choices)
    key = jax.eval_shape(lambda: jax.random.key(0))
    params, state, _ = jax.eval_shape(
        lambda key: (*chosen.network().init(key, (8, 8, 1))[:2], ()), key
    )
    names = []

    def signals(params: Any, state: Any, inputs: Any) -> Any:
        found = signals_of(chosen.network(watched=True).apply(params, state, inputs, False)[1])
        names.extend(found)
        return list(found.values())[-1].inputs

    inputs = jax.ShapeDtypeStruct((4, 8, 8, 1), jnp.float32)
    assert jax.eval_shape(signals, params, state, inputs).shape == shape
    assert names == layers


def test_a_stable_rank_is_that_of_the_singular_values() -> None:
    random = np.random.default_rng(0)
    matrix = random.normal(size=(50, 8)).astype(np.float32) * np.arange(1, 9, dtype=np.float32)
    singular = np.linalg.svd(matrix, compute_uv=False)
    assert stable_rank(matrix) == pytest.approx((singular**2).sum() / singular[0] ** 2, rel=1e-4)
    assert stable_rank(jnp.zeros((3, 2))) == 0
