"""What calls start from: `from_`, `branch` and `resume` do what the flags of the shell do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import CommandLine

import runner

SHORT = {"steps": 60, "model.widths": [16]}  # an epoch has 45 steps
FIRST = ("hidden_1", "dense", "kernel")
LAST = ("logits", "kernel")


def weights(run: runner.Run, path: tuple[str, ...]) -> bytes:
    found: Any = run.params
    for name in path:
        found = found[name]
    return found.tobytes()


def losses(run: runner.Run) -> np.ndarray:
    return run.steps["train_loss"]


@pytest.fixture(scope="module")
def kept() -> runner.Run:
    return runner.train(SHORT, optimizer="adam", progress=False)


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> runner.Run:
    """The same run, recorded."""
    place = tmp_path_factory.mktemp("trunk") / "run"
    return runner.train(SHORT, optimizer="adam", progress=False, record=place)


def test_a_run_starts_from_the_weights_of_one_in_memory_or_in_a_folder(
    kept: runner.Run, trunk: runner.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a rate of 0 it stays there."""
    monkeypatch.chdir(tmp_path)
    still = {**SHORT, "optimizer": "adam", "optimizer.learning_rate": 0, "progress": False}
    mine = runner.train(from_=kept, **still)
    there = runner.train(from_=trunk, **still)
    scratch = runner.train(**still, seed=1)
    for path in (FIRST, LAST):
        assert weights(mine, path) == weights(there, path) == weights(kept, path)
        assert weights(mine, path) != weights(scratch, path)
    origin = mine.summary["started_from"]
    assert (origin["weights"], origin["step"], len(origin["sha256"])) == ("final", 60, 64)
    assert mine.settings["from"] == f"memory-{origin['sha256'][:8]}"
    assert Path(there.settings["from"]).samefile(str(trunk.directory))
    some = runner.train(from_=kept, from_layers=["hidden_1"], record="some", **still, seed=1)
    assert weights(some, FIRST) == weights(kept, FIRST)
    assert weights(some, LAST) == weights(scratch, LAST)
    assert some.summary["command"].startswith("runner --from memory --from-layers hidden_1 ")
    again = runner.train(from_=kept, from_layers="hidden_1", record="some", **still, seed=1)
    assert again.summary == some.summary  # with the time at which it started
    with pytest.raises(runner.ConfigError, match="has the record of another run"):
        runner.train(from_=mine, record="some", **still, seed=1)
    (swept,) = runner.sweep({"seed": [0]}, from_=kept, **still)
    assert weights(swept, LAST) == weights(kept, LAST)


def test_branches_and_longer_runs_are_those_of_the_shell(trunk: runner.Run, tmp_path: Path) -> None:
    slower = {"optimizer.learning_rate": 0.0001, "progress": False}
    words = ("--branch", str(trunk.directory), "--at-epoch", "1", "optimizer.learning_rate=0.0001")
    assert CommandLine(tmp_path)(*words, "hydra.run.dir=there").returncode == 0
    (there,) = runner.load(tmp_path / "there")
    kept = runner.train(branch=trunk, at_epoch=1, **slower)
    (one,) = runner.sweep(
        {"optimizer.learning_rate": [0.0001]}, branch=trunk, at_epoch=1, progress=False
    )
    for mine in (kept, one):
        assert losses(mine).tobytes() == losses(there).tobytes()
        assert {**mine.summary["started_from"], "folder": ""} == {
            **there.summary["started_from"],
            "folder": "",
        }
    assert losses(kept)[:45].tobytes() == losses(trunk)[:45].tobytes()
    assert losses(kept)[-1] != losses(trunk)[-1]

    whole = runner.train({**SHORT, "steps": 90}, optimizer="adam", progress=False)
    longer = runner.train(resume=trunk, steps=90, progress=False)
    assert longer.directory == trunk.directory
    assert losses(longer).tobytes() == losses(whole).tobytes()
    assert runner.train(resume=longer, progress=False).summary == longer.summary
    with pytest.raises(runner.ConfigError, match="seed=1: resume lets a run go on as it is"):
        runner.train(resume=longer, seed=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"from_": "nowhere"}, "from_=nowhere: there are no weights in it"),
        ({"from_": 3}, "from_: expected a run or the folder of one, and not int"),
        ({"from_": runner.Run(None, {})}, r"from_: the run has not been trained \(status not run"),
        ({"from_layers": "logits"}, "from_layers names layers of the run of from_, which is not"),
        ({"branch": "run"}, "a branch needs both: branch=FOLDER at_epoch=N"),
        ({"branch": "run", "at_epoch": 1.5}, "at_epoch=1.5: must be a whole number"),
        ({"branch": "run", "at_epoch": 1}, "branch=run: there is no run in it"),
        ({"branch": "run", "at_epoch": 1, "config_dir": "a"}, "leave out config_dir"),
        ({"resume": "nowhere"}, "resume=nowhere: there is no run in it"),
        ({"resume": "run", "record": "a"}, "recorded where it is; leave out record"),
        ({"resume": "run", "from_": "run"}, "^resume, branch and from_ exclude each other"),
    ],
)
def test_what_is_no_beginning_is_said_in_one_line(
    arguments: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(runner.ConfigError, match=message) as caught:
        runner.train(**arguments)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_what_a_run_in_memory_cannot_begin_is_said(kept: runner.Run) -> None:
    for arguments in ({"resume": kept}, {"branch": kept, "at_epoch": 1}):
        with pytest.raises(runner.ConfigError, match=r"keeps no checkpoint; .* weights: from_=run"):
            runner.train(**arguments)
    with pytest.raises(runner.ConfigError, match="goes on by the same call with its folder"):
        runner.sweep(resume="here")
    with pytest.raises(
        runner.ConfigError, match=r"from_=memory-\w+: hidden_1.dense.bias is \[16\]"
    ):
        runner.train(SHORT, from_=kept, **{"model.widths": [8], "progress": False})
