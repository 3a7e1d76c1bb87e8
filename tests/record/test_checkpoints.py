"""Checkpoints on disk: which of them are used, and what each says that is not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runner.engine.checkpoint import Checkpoint
from runner.engine.chunk import EPOCH_DTYPE, STEP_DTYPE
from runner.record.checkpoints import Position, best_value, find_checkpoint, write_checkpoint
from runner.record.curves import CurveFile

CONFIG = {"seed": 1, "epochs": 3, "optimizer": {"name": "sgd", "learning_rate": 0.1}}
NEWEST, BEFORE = "checkpoint.safetensors", "checkpoint.before.safetensors"


def write(folder: Path, steps: int, **position: Any) -> None:
    state: Any = {"params": {"kernel": np.full((2, 3), steps, np.float32)}, "order": np.arange(4)}
    numbers = {"evaluations": 2, "epochs": 0.5, "seconds": 1.5, "kept_at": None} | position
    write_checkpoint(folder, CONFIG, Checkpoint(state, steps, 1.5), Position(steps, **numbers))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a run with 20 steps, 2 evaluations, and checkpoints after 10 and 20 steps."""
    CurveFile(tmp_path / "steps.npy", STEP_DTYPE).append(np.zeros(20, STEP_DTYPE))
    CurveFile(tmp_path / "epochs.npy", EPOCH_DTYPE).append(np.zeros(2, EPOCH_DTYPE))
    write(tmp_path, 5)
    write(tmp_path, 10)
    write(tmp_path, 20, kept_at=7)
    return tmp_path


def test_the_newest_checkpoint_is_used_and_one_before_it_is_kept(folder: Path) -> None:
    assert sorted(file.name for file in folder.glob("*.safetensors*")) == [BEFORE, NEWEST]
    found, refused = find_checkpoint(folder, CONFIG)
    assert found is not None
    assert (found.file, refused) == (folder / NEWEST, [])
    assert found.position == Position(20, 2, 0.5, 1.5, 7)
    np.testing.assert_array_equal(found.tensors["params.kernel"], np.full((2, 3), 20))
    assert set(found.tensors) == {"params.kernel", "order"}
    longer, _ = find_checkpoint(folder, CONFIG | {"epochs": 30, "weights": False})
    assert longer is not None


def test_of_a_damaged_checkpoint_the_one_before_is_used_which_is_said(folder: Path) -> None:
    """Whatever byte is damaged, and wherever it is cut off."""
    whole = (folder / NEWEST).read_bytes()
    changes = [
        whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        for place in (0, 3, 9, 40, len(whole) // 2, len(whole) - 30, len(whole) - 1)
    ]
    for content in (*changes, b"", whole[:100], whole[:-1], whole + b"x"):
        (folder / NEWEST).write_bytes(content)
        found, (line,) = find_checkpoint(folder, CONFIG)
        assert found is not None
        assert found.position.steps == 10
        assert line.startswith(f"{folder / NEWEST}: ")
        assert "\n" not in line
    (folder / BEFORE).write_bytes(b"")
    found, lines = find_checkpoint(folder, CONFIG)
    assert (found, len(lines)) == (None, 2)


def test_a_checkpoint_of_another_run_or_beyond_the_curves_is_refused(folder: Path) -> None:
    other = CONFIG | {"seed": 2}
    found, lines = find_checkpoint(folder, other)
    assert found is None
    assert all("is a checkpoint of another run: its config differs" in line for line in lines)
    rows = np.load(folder / "steps.npy")
    CurveFile(folder / "steps.npy", STEP_DTYPE).append(rows[:15])
    found, (line,) = find_checkpoint(folder, CONFIG)
    assert found is not None
    assert found.position.steps == 10
    assert line.endswith("needs 20 rows of steps.npy, which has 15")
    shutil.copyfile(folder / "epochs.npy", folder / "steps.npy")
    assert find_checkpoint(folder, CONFIG).found is None


def test_a_checkpoint_that_cannot_be_written_leaves_those_that_are_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write(folder, 30)
    found, refused = find_checkpoint(folder, CONFIG)
    assert found is not None
    assert (found.position.steps, refused) == (20, [])


def test_nobody_goes_on_after_the_best_evaluation_before_it_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed there, the run would not come to that evaluation again."""

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    CurveFile(folder / "steps.npy", STEP_DTYPE).append(np.zeros(30, STEP_DTYPE))
    with monkeypatch.context() as patch:
        patch.setattr("runner.record.checkpoints.link", killed)
        with pytest.raises(KeyboardInterrupt):
            write(folder, 30, value=0.5)
    found = find_checkpoint(folder, CONFIG).found
    assert found is not None
    assert found.position.steps == 20
    assert {file.name for file in folder.glob("*checkpoint*")} == {BEFORE, NEWEST}
    write(folder, 30, value=0.5)
    assert best_value(folder) == 0.5


def test_a_curve_goes_on_after_the_rows_that_are_kept(tmp_path: Path) -> None:
    rows = np.zeros(5, STEP_DTYPE)
    rows["step"] = np.arange(5)
    CurveFile(tmp_path / "steps.npy", STEP_DTYPE).append(rows)
    again = CurveFile(tmp_path / "steps.npy", STEP_DTYPE, kept=3)
    np.testing.assert_array_equal(np.load(tmp_path / "steps.npy"), rows[:3])
    again.append(rows[3:4])
    np.testing.assert_array_equal(np.load(tmp_path / "steps.npy"), rows[:4])
