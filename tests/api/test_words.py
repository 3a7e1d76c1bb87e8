"""Python values become the overrides that a person would type, and Hydra reads them as typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import strategies as values

from runner.api.words import swept_words, words_of
from runner.errors import ConfigError
from runner.options.optimizer.adam import Adam
from runner.options.optimizer.base import Optimizer
from runner.options.option import option


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"epochs": 5}, ["epochs=5"]),
        ({"optimizer": "adam"}, ["optimizer=adam"]),
        ({"optimizer": {"name": "adam", "b1": 0.8}}, ["optimizer=adam", "optimizer.b1=0.8"]),
        ({"model": {"widths": (64, 32)}}, ["model.widths=[64,32]"]),
        ({"model.widths": range(2)}, ["model.widths=[0,1]"]),
        ({"batch_size": 64}, ["batch_size=64"]),
        ({"batch_size": "64"}, ["batch_size='64'"]),
        ({"steps": None, "weights": False}, ["steps=null", "weights=false"]),
        ({"optimizer.learning_rate": np.float32(0.5)}, ["optimizer.learning_rate=0.5"]),
        ({"model.widths": np.array([8, 4])}, ["model.widths=[8,4]"]),
        ({"gradient": ["clip_norm", "noise"]}, ["gradient=[clip_norm,noise]"]),
        (
            {"gradient": {"clip_norm": {"threshold": 1}, "noise": {}}},
            ["gradient=[clip_norm,noise]", "gradient.clip_norm.threshold=1"],
        ),
        (
            {"optimizer": {"name": "sam", "base": {"name": "adam", "b1": 0.8}}},
            ["optimizer=sam", "optimizer.base=adam", "optimizer.base.b1=0.8"],
        ),
        ({"data.path": Path("a b.csv")}, ['data.path="a b.csv"']),
        ({"data.path": "null"}, ['data.path="null"']),
    ],
)
def test_settings_are_words(given: dict[str, Any], expected: list[str]) -> None:
    assert words_of(given) == expected


def test_the_values_of_a_grid_are_tried_one_by_one() -> None:
    grid = {
        "optimizer": ["sgd", "adam"],
        "seed": range(3),
        "optimizer.learning_rate": np.array([0.1, 0.5]),
        "model.widths": [[8], [8, 8]],
        "epochs": 2,
        "model": {"depth": 2},
        "batch_size": (16, "full"),
    }
    assert swept_words(grid) == [
        "optimizer=sgd,adam",
        "seed=0,1,2",
        "optimizer.learning_rate=0.1,0.5",
        "model.widths=[8],[8,8]",
        "epochs=2",
        "model.depth=2",
        "batch_size=16,full",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": object()}, "epochs: object has no form in a config"),
        ({"a b": 1}, "'a b' is not a key"),
        ({3: 1}, "3 is not a key"),
        ({"model": {}}, "model: the dictionary is empty"),
        ({"model": {"wid ths": 1}}, "'wid ths' is not a key"),
    ],
)
def test_what_has_no_form_is_refused(given: dict[Any, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        words_of(given)


def test_a_grid_without_values_and_one_of_dictionaries_are_refused() -> None:
    with pytest.raises(ConfigError, match="seed: has no values"):
        swept_words({"seed": []})
    with pytest.raises(ConfigError, match="a dictionary is not one of several values"):
        swept_words({"optimizer": [{"name": "adam"}]})


numbers = values.integers() | values.floats(allow_nan=False) | values.booleans() | values.none()
texts = values.text(values.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12)


@hypothesis.settings(max_examples=30, deadline=None)
@hypothesis.given(numbers | texts | values.lists(numbers | texts, max_size=3))
@hypothesis.example("A\u00b9")
def test_hydra_reads_the_value_that_was_given(value: Any) -> None:
    (word,) = words_of({"key": value})
    read = OverridesParser.create().parse_override(word).value()
    plain = [_unquoted(item) for item in read] if isinstance(read, list) else _unquoted(read)
    assert plain == value
    assert type(plain) is type(value)


def _unquoted(read: Any) -> Any:
    return getattr(read, "text", read)  # text in quotes keeps what the quotes were


def test_an_option_is_its_name_and_its_numbers() -> None:
    assert words_of({"optimizer": Adam(b1=0.8)}) == [
        "optimizer=adam",
        "optimizer.learning_rate=0.001",
        "optimizer.b1=0.8",
        "optimizer.b2=0.999",
        "optimizer.eps=1e-08",
    ]

    @option
    class Mine(Optimizer):
        def build(self, learning_rate: Any) -> Any:
            raise AssertionError

    with pytest.raises(ConfigError, match=r"Mine is not known: runner\.plugin\.register"):
        words_of({"optimizer": Mine()})
