"""What the summary of a run has in it, whoever wrote it: what all that read it rely on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.config.keys import SEED

_KNOWN = (SEED, "train_examples", "total_steps", "total_epochs")
"""Numbers that are known before a run trains."""

_AT_THE_END = ("steps", "epochs", "seconds", "diverged_at")
"""Numbers that a run has when it has ended, or null."""


def is_summary(found: Any) -> bool:
    """Whether a JSON value is the summary of a run, with values of the right types."""
    if not isinstance(found, dict):
        return False
    return (
        isinstance(found.get("config"), dict)
        and isinstance(found.get("status"), str)
        and isinstance(found.get(SEED), int)
        and all(_is_number(found.get(key)) for key in _KNOWN)
        and all(_is_number(found.get(key, 0), or_null=True) for key in _AT_THE_END)
        and all(_are_measures(found.get(key)) for key in ("final", "best", "stopped_at"))
    )


def _is_number(value: Any, *, or_null: bool = False) -> bool:
    return (value is None and or_null) or isinstance(value, int | float)


def _are_measures(value: Any) -> bool:
    """Whether a value is null or has a number, or null, under each of its names."""
    if value is None:
        return True
    return isinstance(value, Mapping) and all(
        _is_number(each, or_null=True) for each in value.values()
    )
