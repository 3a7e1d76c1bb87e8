"""When two configs are those of the same run: when they have the same fingerprint."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from runner.config.keeping import KEPT
from runner.record.strict_json import in_one_line


def fingerprint(config: Mapping[str, Any]) -> str:
    """A config as one line of text, the same for equal configs: `1` and `1.0` are equal.

    By it a run is recognized where a sweep is resumed, and a copy where runs are compared. Settings
    that change no number of a run (`runner.config.keeping`) have no part in it, and files whose
    checksum is known are the same wherever they are.
    """
    own = {key: value for key, value in config.items() if key not in KEPT}
    data = own.get("data")
    if isinstance(data, Mapping) and data.get("sha256"):
        own["data"] = {key: value for key, value in data.items() if key != "path"}
    items = (f"{json.dumps(key)}: {_comparable(in_one_line(own[key]))}" for key in sorted(own))
    return "{" + ", ".join(items) + "}"


def _comparable(text: str) -> str:
    """A value as JSON that is the same for equal values; most are those of another run."""
    return _remembered(text) if len(text) <= _SHORT else _with_floats_in(text)


def _with_floats_in(text: str) -> str:
    return json.dumps(_with_floats(json.loads(text)), sort_keys=True)


_remembered = functools.lru_cache(maxsize=1024)(_with_floats_in)
_SHORT = 4096
"""Longer texts are not remembered: a folder may hold anything."""


def _with_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
