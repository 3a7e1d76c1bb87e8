"""How a check of the contract fails."""

from __future__ import annotations


def require(condition: bool, otherwise: str) -> None:
    """Check a condition, also where Python leaves out assertions.

    Args:
        condition: what must hold.
        otherwise: what is said if it does not.

    Raises:
        AssertionError: it does not hold.
    """
    if not condition:
        raise AssertionError(otherwise)
