"""Types and ranges of config values."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
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


@pytest.mark.parametrize(
    ("value", "limits", "words"),
    [
        (1e39, Range(minimum=0), "too large for single precision, which ends at 3.403e"),
        (1e-50, Range(minimum=0), "is 0 in single precision, whose least number is 1.175e-38"),
        (1e-39, None, "is 0 in single precision"),  # kept by NumPy, not by a CPU under XLA
        (0.99999999999, Range(below=1), "is 1 in single precision: it must be less than 1"),
        (1.00000000001, Range(above=1), "is 1 in single precision: it must be greater than 1"),
        (3_000_000_000, None, "is too large: integers go up to 2,147,483,647"),
    ],
)
def test_numbers_are_checked_as_they_are_computed(
    value: float, limits: Range | None, words: str
) -> None:
    expected = int if isinstance(value, int) else float
    with pytest.raises(ValueError, match=re.escape(words)):
        convert(value, expected, limits, computed=True)
    assert convert(value, expected, limits) == value, "the same number is right for a figure"


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        (float(np.finfo(np.float32).max), None),
        (float(np.finfo(np.float32).tiny), Range(above=0)),
        (1 - 2**-24, Range(below=1)),  # the last number of single precision below 1
        (0.1, Range(minimum=0.1, maximum=0.1)),  # rounded on both sides alike
        (0.0, Range(minimum=0)),
        (-1e-30, None),
    ],
)
def test_numbers_at_the_ends_are_kept(value: float, limits: Range | None) -> None:
    assert convert(value, float, limits, computed=True) == value


def test_a_number_that_no_float_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a finite number"):
        convert(10**400, float)
