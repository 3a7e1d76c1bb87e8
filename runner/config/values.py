"""Values of a config: converted to the type of their field and checked against its range.

A field of an option may be a `float`, `int`, `bool`, `str`, `Literal[...]`, `tuple[T, ...]`, one of
these or None, or a number or a tuple of numbers. An integer is accepted where a float is expected,
but not the other way round, and a bool is not a number.

The numbers of an option are checked as they will be computed: a float in single precision, an
integer in 32 bits. What is too large for them, or becomes 0 or the excluded end of its range there,
is refused, for the run would compute with another number than the one that was typed.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import struct
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from runner.errors import ConfigError, nearest
from runner.options.option import Range

_Kind = TypeVar("_Kind")

LARGEST_INTEGER = 2**31 - 1
"""The largest integer that a program counts to."""

_LARGEST_FLOAT = (2 - 2**-23) * 2.0**127
_LEAST_FLOAT = 2.0**-126
"""The least positive number that every device keeps; smaller ones become 0 on a CPU."""


# Cached, since a sweep asks for every run.
types_of: Callable[[Any], dict[str, Any]] = functools.cache(get_type_hints)
"""The types of the fields of a class, by name."""


def from_plain(kind: type[_Kind], values: Mapping[str, Any], prefix: str = "") -> _Kind:
    """Make a dataclass from plain values.

    Args:
        kind: the dataclass; a field declared with `number(...)` has a range.
        values: values by field. Other keys are ignored; fields without a value keep their default.
        prefix: what the user types before the name of a field, for error messages.

    Raises:
        ConfigError: a value is not of the type or in the range of its field.
    """
    hints = types_of(kind)
    found = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name not in values:
            continue
        value, limits = values[field.name], field.metadata.get("range")
        try:
            found[field.name] = convert(value, hints[field.name], limits, usual=field.default)
        except ValueError as problem:
            raise ConfigError(f"{prefix}{field.name}={shown(value)} {problem}") from None
    return kind(**found)


def shown(value: Any) -> str:
    """Return a value as the user would type it: `null`, `true`, `[64,32]`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(shown, value)) + "]"
    return str(value)


def convert(
    value: Any,
    expected: Any,
    limits: Range | None = None,
    *,
    computed: bool = False,
    usual: Any = None,
) -> Any:
    """Convert a plain value to the type of a field.

    Args:
        value: a number, bool, text, list or None, as Hydra leaves them.
        expected: the type of the field.
        limits: the range of the field, for the value or for each item of a list.
        computed: whether a program computes with the number, in single precision or 32 bits.
        usual: the default of the field; a list of several items is the example of a message.

    Raises:
        ValueError: it cannot be converted. The message completes a sentence that starts with the
            key: `must be a number`.
    """
    if get_origin(expected) in (Union, types.UnionType):
        return _one_arm(value, expected, limits, computed, usual)
    if get_origin(expected) is Literal:
        if value not in get_args(expected) or isinstance(value, bool):
            names = [str(name) for name in get_args(expected)]
            meant = nearest(str(value), names)
            hint = f"; did you mean {meant}?" if meant else ""
            raise ValueError(f"must be one of {', '.join(names)}{hint}")
        return value
    if get_origin(expected) is tuple:
        inner = get_args(expected)[0]
        if not isinstance(value, list | tuple):
            raise ValueError(f"must be a list, like {_example(inner, usual)}")
        if inner is int and any(isinstance(item, float) for item in value):
            raise ValueError(f"must be a list of whole numbers, like {_example(inner, usual)}")
        return tuple(convert(item, inner, limits, computed=computed) for item in value)
    found = _within(_scalar(value, expected), limits)
    if computed:
        _check_computed(found, limits)
    return found


def _one_arm(value: Any, expected: Any, limits: Range | None, computed: bool, usual: Any) -> Any:
    """Convert to the arm of a union that suits the value: null, a list, or a single value."""
    arms = get_args(expected)
    is_optional = types.NoneType in arms
    if value is None and is_optional:
        return None
    lists = [arm for arm in arms if get_origin(arm) is tuple]
    single = [arm for arm in arms if arm not in (*lists, types.NoneType)]
    suited = lists or single if isinstance(value, list | tuple) else single or lists
    try:
        return convert(value, suited[0], limits, computed=computed, usual=usual)
    except ValueError as problem:
        other = ", or null" if is_optional else ""
        if lists and single and not isinstance(value, int | float | list | tuple):
            items = "them" if get_origin(single[0]) is Literal else "numbers"
            other = f", or a list of {items}{other}"
        raise ValueError(f"{problem}{other}") from None


def _scalar(value: Any, expected: type) -> Any:
    """Convert a single value."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if expected is float:
        if not is_number:
            raise ValueError("must be a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise ValueError("must be a finite number")
        return number
    if expected is int:
        if not is_number or isinstance(value, float):
            raise ValueError("must be a whole number")
        return value
    if not isinstance(value, expected):
        words = {bool: "true or false", str: "text"}
        raise ValueError(f"must be {words.get(expected, expected.__name__)}")
    return value


def _within(value: Any, limits: Range | None) -> Any:
    """Check the range of a number."""
    if limits is not None and value not in limits:
        raise ValueError(f"is out of range: it must be {limits}")
    return value


def _check_computed(value: Any, limits: Range | None) -> None:
    """Check that a program can compute with a number.

    Raises:
        ValueError: it is too large, or becomes 0 or the excluded end of its range.
    """
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise ValueError(f"is too large: integers go up to {LARGEST_INTEGER:,}")
    if not isinstance(value, float):
        return
    if abs(value) > _LARGEST_FLOAT:
        raise ValueError(f"is too large for single precision, which ends at {_LARGEST_FLOAT:.4g}")
    if 0 < abs(value) < _LEAST_FLOAT:
        raise ValueError(f"is 0 in single precision, whose least number is {_LEAST_FLOAT:.4g}")
    rounded = _single(value)
    ends = (limits.above, limits.below) if limits else ()
    if any(end is not None and rounded == _single(end) for end in ends):
        raise ValueError(f"is {rounded:g} in single precision: it must be {limits}")


def _single(value: float) -> float:
    """The nearest number in single precision."""
    (rounded,) = struct.unpack("f", struct.pack("f", value))
    return rounded


def _example(inner: type, usual: Any) -> str:
    if isinstance(usual, tuple) and len(usual) > 1:
        return shown(usual)
    return {int: "[64,32]", float: "[0.1,0.2]"}.get(inner, "[a,b]")


def interpolates(value: Any) -> bool:
    """Whether a plain value holds an interpolation of OmegaConf, `${...}`."""
    if isinstance(value, dict):
        return any(map(interpolates, value.values()))
    if isinstance(value, list):
        return any(map(interpolates, value))
    return isinstance(value, str) and "${" in value
