"""The weights of runs, read without `runner` and applied by NumPy, give the recorded losses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from command_line import CommandLine
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import runner
from runner.compare.runs import Run
from runner.config.build import build
from runner.errors import ConfigError
from runner.record.tensors import TensorsError, named, nested, restored
from runner.record.weights import read_weights

TINY = ("epochs=3", "model.widths=[5]", "batch_size=512")
BATCH = ("normalization=batch", "optimizer=averaged", "optimizer.base.learning_rate=0.5")


def forward(weights: dict[str, npt.NDArray], images: npt.NDArray) -> npt.NDArray:
    """The logits of a perceptron with one hidden layer, perhaps with batch normalization."""
    offset, spread = weights["preprocessing/offset"], weights["preprocessing/spread"]
    x = ((images - offset) / spread).reshape(len(images), -1)  # minmax: low is 0, high is 1
    x = x @ weights["hidden_1.dense.kernel"]
    if "hidden_1.normalization.gain" in weights:
        mean, variance = (
            weights[f"state/hidden_1.normalization.{name}"] for name in ("mean", "variance")
        )
        x = (x - mean) / np.sqrt(variance + 1e-5)
        x = x * weights["hidden_1.normalization.gain"] + weights["hidden_1.normalization.shift"]
    else:
        x = x + weights["hidden_1.dense.bias"]
    return np.maximum(x, 0) @ weights["logits.kernel"] + weights["logits.bias"]


def loss(logits: npt.NDArray, targets: npt.NDArray) -> float:
    logits = logits - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(logits).sum(axis=1))
    return float(np.mean(log_sum - logits[np.arange(len(targets)), targets]))


def test_weights_reproduce_what_was_recorded(runner: CommandLine, tmp_path: Path) -> None:
    """Final and best ones, of averages with their statistics, in a sweep; and `predict`."""
    line = (*TINY, *BATCH, "stopping=best", "stopping.measure=validation_loss")
    rates = (
        "optimizer.base.learning_rate=0.5,8"  # of the second the first evaluation is not the worst
    )
    assert runner("-m", *line, rates, "hydra.sweep.dir=s").returncode == 0
    runs = load(tmp_path / "s")
    assert len(runs) == 2
    held_out = build(dict(runs[0].config)).data.load().validation
    for run in runs:
        assert run.directory is not None
        final, best = (
            load_file(run.directory / f"{kind}.safetensors") for kind in ("final", "best")
        )
        losses = {
            kind: loss(forward(weights, held_out.inputs), held_out.targets)
            for kind, weights in (("final", final), ("best", best))
        }
        for kind, value in losses.items():
            assert value == pytest.approx(run.summary[kind]["validation_loss"], rel=2e-5)
        logits = run.predict(held_out.inputs)
        np.testing.assert_allclose(logits, forward(best, held_out.inputs), rtol=1e-3, atol=1e-4)
        kernel = run.params["hidden_1"]["dense"]["kernel"]
        np.testing.assert_array_equal(kernel, best["hidden_1.dense.kernel"])
        assert run.state["hidden_1"]["normalization"]["mean"].shape == (5,)
        with safe_open(run.directory / "best.safetensors", "numpy") as file:
            steps = int(file.metadata()["steps"])
        assert steps == run.summary["kept_at"]["step"]
        mode = (run.directory / "final.safetensors").stat().st_mode
        assert mode == (run.directory / "epochs.npy").stat().st_mode, "others may read it as well"


def load(folder: Path) -> Any:
    return runner.load(folder)


def test_weights_of_a_lane_are_those_of_the_run_alone_and_can_be_left_out(
    runner: CommandLine, tmp_path: Path
) -> None:
    """And whether they are kept makes no other run: it is complete when the sweep is resumed."""
    assert runner(*TINY, "seed=1", "hydra.run.dir=alone").returncode == 0
    assert runner("-m", *TINY, "seed=1,2", "hydra.sweep.dir=s").returncode == 0
    alone, lane = (
        load_file(tmp_path / name / "final.safetensors") for name in ("alone", "s/0_seed=1")
    )
    assert alone.keys() == lane.keys()
    for name in alone:
        np.testing.assert_array_equal(alone[name], lane[name])
    (run,) = load(tmp_path / "alone")
    best, held_out = (
        read_weights(tmp_path / "alone/best.safetensors"),
        run.epochs["validation_error"],
    )
    assert best.steps == run.epochs["step"][held_out.argmin()]
    assert run.summary["kept_at"] is None, "no rule asks for them"

    line = (*TINY, "seed=1,2,3", "weights=false", "hydra.sweep.dir=s")
    assert runner("-m", *line).returncode == 0
    assert json.loads((tmp_path / "s/sweep.json").read_text())["earlier"] == 2
    assert (tmp_path / "s/0_seed=1/final.safetensors").exists(), "it was not run again"
    (bare,) = (run for run in load(tmp_path / "s") if run.seed == 3)
    with pytest.raises(ConfigError, match=r"has no weights .*weights=false"):
        _ = bare.params
    assert "weights" not in bare.settings
    assert runner("weights=maybe").stderr.startswith("runner: error: weights=maybe must be true")


def test_a_diverged_run_leaves_no_final_weights_nor_those_of_a_run_before(
    runner: CommandLine, tmp_path: Path
) -> None:
    here = "hydra.run.dir=run"
    assert runner(*TINY, here).returncode == 0
    assert (tmp_path / "run/final.safetensors").exists()
    assert runner(*TINY, here, "overwrite=true", "optimizer.learning_rate=1e30").returncode == 0
    assert load(tmp_path / "run")[0].status == "diverged"
    assert not (tmp_path / "run/final.safetensors").exists()
    assert read_weights(tmp_path / "run/best.safetensors").steps == 0, "before it diverged"


def test_what_is_no_weights_of_the_run_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "final.safetensors"
    run = Run(tmp_path, {"status": "finished", "config": {}})
    with pytest.raises(ConfigError, match="has no weights"):
        _ = run.params
    for content in (b"", b"\xff" * 64, (10**12).to_bytes(8, "little") + b"{}"):
        file.write_bytes(content)
        with pytest.raises(TensorsError, match="is not a safetensors file"):
            read_weights(file)
    save_file({"a": np.zeros(2)}, file)
    with pytest.raises(ConfigError, match="does not hold the weights of a run"):
        _ = run.params


def test_trees_have_readable_names_and_come_back() -> None:
    tree = {"a": {"b": np.zeros((2, 3)), "c": np.array(1.0)}, "d": np.arange(2)}
    tensors = named(tree)
    assert list(tensors) == ["a.b", "a.c", "d"]
    assert nested(tensors)["a"]["b"] is tensors["a.b"]
    assert restored(tree, tensors)["a"]["c"].shape == ()
    with pytest.raises(TensorsError, match=r"a\.b is float64\[3,2\] there, and must be .*\[2,3\]"):
        restored(tree, tensors | {"a.b": np.zeros((3, 2))})
    with pytest.raises(TensorsError, match="d is missing"):
        restored(tree, {name: tensors[name] for name in ("a.b", "a.c")})
