"""Strict JSON: a number that is not finite (a loss that diverged) is null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

_STRICT = json.JSONEncoder(allow_nan=False)


def in_one_line(value: Any) -> str:
    """A value as JSON in one line; a number that is not finite is null."""
    try:
        return _STRICT.encode(value)
    except (TypeError, ValueError):  # few values need the slow way
        return json.dumps(finite(value))


def finite(value: Any) -> Any:
    """The same value, with None for every number that is not finite."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
