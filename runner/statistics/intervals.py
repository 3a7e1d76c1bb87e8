"""Confidence intervals of a mean under Student's t distribution."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

# The 97.5 % quantiles of Student's t distribution, by degrees of freedom from 1.
# fmt: off
_T_QUANTILES = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)
# fmt: on
_NORMAL_QUANTILE = 1.960


def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t distribution (of the normal one above 30 degrees)."""
    return _T_QUANTILES[freedom - 1] if freedom <= len(_T_QUANTILES) else _NORMAL_QUANTILE


def interval_factor(count: int) -> float:
    """The factor t / sqrt(n): times the standard deviation, half the width of a mean's interval."""
    return t_quantile(count - 1) / math.sqrt(count)


def half_width(values: Sequence[float]) -> float | None:
    """Half the width of the 95 % confidence interval of a mean; None for fewer than three values.

    Of two values it would be 12.7 standard errors, and say no more than the two themselves.
    """
    if len(values) < 3:
        return None
    return interval_factor(len(values)) * statistics.stdev(values)
