"""How a check of the contract fails."""

from __future__ import annotations


def require(condition: bool, otherwise: str) -> None:
    """Raise an `AssertionError`, also where Python leaves out assertions, unless it holds."""
    if not condition:
        raise AssertionError(otherwise)
