"""Types and ranges of config values."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from runner.config.values import convert
from runner.options.option import PerLayer, Range


@pytest.mark.parametrize(
    ("value", "expected", "result"),
    [
        (1, float, 1.0),
        (0.5, float, 0.5),
        (3, int, 3),
        (True, bool, True),
        ("a", Literal["a", "b"], "a"),
        ([1, 2], tuple[int, ...], (1, 2)),
        ([], tuple[int, ...], ()),
        (None, int | None, None),
        (4, int | None, 4),
        ("x", str | None, "x"),
        (2, PerLayer, 2.0),
        ([1, 2.5], PerLayer, (1.0, 2.5)),
    ],
)
def test_right_values_are_converted(value: Any, expected: Any, result: Any) -> None:
    converted = convert(value, expected)
    assert converted == result
    assert type(converted) is type(result)


@pytest.mark.parametrize(
    ("value", "expected", "words"),
    [
        ("abc", float, "must be a number"),
        (True, float, "must be a number"),
        (None, float, "must be a number"),
        (float("nan"), float, "finite"),
        (float("inf"), float, "finite"),
        (1.0, int, "must be a whole number"),
        (True, int, "must be a whole number"),
        (1, bool, "true or false"),
        (1, str, "must be text"),
        ("c", Literal["a", "b"], "one of a, b"),
        (3, tuple[int, ...], "must be a list, like"),
        (["a"], tuple[int, ...], "must be a whole number"),
        ("a", int | None, "must be a whole number, or null"),
        ("a", PerLayer, "must be a number, or a list of numbers"),
        ([1, "a"], PerLayer, "must be a number"),
        ([[1]], PerLayer, "must be a number"),
    ],
)
def test_wrong_types_are_refused(value: Any, expected: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        convert(value, expected)


def test_ranges_are_checked_also_inside_lists() -> None:
    with pytest.raises(ValueError, match="out of range: it must be at least 1"):
        convert([3, 0], tuple[int, ...], Range(minimum=1))
    with pytest.raises(ValueError, match="less than 1"):
        convert(1, float, Range(below=1))
