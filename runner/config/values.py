"""Values of a config: is this plain value of that type, and within that range?

The types are those a field of an option may have: `float`, `int`, `bool`, `str`, `Literal[...]`,
`tuple[T, ...]`, and any of these or None. An integer is accepted where a float is wanted, never the
other way round, and a bool is never a number.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from runner.errors import ConfigError
from runner.options.option import Range

_Settings = TypeVar("_Settings")


def settings(kind: type[_Settings], values: Mapping[str, Any], prefix: str = "") -> _Settings:
    """A dataclass of settings from plain values, each of the type and in the range of its field.

    Raises:
        ConfigError: one is not; `prefix` stands before its name.
    """
    types_of = get_type_hints(kind)
    found = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name not in values:
            continue
        value, limits = values[field.name], field.metadata.get("range")
        try:
            found[field.name] = convert(value, types_of[field.name], limits)
        except ValueError as problem:
            raise ConfigError(f"{prefix}{field.name}={value} {problem}") from None
    return kind(**found)


def shown(value: Any) -> str:
    """A value as the user would type it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return (
        "[" + ",".join(map(shown, value)) + "]" if isinstance(value, list | tuple) else str(value)
    )


def convert(value: Any, expected: Any, limits: Range | None = None) -> Any:
    """Return `value` as the expected type.

    Raises:
        ValueError: the rest of a sentence that begins with the key: `must be a number, ...`.
    """
    if get_origin(expected) in (Union, types.UnionType):
        return _optional(value, expected, limits)
    if get_origin(expected) is Literal:
        if value not in get_args(expected) or isinstance(value, bool):
            raise ValueError(f"must be one of {', '.join(map(str, get_args(expected)))}")
        return value
    if get_origin(expected) is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"must be a list, like {_example(get_args(expected)[0])}")
        return tuple(convert(item, get_args(expected)[0], limits) for item in value)
    return _within(_scalar(value, expected), limits)


def _optional(value: Any, expected: Any, limits: Range | None) -> Any:
    """Convert to a type that may also be null."""
    if value is None:
        return None
    (inner,) = (arm for arm in get_args(expected) if arm is not type(None))
    try:
        return convert(value, inner, limits)
    except ValueError as problem:
        raise ValueError(f"{problem}, or null") from None


def _scalar(value: Any, expected: type) -> Any:
    """Check the type of a single value."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if expected is float:
        if not is_number:
            raise ValueError("must be a number")
        if not math.isfinite(value):
            raise ValueError("must be a finite number")
        return float(value)
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


def _example(inner: type) -> str:
    return {int: "[64,32]", float: "[0.1,0.2]"}.get(inner, "[a,b]")
