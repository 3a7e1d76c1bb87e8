"""The figure of examples before and after preprocessing, against NumPy."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import read_option
from test_compare import leave

import runner
from runner.compare.cli import run_command_line
from runner.data import Digits
from runner.errors import ConfigError

DIGITS = read_option("data", "digits")


def leave_run(directory: Path, data: dict[str, Any], **preprocessing: Any) -> Path:
    return leave(directory, [1.0] * 20, data=data, preprocessing=preprocessing)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four preprocessings of digits, one of them in two runs."""
    place = tmp_path_factory.mktemp("images")
    minmax = {"name": "minmax", "per": "dataset", "low": -1.0, "high": 1.0}
    leave_run(place / "0", DIGITS, **minmax)
    leave(place / "1", [1.0] * 20, data=DIGITS, preprocessing=minmax, optimizer={"name": "adam"})
    for run, (name, components, epsilon) in enumerate(
        [("pca_whiten", None, 0.1), ("zca_whiten", None, 0.1), ("zca_whiten", 20, 0.1)], start=2
    ):
        leave_run(place / str(run), DIGITS, name=name, components=components, epsilon=epsilon)
    return place


def titles(figure: Any) -> list[str]:
    return [panel.get_title() for panel in figure.axes]


def test_a_row_shows_the_first_example_of_each_class_in_each_form(
    folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "images.png"
    assert run_command_line([str(folder), "--figure", "images", "--output", str(output)]) == 0
    lines = (tmp_path / "images.data.csv").read_text().splitlines()[1:]
    pixels: dict[str, list[float]] = {}
    for point in csv.DictReader(lines):
        assert point["shows"] == "pixels"
        pixels.setdefault(point["line"], []).append(float(point["value"]))

    train = Digits().load().train
    inputs = train.inputs.reshape(len(train.inputs), -1).astype(float)
    firsts = [int(np.argmax(train.targets == digit)) for digit in range(10)]
    covariance = np.cov(inputs.T, bias=True)
    values, vectors = np.linalg.eigh(covariance)
    lengths = (values > 1e-9) / np.sqrt(values + 0.1 * np.trace(covariance) / 64)
    white = (inputs - inputs.mean(0)) @ (vectors * lengths) @ vectors.T
    few = (inputs - inputs.mean(0)) @ (vectors * lengths)[:, -20:] @ vectors[:, -20:].T
    expected = {
        "digits, as stored": inputs,
        "minmax": inputs / 8 - 1,
        "pca_whiten": white,
        "zca_whiten, 20": few,
        "zca_whiten, null": white,
    }
    assert list(pixels) == [f"{row}: {digit}" for row in expected for digit in range(10)]
    for row, images in expected.items():
        for digit, first in enumerate(firsts):
            got = pixels[f"{row}: {digit}"]
            np.testing.assert_allclose(got, images[first], rtol=1e-4, atol=1e-4)


def test_a_figure_says_what_it_shows_and_takes_the_look_that_was_chosen(folder: Path) -> None:
    figure = runner.load(folder).figure(
        kind="images", style="paper", title="Digits", labels=["minmax=Min-max"]
    )
    assert titles(figure)[:3] == ["digits, as stored", "Min-max", "pca_whiten"]
    assert figure.get_suptitle() == "Digits"
    assert figure.get_figwidth() == 3.3
    assert [text.get_text() for text in figure.axes[-1].get_xticklabels()] == list("0123456789")
    note = figure.get_supxlabel()
    assert "white: 0; red: positive, blue: negative" in note
    assert "pca_whiten: the sum of the axes" in note.replace("\n", " ")
    assert "edge" not in note, "the figure shows nothing that training gave"


def test_data_sets_are_shown_one_below_the_other(folder: Path, tmp_path: Path) -> None:
    leave_run(tmp_path / "a", DIGITS, name="none")
    leave_run(tmp_path / "b", DIGITS | {"split_seed": 1}, name="none")
    figure = runner.load(tmp_path).figure(kind="images")
    assert titles(figure) == ["digits, as stored", "none"] * 2
    first, _, other, _ = (panel.get_images()[0].get_array() for panel in figure.axes)
    assert not np.array_equal(first, other)


def test_of_many_preprocessings_the_first_are_shown(tmp_path: Path) -> None:
    for high in range(1, 14):
        leave_run(tmp_path / str(high), DIGITS, name="minmax", per="dataset", low=0, high=high)
    figure = runner.load(tmp_path).figure(kind="images")
    assert titles(figure) == ["digits, as stored", *(f"minmax, {high}" for high in range(1, 12))]
    assert "only the first 12 rows are shown" in figure.get_supxlabel()


@pytest.mark.parametrize(
    ("data", "preprocessing", "words"),
    [
        (read_option("data", "teacher"), "none", "an example of data=teacher has the shape [32]"),
        (read_option("data", "beale"), "none", "has the shape [0]"),
        ({"name": "mine"}, "none", "data=mine is not known here; if it is an option of your own"),
        (DIGITS | {"validation_examples": 5000}, "none", "data=digits is not known here"),
        (DIGITS, "my_map", "preprocessing=my_map is not known here"),
    ],
)
def test_what_cannot_be_shown_is_said(
    data: dict[str, Any], preprocessing: str, words: str, tmp_path: Path
) -> None:
    leave_run(tmp_path, data, name=preprocessing)
    with pytest.raises(ConfigError, match=re.escape(words)):
        runner.load(tmp_path).figure(kind="images")


def test_nothing_is_downloaded(tmp_path: Path) -> None:
    """The folder in a record is not one to write into."""
    leave_run(tmp_path / "run", read_option("data", "mnist") | {"dir": str(tmp_path / "data")})
    with pytest.raises(ConfigError, match=r"downloads nothing, and .*data/train-images.*not there"):
        runner.load(tmp_path / "run").figure(kind="images")
    assert not (tmp_path / "data").exists()
