"""Branches: a run that is another one up to some epoch (`--branch`)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from command_line import CommandLine

from runner.engine import loop as runner_loop
from runner.execution import checkpoints, sweep

LINE = (
    "data=teacher",
    "data.train_examples=40",
    "model=linear",
    "batch_size=8",
    "optimizer=momentum",
    "schedule=cosine",
    "epochs=4",
    "checkpoint_every=1e-6",
)
"""Five steps an epoch. `batch_size=8` is an option that is made on the spot."""

CHANGED = ("optimizer.learning_rate=0.01", "schedule=constant", "epochs=6")


def curve(folder: Path, name: str = "steps") -> dict[str, npt.NDArray]:
    rows = np.load(folder / f"{name}.npy")
    return {column: rows[column] for column in rows.dtype.names if column != "seconds"}


def test_a_branch_is_the_run_up_to_an_epoch(
    runner: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, whether there is a checkpoint before it or not; then it has its own options."""
    monkeypatch.setattr(runner_loop, "CHUNK_SECONDS", 0.0)  # so that there are checkpoints early
    monkeypatch.setattr(checkpoints, "WORTH", 0)
    assert runner(*LINE, "checkpoint_every=null", "hydra.run.dir=run").returncode == 0
    whole = curve(tmp_path / "run")

    def branch(epoch: int, name: str, *words: str) -> Path:
        where = ("--branch", "run", "--at-epoch", str(epoch), f"hydra.run.dir={name}")
        done = runner(*where, *words)
        assert done.returncode == 0, done.stderr
        return tmp_path / name

    same = curve(branch(2, "same"))
    for name, rows in whole.items():
        np.testing.assert_array_equal(same[name], rows, err_msg=name)
    other = branch(2, "other", *CHANGED)
    steps = curve(other)
    assert len(steps["step"]) == 30
    for name, rows in whole.items():
        np.testing.assert_array_equal(steps[name][:10], rows[:10], err_msg=name)
    np.testing.assert_allclose(steps["learning_rate"][10:], 0.01, rtol=1e-6)
    assert steps["train_loss"][10] == whole["train_loss"][10], "the parameters are those of the run"
    assert steps["train_loss"][11] != whole["train_loss"][11]
    assert curve(other, "epochs")["epoch"].tolist() == [0, 1, 2, 3, 4, 5, 6]
    summary = json.loads((other / "summary.json").read_text())
    assert len(summary["started_from"].pop("config")) == 64, "of the run, in case it is replaced"
    assert summary["started_from"] == {"folder": "run", "epoch": 2, "step": 10}
    assert "resumed" not in summary
    assert summary["config"]["optimizer"]["learning_rate"] == 0.01

    # As a sweep: the stem is trained once, and the same line completes it.
    rates = "optimizer.learning_rate=0.01,0.03"
    line = ("-m", "--branch", "run", "--at-epoch", "2", rates, *CHANGED[1:], "lanes=2")
    trained = []
    stem_of = sweep.stem_of
    monkeypatch.setattr(sweep, "stem_of", lambda *any: trained.append(1) or stem_of(*any))
    done = runner(*line, "hydra.sweep.dir=many")
    assert done.returncode == 0, done.stderr
    assert trained == [1]
    runs = sorted((tmp_path / "many").glob("*_optimizer.learning_rate=*"))
    assert len(runs) == 2
    for name, rows in steps.items():
        np.testing.assert_array_equal(curve(runs[0])[name], rows, err_msg=name)
    np.testing.assert_array_equal(curve(runs[1])["train_loss"][:10], whole["train_loss"][:10])
    assert "2 of them done before" in runner(*line, "hydra.sweep.dir=many").stderr

    # A schedule that ended with the run: a longer one is a branch from its last epoch.
    longer = branch(4, "longer", "schedule=constant", "epochs=5")
    assert len(curve(longer)["step"]) == 25

    # From a checkpoint of the run.
    kept = tmp_path / "run"
    assert runner(*LINE, "hydra.run.dir=run", "overwrite=true").returncode == 0
    (kept / "checkpoint.before.safetensors").replace(kept / "checkpoint.safetensors")
    folder = branch(4, "again", "schedule=constant", "epochs=5")
    log = (folder / "runner.log").read_text()
    assert "branches off run after step 20, trained again from step " in log
    assert "from step 0" not in log
    again = curve(folder)
    for name, rows in curve(longer).items():
        np.testing.assert_array_equal(again[name], rows, err_msg=name)


def test_what_is_no_branch_is_refused(runner: CommandLine, tmp_path: Path) -> None:
    assert runner(*LINE, "hydra.run.dir=run").returncode == 0
    for line, words in {
        ("--at-epoch", "9"): "--at-epoch 9: the run has 4 epochs",
        ("--at-epoch", "4"): "by then, the branch 20 of 20",
        ("--at-epoch", "2", "seed=4"): "seed: a branch has that of the run",
        ("--at-epoch", "2", "batch_size=4"): "the run has taken 10 steps by then, the branch 20 of",
        ("--at-epoch", "2", "--from", "run"): "exclude each other",
        (): "a branch needs both",
    }.items():
        done = runner("--branch", "run", *line, "hydra.run.dir=new")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert words in done.stderr
        assert not (tmp_path / "new").exists()
    done = runner("--branch", "run", "--at-epoch", "2", "optimizer=adam", "hydra.run.dir=new")
    assert done.returncode == 1
    assert "the branch cannot go on from the state of the run: optimizer." in done.stderr
