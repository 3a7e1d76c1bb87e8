"""Whether two records of one run are equal to the bit, and what is said where they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runner.compare.equality import first_difference, likely_reasons, recorded_extent
from runner.compare.runs import Run
from runner.engine.chunk import EPOCH_DTYPE, PATH_DTYPE, STEP_DTYPE
from runner.errors import ConfigError


def rows(dtype: np.dtype, steps: np.ndarray, **columns: Any) -> np.ndarray:
    found = np.zeros(len(steps), dtype)
    found["step"] = steps
    for name, values in columns.items():
        found[name] = values
    return found


def record(folder: Path, status: str = "finished", count: int = 6, **columns: Any) -> Run:
    """A run with some columns of `steps.npy`, others are 0; it was evaluated every second step."""
    folder.mkdir()
    steps, marks = np.arange(count), np.arange(0, count + 1, 2)
    np.save(folder / "steps.npy", rows(STEP_DTYPE, steps, **columns))
    np.save(folder / "epochs.npy", rows(EPOCH_DTYPE, marks, validation_loss=1.0 / (1 + marks)))
    return Run(folder, {"status": status, "config": {}, "seed": 0})


LOSSES = np.array([3.0, 2.5, np.nan, 1.0, np.inf, 0.0], "f4")


def test_times_do_not_count_and_nan_equals_nan(tmp_path: Path) -> None:
    first = record(tmp_path / "a", train_loss=LOSSES, seconds=np.arange(6))
    again = record(tmp_path / "b", train_loss=LOSSES, seconds=np.arange(6) * 2.5)
    assert first_difference(first, again) is None
    assert recorded_extent(first) == (6, 4)


def test_the_first_difference_names_its_measure_step_and_size(tmp_path: Path) -> None:
    """One unit in the last place is a difference, and so is the sign of 0."""
    first = record(tmp_path / "a", train_loss=LOSSES, update_norm=1.0)
    changed = LOSSES.copy()
    changed[3:] = [np.nextafter(LOSSES[3], np.float32(2)), np.inf, 0.5]
    later = np.ones(6, "f4")
    later[4] = 7.0
    found = first_difference(first, record(tmp_path / "b", train_loss=changed, update_norm=later))
    assert found is not None
    assert found.step == 3
    assert found.words.startswith("train_loss differs first at step 3: 1 is recorded, now it is 1.")
    assert found.words.endswith("2 of 6 values differ, by 0.5 at most")
    negative = np.where(LOSSES == 0, np.float32(-0.0), LOSSES)
    found = first_difference(first, record(tmp_path / "c", train_loss=negative, update_norm=1.0))
    assert found is not None
    assert "train_loss differs first at step 5: 0 is recorded, now it is -0" in found.words
    missing = np.where(np.arange(6) == 1, np.float32(np.nan), LOSSES)
    found = first_difference(first, record(tmp_path / "d", train_loss=missing, update_norm=1.0))
    assert found is not None
    assert "at step 1: 2.5 is recorded, now it is nan" in found.words


def test_a_difference_of_an_evaluation_counts(tmp_path: Path) -> None:
    first, again = record(tmp_path / "a"), record(tmp_path / "b")
    epochs = np.load(tmp_path / "b" / "epochs.npy")
    epochs["test_error"][2] = 0.25
    np.save(tmp_path / "b" / "epochs.npy", epochs)
    found = first_difference(first, again)
    assert found is not None
    assert "test_error differs first at step 4: 0 is recorded, now it is 0.25" in found.words


def test_a_path_counts(tmp_path: Path) -> None:
    first, again = record(tmp_path / "a"), record(tmp_path / "b")
    for name, x in (("a", 1.0), ("b", 1.5)):
        np.save(tmp_path / name / "path.npy", rows(PATH_DTYPE, np.arange(3), x=x))
    found = first_difference(first, again)
    assert found is not None
    assert found.words.startswith("x differs first at step 0")


@pytest.mark.parametrize(
    ("status", "recorded", "now", "words"),
    [
        ("finished", 6, 4, "6 steps are recorded, now there are 4"),
        ("finished", 4, 6, "4 steps are recorded, now there are 6"),
        ("interrupted", 4, 6, None),
        ("running", 0, 6, None),
        ("interrupted", 6, 4, "6 steps are recorded, now there are 4"),
    ],
)
def test_of_a_part_the_same_part_is_compared(
    status: str, recorded: int, now: int, words: str | None, tmp_path: Path
) -> None:
    first = record(tmp_path / "a", status, recorded)
    found = first_difference(first, record(tmp_path / "b", count=now))
    assert (found and found.words) == words


def test_columns_of_other_versions(tmp_path: Path) -> None:
    """A new column is no difference; one that is gone is."""
    first, again = record(tmp_path / "a"), record(tmp_path / "b")
    names = [name for name in STEP_DTYPE.names or () if name != "clipped"]
    steps = np.load(tmp_path / "a" / "steps.npy")
    np.save(tmp_path / "a" / "steps.npy", steps[names].astype([(n, STEP_DTYPE[n]) for n in names]))
    assert first_difference(first, again) is None
    found = first_difference(again, first)
    assert found is not None
    assert found.words == "clipped is recorded, and no longer measured"


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    run = record(tmp_path / "a")
    (tmp_path / "a" / "epochs.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(ConfigError, match=r"epochs.npy is missing or damaged"):
        recorded_extent(run)


def test_a_run_that_was_killed_before_it_had_curves_has_no_rows(tmp_path: Path) -> None:
    run = record(tmp_path / "a", "killed")
    (tmp_path / "a" / "steps.npy").unlink()
    (tmp_path / "a" / "epochs.npy").write_bytes(b"")
    assert recorded_extent(run) == (0, 0)


def test_reasons_are_what_the_summaries_say() -> None:
    then = {
        "device": "cpu: cpu",
        "lanes": 1,
        "versions": {"runner": "0.1", "jax": "0.9.0", "numpy": "2.0"},
        "environment": {"commit": "a", "changed": False, "cpu": "X", "cores": 2, "threads": 2},
    }
    assert likely_reasons(then, {**then, "lanes": 4}) == [
        "the code, the packages, the device and the threads are those of the record"
    ]
    now = {
        **then,
        "versions": {"runner": "0.1", "jax": "0.10.2", "numpy": "2.0"},
        "environment": {"commit": "b", "changed": True, "cpu": "X", "cores": 1, "threads": 1},
    }
    assert likely_reasons(then, now) == [
        "commit a then, b now",
        "jax 0.9.0 then, 0.10.2 now",
        "threads 2 then, 1 now",
        "the code had changes that are in no commit (now)",
    ]
    gpu = {**then, "device": "gpu: H100"}
    assert likely_reasons(gpu, {**gpu, "lanes": 4}) == ["lanes 1 then, 4 now"]
    earlier = {key: then[key] for key in ("device", "versions")}
    assert likely_reasons(earlier, then) == [
        "the record does not say with how many threads it was computed"
    ]
