"""Data of the user's own: what is read, how it is encoded, and what is said of mistakes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import own_files
import pandas
import pytest
from command_line import CommandLine
from conftest import compose
from PIL import Image
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from runner.config.values import from_plain
from runner.data import CSV, NPZ, Dataset, Diabetes, Images, Source
from runner.engine.placement import place
from runner.errors import ConfigError, DataError

NO_SPLIT = {"split": (1, 0, 1)}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The files, to be changed."""
    own_files.write_files(tmp_path)
    return tmp_path


def wrong(source: Source) -> str:
    """The first mistake in a source, as a line."""
    try:
        return next(problem for _, problem in source.problems())
    except DataError as error:
        return str(error)
    except StopIteration:
        try:
            source.sizes()
        except DataError as error:
            return str(error)
    raise AssertionError("nothing is wrong")


def table(path: Path, text: str | bytes, **choices: Any) -> CSV:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return CSV(path=str(path), **{"target": "y", **NO_SPLIT, **choices})


def test_diabetes_is_that_of_scikit_learn() -> None:
    source = Diabetes()
    original = load_diabetes(scaled=False)
    train = source.load().train
    rows = np.random.RandomState(0).permutation(442)[: source.sizes().train]
    scaler = StandardScaler().fit(original.data[rows])
    np.testing.assert_allclose(train.inputs, scaler.transform(original.data[rows]), rtol=1e-4)
    deviation = original.target[rows].std()
    np.testing.assert_allclose(source.target_unit(), [deviation], rtol=1e-6)
    centred = original.target[rows] - original.target[rows].mean()
    np.testing.assert_allclose(train.targets[:, 0] * deviation, centred, rtol=1e-4, atol=1e-4)


def test_a_table_is_encoded_as_by_scikit_learn_fitted_to_training_rows() -> None:
    path = own_files.shared_files() / "houses.csv"
    source = CSV(path=str(path), target="price", ignore=("sold",))
    frame = pandas.read_csv(path)
    rows = np.random.RandomState(0).permutation(len(frame))
    train, test = rows[: source.sizes().train], rows[-source.sizes().test :]
    assert source.sizes() == (42, 9, 9)
    scaler = StandardScaler().fit(frame[["area", "rooms"]].iloc[train])
    words = OneHotEncoder(handle_unknown="ignore").fit(frame[["town"]].iloc[train])
    for own, split in ((train, source.load().train), (test, source.load().test)):
        numbers = np.nan_to_num(scaler.transform(frame[["area", "rooms"]].iloc[own]), nan=0.0)
        towns = words.transform(frame[["town"]].iloc[own]).toarray()
        np.testing.assert_allclose(split.inputs, np.hstack([numbers, towns]), rtol=1e-5, atol=1e-6)
        deviation = frame["price"].iloc[train].std(ddof=0)
        expected = (frame["price"].iloc[own] - frame["price"].iloc[train].mean()) / deviation
        np.testing.assert_allclose(split.targets[:, 0], expected, rtol=1e-4, atol=1e-6)
    assert (source.classes, source.outputs, source.input_shape) == (0, 1, (5,))
    assert "3 columns as 5 inputs; target: price, numbers of mean" in source.summary()
    assert "42 examples for training, 9 for validation, 9 for testing" in source.summary()


def test_targets_are_classes_or_numbers_as_they_look_or_as_the_task_says(files: Path) -> None:
    path = str(files / "houses.csv")
    sold = CSV(path=path, target="sold")
    assert (sold.classes, sold.load().train.targets.dtype) == (2, np.int32)
    assert "2 classes (no, yes)" in sold.summary()
    several = CSV(path=path, target=("price", "area"))
    assert (several.classes, several.outputs) == (0, 2)
    assert several.load().train.targets.shape == (42, 2)
    whole = table(files / "whole.tsv", "x\ty\n" + "".join(f"{i}\t{i % 3 + 5}\n" for i in range(9)))
    assert whole.classes == 3
    assert dataclasses.replace(whole, task="numbers").classes == 0
    assert dataclasses.replace(whole, target="x", task="numbers").outputs == 1


def test_given_splits_and_categories_of_numbers(files: Path) -> None:
    text = "x;zip;fold;y\n1;10;train;0.5\n2;20;train;1.5\n\n9;30;test;2.5\n"
    source = table(files / "t.csv", text, split_column="fold", categories=("zip",))
    assert source.sizes() == (2, 0, 1)
    data = source.load()
    np.testing.assert_allclose(data.train.inputs, [[-1, 1, 0], [1, 0, 1]])
    np.testing.assert_allclose(data.test.inputs, [[15, 0, 0]])  # a word that training has not
    source = table(files / "u.csv", text.replace("test", "tset"), split_column="fold")
    assert wrong(source).endswith(
        "u.csv, line 5, column 'fold': 'tset', expected train, validation or test"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n1,2\n3\n5,6\n", "line 3: 1 fields, expected 2 as in the header"),
        ("x,y\n1,2\n3,4,5\n", "line 3: 3 fields, expected 2 as in the header"),
        ("x,y\n1,2,3\n3,4,5\n", "line 2: 3 fields, expected 2 as in the header"),
        ("x,y\n1,2\n3,\n", "line 3, column 'y': the target is missing"),
        ("x,x,y\n1,2,3\n", "line 1: two columns have the name 'x'"),
        ("x,,y\n1,2,3\n", "line 1: column 2 has no name"),
        ("y\n1\n", "line 1: one column, 'y'; expected the names of several"),
        ("", "line 1: one column, ''"),
        ("x,y\n", "has no rows below its header"),
        ("x,y\n" + "1,2.5\n" * 20 + "l,2.5\n", "line 22, column 'x': 'l' is no number, as most"),
        ("x,y\n1,2.5\n1e39,2.5\n", "line 3, column 'x': 1e+39 is too large"),
        ("x,y\n,2.5\n,3.5\n", "column 'x': every value of the training rows is missing"),
        ("x,y\n1,a\n2,a\n", "column 'y': 1 different values in 2 rows, expected at least 2"),
        ("x,y\n" + "".join(f"w{i},{i}.5\n" for i in range(300)), "150 different words, expected"),
        ("x,y\n1,2.5\n", "the split leaves 1 for training and 0 for testing"),
        (b"x,y\n\xff\xfe,1\n", "is no text in UTF-8"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_said_with_its_place(
    text: str | bytes, message: str, tmp_path: Path
) -> None:
    said = wrong(table(tmp_path / "t.csv", text))
    assert message in said, said
    assert "\n" not in said


def test_a_changed_file_is_other_data(files: Path) -> None:
    chosen = {"name": "csv", "path": str(files / "houses.csv"), "target": "price"}
    before = compose(data=chosen)
    assert before == compose(data={**chosen, "sha256": before.data.sha256})
    (files / "houses.csv").write_text(own_files.houses(rows=61))
    after = compose(data=chosen)
    assert sum(after.data.sizes()) == 61
    assert after.data.sha256 != before.data.sha256
    with pytest.raises(ConfigError, match=r"data.sha256 is wrong: .* is not what it was"):
        compose(data={**chosen, "sha256": before.data.sha256})


def test_arrays_of_one_set_or_of_given_splits(files: Path) -> None:
    source = NPZ(path=str(files / "arrays.npz"))
    assert (source.input_shape, source.classes, source.sizes()) == ((6, 5, 1), 3, (28, 6, 6))
    assert source.load().train.inputs.dtype == np.uint8
    random = np.random.default_rng(1)
    parts = {"x_train": random.normal(size=(10, 4)), "y_train": random.normal(3, 2, (10, 2))}
    parts |= {"x_test": random.normal(size=(5, 4)), "y_test": random.normal(size=(5, 2))}
    np.savez(files / "given.npz", **parts)
    given = NPZ(path=str(files / "given.npz"), split=(8, 2, 0))
    assert wrong(given).startswith("[8, 2, 0] must be the shares")
    given = NPZ(path=str(files / "given.npz"), split=(8, 2, 1))
    data = given.load()
    assert given.sizes() == (8, 2, 5)
    np.testing.assert_array_equal(data.test.inputs, parts["x_test"].astype(np.float32))
    rows = np.random.RandomState(0).permutation(10)[:8]
    deviation = parts["y_train"][rows].std(axis=0)
    np.testing.assert_allclose(given.target_unit(), deviation, rtol=1e-6)
    expected = (parts["y_test"] - parts["y_train"][rows].mean(axis=0)) / deviation
    np.testing.assert_allclose(data.test.targets, expected, rtol=1e-5)


def test_integers_in_sequences_are_the_symbols_of_a_text(tmp_path: Path) -> None:
    """The same examples as those of the text that they stand for, and the same network."""
    letters = "the cat sat on the mat. " * 20
    (tmp_path / "a.txt").write_text(letters)
    text = {"name": "text", "path": str(tmp_path / "a.txt"), "steps": 8, "split": [2, 0, 1]}
    alphabet = sorted(set(letters))
    codes = np.array([alphabet.index(letter) for letter in letters])
    pieces = [codes[i : i + 480 // 8 * 8 - 8].reshape(-1, 8) for i in (0, 1)]
    parts = {f"{n}_{s}": p[r] for n, p in zip("xy", pieces, strict=True) for s, r in SLICES.items()}
    np.savez(tmp_path / "a.npz", **parts)
    path = {"name": "npz", "path": str(tmp_path / "a.npz"), "split": [1, 0, 1]}
    model = {"name": "lstm", "widths": [4]}
    mine, theirs = (compose(data=data, model=model) for data in (path, text))
    for own, expected in zip(mine.data.load(), theirs.data.load(), strict=True):
        np.testing.assert_array_equal(own.inputs, expected.inputs)
        np.testing.assert_array_equal(own.targets, expected.targets)
    assert mine.facts()._replace(parameters=0) == theirs.facts()._replace(parameters=0)
    assert mine.facts().parameters() == theirs.facts().parameters()
    assert mine.error_kind is theirs.error_kind
    assert f"8 steps, each one of {len(alphabet)} symbols" in str(mine.data.summary())
    with pytest.raises(ConfigError, match="use model=rnn, lstm, gru or transformer"):
        compose(data=path)


SLICES = {"train": slice(0, 40), "test": slice(40, None)}


@pytest.mark.parametrize(
    ("inputs", "targets", "shape", "outputs"),
    [
        (np.ones((6, 5, 3)), np.arange(30).reshape(6, 5) % 2, (5, 3), (5, 2)),
        (np.ones((6, 5, 3), np.uint8), np.arange(30).reshape(6, 5) % 2, (5, 3), (5, 2)),
        (np.ones((6, 5)), np.arange(30).reshape(6, 5) % 2, (5, 1), (5, 2)),
        (np.arange(30).reshape(6, 5) % 3, np.arange(30).reshape(6, 5) % 2, (5,), (5, 2)),
        (np.ones((6, 5, 3)), np.arange(6) % 2, (5, 3), (2,)),
        (np.ones((6, 5, 3)), np.arange(6.0), (5, 3), (1,)),
    ],
)
@pytest.mark.parametrize("name", ["rnn", "transformer"])
def test_sequences_have_a_target_or_one_at_each_step(
    name: str, inputs: Any, targets: Any, shape: Any, outputs: Any, tmp_path: Path
) -> None:
    np.savez(tmp_path / "a.npz", x=inputs, y=targets)
    model = {"name": name, "widths": [4]} if name == "rnn" else {"name": name, "width": 4}
    model |= {"heads": 2} if name == "transformer" else {}
    data = {"name": "npz", "path": str(tmp_path / "a.npz"), "split": [1, 0, 1]}
    experiment = compose(data=data, model=model, batch_size={"size": 2})
    assert experiment.data.input_shape == shape
    network = experiment.network()

    def apply(key: jax.Array) -> jax.Array:
        params, state, _ = network.init(key, experiment.input_shape)
        return network.apply(params, state, jax.numpy.ones((2, *shape)), False)[0]

    assert jax.eval_shape(apply, jax.random.key(0)).shape == (2, *outputs)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.ones((2, 3)), "y": [[0, 1], [1, 0]]}, "y: [2] integers an example, expected"),
        ({"x": [[0, 1], [2, -1]], "y": [[0, 1], [1, 0]]}, "x: symbols from -1 to 2; expected 0"),
        ({"x": [[0, 1], [2, 1]], "y": [[0, 0], [0, 0]]}, "y: symbols from 0 to 0; expected 0, 1"),
        ({"x": [[0, 1], [2, 70_000]], "y": [[0, 1], [1, 0]]}, "x: symbols from 0 to 70000; exp"),
        ({"x": np.ones((0, 3)), "y": np.ones(0)}, "x: is empty; its shape is [0, 3]"),
        (
            {"x_train": [[1.0]], "y_train": [1.0], "x_test": [[1.0]], "y_test": [[1.0, 2.0]]},
            "y_test: an example has the shape [2], expected [] as in y_train",
        ),
        (
            {"x_train": [[1.0]], "y_train": [1], "x_test": [[1.0]], "y_test": [0.5]},
            "y_train is int64, y_test is float64; classes are integers, and numbers are floats",
        ),
        ({"x_train": [[1.0]], "y_train": [1], "x_test": [[1.0]]}, "has x_test, but no y_test"),
        ({"x": np.ones((3, 2)), "y": np.eye(3, dtype=int)}, "are y.argmax(axis=1)"),
        ({"a": [1]}, "has the arrays a; expected inputs and targets, or x_train"),
        ({"x": [[1.0], [2.0]], "y": [0]}, "2 rows in x, but 1 in y"),
        ({"x": [[1.0], [np.nan]], "y": [0, 1]}, "x[1]: a number that is not finite"),
        ({"x": ["a", "b"], "y": [0, 1]}, "x: has the type <U1, expected numbers"),
        ({"x": [[1.0], [2.0]], "y": [0, 700]}, "classes from 0 to 700, 2 of them used"),
        ({"x": [[1.0]], "y": [[0, 1]]}, "y: [2] integers an example, expected one class"),
        ({"x": np.array([{}, {}]), "y": [0, 1]}, "Object arrays cannot be loaded"),
    ],
)
def test_what_is_wrong_with_arrays_is_said(
    arrays: dict[str, Any], message: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    assert message in wrong(NPZ(path=str(tmp_path / "a.npz")))


def test_classes_that_do_not_occur_are_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones((9, 2)), y=np.arange(9) % 3 + 1)
    assert "target: 4 classes, 3 of which occur; " in NPZ(path=str(tmp_path / "a.npz")).summary()


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.data.own.npz.LARGEST_BYTES", 10_000)
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((9, 5000)), y=np.arange(9) % 2)
    assert "GiB of data, expected at most" in wrong(NPZ(path=str(tmp_path / "a.npz")))


def test_images_stay_bytes_and_classes_are_folders(files: Path) -> None:
    source = Images(path=str(files / "pets"))
    assert (source.input_shape, source.classes, source.sizes()) == ((20, 16, 1), 2, (18, 3, 3))
    data = source.load()
    assert data.train.inputs.dtype == np.uint8
    first = np.random.RandomState(0).permutation(24)[0]
    name = f"{['cat', 'dog'][first // 12]}/{first % 12:02d}.png"
    with Image.open(files / "pets" / name) as image:
        np.testing.assert_array_equal(data.train.inputs[0, ..., 0], np.asarray(image))
    assert data.train.targets[0] == first // 12
    scaled = Images(path=str(files / "pets"), size=(3, 4), colors="rgb")
    assert scaled.input_shape == (3, 4, 3)
    experiment = compose(data={"name": "images", "path": source.path}, batch_size={"size": 6})
    assert place(experiment, data).inputs.dtype == np.uint8


def test_folders_of_splits_are_the_splits(tmp_path: Path) -> None:
    for split, count in (("train", 3), ("val", 1), ("test", 2)):
        for kind in ("a", "b"):
            (tmp_path / split / kind).mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (4, 4), (number, 0, 9)).save(
                    tmp_path / split / kind / f"{number}.jpg"
                )
    source = Images(path=str(tmp_path))
    assert (source.sizes(), source.classes, source.input_shape) == ((6, 2, 4), 2, (4, 4, 3))
    digest = source.digest()
    Image.new("RGB", (4, 4)).save(tmp_path / "test" / "a" / "7.png")
    assert source.sizes() == (6, 2, 5)
    assert source.digest() != digest


def test_what_is_wrong_with_images_is_said(files: Path) -> None:
    source = Images(path=str(files / "pets"))
    Image.new("L", (9, 9)).save(files / "pets" / "dog" / "99.png")
    assert "99.png: 9x9 pixels, expected 20x16 as of 00.png; scale all with data.size" in wrong(
        source
    )
    (files / "pets" / "dog" / "99.png").rename(files / "pets" / "dog" / "98.png")
    (files / "pets" / "dog" / "98.png").write_bytes(b"GIF89a")
    assert "98.png: is no PNG or JPEG image that can be read" in wrong(source)
    (files / "empty").mkdir()
    assert "has no images" in wrong(Images(path=str(files / "empty")))
    assert "is no folder" in wrong(Images(path=str(files / "none")))


def test_a_network_learns_a_table_and_a_resumed_sweep_notices_changed_data(
    runner: CommandLine, tmp_path: Path
) -> None:
    own_files.write_files(tmp_path)
    line = ["-m", "data=csv", "data.path=houses.csv", "data.target=price", "hydra.sweep.dir=s"]
    line += ["seed=0", "epochs=2", *LINEAR]
    done = runner(*line)
    assert done.returncode == 0, done.stderr
    assert "Data:   houses.csv: 3 columns as 5 inputs; target: price" in done.stderr
    assert "best validation absolute error of price" in done.stdout
    said = runner.compare("s", "--figure", "final").stdout
    assert "final validation absolute error of price" in said
    assert "validation error" not in done.stdout + said
    assert "0 of 1 runs to run" in runner(*line, "dry_run=true").stdout
    (tmp_path / "houses.csv").write_text(own_files.houses().replace("Jena", "Kiel"))
    assert "1 of 1 runs to run" in runner(*line, "dry_run=true").stdout


LINEAR = ("model=linear", "optimizer.learning_rate=0.001", "data.ignore=[sold]")


def test_one_run_says_what_its_error_is(runner: CommandLine, tmp_path: Path) -> None:
    own_files.write_files(tmp_path)
    done = runner("data=csv", "data.path=houses.csv", "data.target=price", "epochs=1", *LINEAR)
    assert "val absolute error " in done.stderr
    assert "final absolute" in done.stdout
    assert "Error:  mean absolute error of price, in its unit\n" in done.stdout


def test_a_file_as_the_name_of_the_data_is_explained(runner: CommandLine) -> None:
    said = runner("data=sub/houses.csv").stderr
    assert said == (
        "runner: error: data=sub/houses.csv is not a known data; did you mean data=csv "
        "data.path=sub/houses.csv data.target=<column>?\n"
    )


def test_a_recorded_source_is_made_again() -> None:
    chosen = {"name": "csv", **own_files.choice("csv"), "split": [70, 15, 15]}
    assert isinstance(from_plain(CSV, chosen).load(), Dataset)
