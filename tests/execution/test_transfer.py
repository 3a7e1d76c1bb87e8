"""Runs that start from the weights of another run (`--from`)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import CommandLine
from conftest import compose
from safetensors.numpy import load_file

from runner.compare.runs import find
from runner.errors import ConfigError
from runner.execution.transfer import weights_for

LINE = ("data=teacher", "data.train_examples=40", "model.widths=[4]", "batch_size=8", "epochs=2")


def steps(folder: Path) -> np.ndarray:
    return np.load(folder / "steps.npy")


def test_a_run_starts_from_the_weights_of_another(runner: CommandLine, tmp_path: Path) -> None:
    """With a rate of 0 it stays there. All else is its own; for comparisons it is another run."""
    still = (*LINE, "optimizer=averaged", "optimizer.base.learning_rate=0")
    assert runner(*LINE, "seed=5", "hydra.run.dir=first").returncode == 0
    assert runner(*still, "hydra.run.dir=scratch").returncode == 0
    done = runner(*still, "--from", "first", "hydra.run.dir=second")
    assert done.returncode == 0, done.stderr
    first, second = (
        load_file(tmp_path / name / "final.safetensors") for name in ("first", "second")
    )
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    summary, source = (
        json.loads((tmp_path / name / "summary.json").read_text()) for name in ("second", "first")
    )
    assert summary["final"]["test_loss"] == pytest.approx(source["final"]["test_loss"], rel=1e-6)
    assert len(summary["started_from"]["sha256"]) == 64, "of the file, in case it is replaced"
    assert {**summary["started_from"], "sha256": ""} == {
        "folder": "first",
        "weights": "final",
        "step": 10,
        "layers": None,
        "sha256": "",
    }
    scratch = load_file(tmp_path / "scratch" / "final.safetensors")
    assert (scratch["hidden_1.dense.kernel"] != first["hidden_1.dense.kernel"]).any()

    runs = {run.directory.name: run for run in find([tmp_path]).runs if run.directory}
    assert set(runs) == {"first", "scratch", "second"}, "none counts as a copy"
    assert runs["second"].settings["from"] == "first"
    assert "from" not in runs["scratch"].settings
    refused = runner("--rerun", "second")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "was started from weights of another run" in refused.stderr

    # Some layers: the others are those of a run from scratch.
    some = runner(*still, "--from", "first", "--from-layers", "hidden_1", "hydra.run.dir=third")
    assert some.returncode == 0, some.stderr
    third = load_file(tmp_path / "third" / "final.safetensors")
    np.testing.assert_array_equal(third["hidden_1.dense.kernel"], first["hidden_1.dense.kernel"])
    np.testing.assert_array_equal(third["logits.kernel"], scratch["logits.kernel"])

    # The runs of a sweep start there, too, side by side; the same line completes them.
    line = ("-m", *still, "seed=0,1", "lanes=2", "--from", "first/best.safetensors")
    done = runner(*line, "hydra.sweep.dir=many")
    assert done.returncode == 0, done.stderr
    best = load_file(tmp_path / "first/best.safetensors")
    for seed in (0, 1):
        (run,) = (tmp_path / "many").glob(f"*_seed={seed}")
        last = load_file(run / "final.safetensors")
        np.testing.assert_array_equal(last["hidden_1.dense.kernel"], best["hidden_1.dense.kernel"])
        origin = json.loads((run / "summary.json").read_text())["started_from"]
        assert (origin["folder"], origin["weights"]) == ("first/best.safetensors", "best")
    assert "2 of them done before" in runner(*line, "hydra.sweep.dir=many").stderr
    edited = {**json.loads((run / "summary.json").read_text()), "status": "running"}
    (run / "summary.json").write_text(json.dumps(edited))
    (run / "checkpoint.before.safetensors").replace(run / "checkpoint.safetensors")
    curve = steps(run)
    done = runner(*line, "hydra.sweep.dir=many")
    assert "1 run goes on from a checkpoint" in done.stderr
    np.testing.assert_array_equal(steps(run)["train_loss"], curve["train_loss"])
    assert runner("-m", *line[1:-2], "hydra.sweep.dir=many").returncode == 0
    assert len(list((tmp_path / "many").glob("*_seed=*"))) == 4, "from scratch they are other runs"

    # It goes on without the folder that it was started from.
    (tmp_path / "first").rename(tmp_path / "gone")
    whole = steps(tmp_path / "second")
    edited = {**summary, "status": "running"}
    (tmp_path / "second/summary.json").write_text(json.dumps(edited))
    before = tmp_path / "second/checkpoint.before.safetensors"
    before.replace(tmp_path / "second/checkpoint.safetensors")
    done = runner("--resume", "second")
    assert "The run goes on after step 0" in done.stderr
    np.testing.assert_array_equal(steps(tmp_path / "second")["train_loss"], whole["train_loss"])
    again = json.loads((tmp_path / "second/summary.json").read_text())
    assert (again["status"], again["started_from"]) == ("finished", summary["started_from"])


def test_weights_that_do_not_fit_are_refused_with_the_layer(
    runner: CommandLine, tmp_path: Path
) -> None:
    assert runner(*LINE, "hydra.run.dir=first").returncode == 0
    first = tmp_path / "first"
    teacher = {"name": "teacher", "train_examples": 40}
    wider = compose(data=teacher, model={"widths": [4, 3]})
    with pytest.raises(ConfigError, match=r"hidden_2\.dense\.bias is missing there and \[3\] here"):
        weights_for(wider, first)
    with pytest.raises(ConfigError, match=r"leave it out: --from-layers hidden_1$"):
        weights_for(compose(data={**teacher, "classes": 3}, model={"widths": [4]}), first)
    assert set(weights_for(wider, first, ["hidden_1"]).params) == {
        ("hidden_1", "dense", "bias"),
        ("hidden_1", "dense", "kernel"),
    }
    for layers, who in ((["hidden_9"], "has"), (["hidden_2"], f"{first}: has")):
        with pytest.raises(ConfigError, match=f"--from-layers {layers[0]}: .*{who} no such layer"):
            weights_for(wider, first, layers)
    with pytest.raises(ConfigError, match="there are no weights in it"):
        weights_for(wider, tmp_path)
    for line in (
        ("-m", "model.widths=[4],[3]", "--from", "first"),
        ("--from-layers", "hidden_1"),
        ("--from", "first", "model.widths=[3]"),
    ):
        done = runner(*LINE[:2], *line, "hydra.run.dir=second")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert not (tmp_path / "second").exists()
