"""Arrays go in directly: the same numbers as from a file, and a record that is complete without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from command_line import CommandLine

import runner
from runner.api.arrays import named_arrays
from runner.data import NPZ, Arrays
from runner.data.own.arrays import given

SMALL = {"model": {"widths": [8]}, "steps": 20, "batch_size": 16, "progress": False}
RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(90, 4))
CLASSES = (X[:, 0] > 0) + (X[:, 1] > 0).astype(int)
NUMBERS = 100 + 20 * X @ np.array([[1.0, 0.5], [0.0, 2.0], [0.0, 0.0], [1.0, 1.0]])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_arrays_train_as_those_in_a_file_do() -> None:
    np.savez("arrays.npz", x=X, y=CLASSES)
    mine = runner.train(data=(X, CLASSES), **SMALL)
    file = runner.train("data=npz", "data.path=arrays.npz", **SMALL)
    assert (mine.steps["train_loss"] == file.steps["train_loss"]).all()
    assert mine.summary["final"] == file.summary["final"]
    assert (mine.predict(X.astype(np.float32)) == file.predict(X.astype(np.float32))).all()


PARTS = {"x_train": X[:50], "y_train": NUMBERS[:50], "x_test": X[50:], "y_test": NUMBERS[50:]}


@pytest.mark.parametrize(
    ("arrays", "split"),
    [
        ({"x": X, "y": NUMBERS}, (70, 15, 15)),
        ({"x": (X > 0).astype(np.uint8), "y": X[:, 0]}, (1, 0, 1)),
        (PARTS, (8, 2, 1)),
        (PARTS, (1, 0, 1)),
        ({**PARTS, "x_validation": X[40:50], "y_validation": NUMBERS[40:50]}, (1, 1, 1)),
        ({"x": RANDOM.integers(0, 5, (20, 4)), "y": RANDOM.integers(0, 3, (20, 4))}, (1, 0, 1)),
    ],
)
def test_arrays_are_read_as_those_in_a_file(arrays: dict[str, Any], split: Any) -> None:
    np.savez("arrays.npz", **arrays)
    file = NPZ(path="arrays.npz", split=split, split_seed=4)
    with given(arrays) as found:
        own = {key: tuple(v) if isinstance(v, list) else v for key, v in found.items()}
        mine = Arrays(split=split, split_seed=4, **{k: own[k] for k in own if k != "name"})
        assert not list(mine.problems())
        for name, part in mine.load()._asdict().items():
            expected = getattr(file.load(), name)
            assert (part.inputs == expected.inputs).all()
            assert (part.targets == expected.targets).all()
        assert np.array_equal(mine.target_unit(), file.target_unit())
        assert mine.summary() == str(file.summary()).replace("arrays.npz", "data")
    # What a record says of them is enough to know them by.
    assert mine.sizes() == file.sizes()
    assert mine.input_shape == file.input_shape
    assert (mine.classes, mine.outputs) == (file.classes, file.outputs)
    assert (mine.symbols, mine.each_step) == (file.symbols, file.each_step)
    assert "not in this process" in str(mine.unavailable())
    with pytest.raises(runner.DataError, match="not in this process"):
        mine.load()


def test_arrays_are_named_by_their_number() -> None:
    frame, series = pandas.DataFrame(X, columns=list("abcd")), pandas.Series(CLASSES)
    for data in ((X, CLASSES), (frame, series), [X.tolist(), CLASSES.tolist()]):
        named = named_arrays(data)
        assert named is not None
        assert list(named) == ["x", "y"]
        assert (named["x"] == X).all()
        assert (named["y"] == CLASSES).all()
    assert list(named_arrays(tuple(PARTS.values())) or ()) == list(PARTS)
    assert list(named_arrays(PARTS) or ()) == list(PARTS)
    assert named_arrays("digits") is named_arrays(None) is named_arrays({"name": "mnist"}) is None


def test_a_record_knows_its_arrays_by_their_checksum() -> None:
    run = runner.train(data=(X, CLASSES), record="mine", **SMALL)
    losses = run.steps["train_loss"].copy()
    assert runner.train(data=(X, CLASSES), record="mine", **SMALL).summary == run.summary
    other = X.copy()
    other[7, 2] += 1e-6
    with pytest.raises(runner.ConfigError, match="has the record of another run"):
        runner.train(data=(other, CLASSES), record="mine", **SMALL)
    (loaded,) = runner.load("mine")  # the arrays are not known any more
    assert (loaded.predict(X) == run.predict(X)).all()
    assert loaded.params.keys() == run.params.keys()
    line = CommandLine(Path.cwd())("--rerun", "mine", "--into", "again")
    assert (line.returncode, line.stdout) == (2, "")
    assert "these arrays are not in this process; they are given in Python" in line.stderr
    assert line.stderr.count("\n") == 1
    assert not Path("again").exists()
    for given_again in ({}, {"data": (other, CLASSES)}):
        with pytest.raises(runner.ConfigError, match="these arrays are not in this process"):
            runner.train(resume=run, steps=25, **given_again)
    longer = runner.train(resume=run, steps=25, data=(X, CLASSES), progress=False)
    assert (longer.steps["train_loss"][:20] == losses).all()
    assert len(longer.steps) == 25


def test_a_sweep_over_arrays() -> None:
    runs = runner.sweep({"seed": [0, 1]}, data=(X, CLASSES), **SMALL)
    assert [run.config["data"]["rows"] for run in runs] == [[90], [90]]
    dated = runner.train(data=(X, CLASSES), record=True, **SMALL)
    assert "sha256" not in (dated.directory or Path()).name


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (X, "data: is one array; expected inputs and targets"),
        ((X,), "data: has 1 arrays; expected"),
        ((X, CLASSES[:-1]), "data: 90 rows in x, but 89 in y"),
        ((X, ["a"] * 90), "data, y: has the type <U1, expected numbers"),
        (([[1, 2], [3]], [0, 1]), "data, x: is no array"),
        (
            (np.where(X[3, 0] == X, np.nan, X), CLASSES),
            r"data, x\[3\]: a number that is not finite",
        ),
        ((X, CLASSES - 5), "classes from -5 to -3"),
        ((X[:2], CLASSES[:2]), "leaves 2 examples for training and 0 for testing"),
        ({"x": X}, "data: has the arrays x; expected inputs and targets"),
    ],
)
def test_what_is_wrong_with_arrays_is_said_in_one_line(data: Any, message: str) -> None:
    with pytest.raises(runner.ConfigError, match=message) as caught:
        runner.train(data=data, **SMALL)
    assert "\n" not in str(caught.value)
    assert not list(Path.cwd().iterdir())
