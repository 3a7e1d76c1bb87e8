"""How far runs are above the known minimum of their problem, and at which rate that falls."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from runner.compare.curve import Curve, curve
from runner.compare.curve_summary import Row
from runner.compare.grouping import Group
from runner.compare.rate_theory import factor_in_theory
from runner.compare.recorded_options import recorded_option
from runner.compare.runs import Run
from runner.compare.tables import format_number
from runner.data.problem import Problem
from runner.errors import ConfigError
from runner.measures import SPLITS
from runner.statistics.rates import Rate, rate, with_digits

_LEAST_PART = 1e-6
"""What single precision leaves of a difference, relative to what is subtracted."""


def least_loss(run: Run, measure: str) -> float:
    """The least value that a loss of a run can have.

    Raises:
        ConfigError: it is not known, or the measure is no loss.
    """
    split = next((name for name in SPLITS if measure.startswith(name)), SPLITS[0])
    if not measure.endswith("_loss"):
        raise ConfigError(f"the figure rate needs a loss, as train_loss; {measure} is none")
    data = recorded_option(run, "data")
    least = data.least_loss(split) if isinstance(data, Problem) else None
    if least is None:
        raise ConfigError(
            "the figure rate needs problems whose least loss is known (data=noisy_quadratic, "
            f"data=ravine and the like); {run.directory} is on data={run.settings.get('data')}"
        )
    return least


def excess(run: Run, measure: str) -> Curve:
    """The excess of a loss over its least value, by iteration; without what rounding makes of it.

    Raises:
        ConfigError: the least value is not known.
    """
    least = least_loss(run, measure)
    found = curve(run, measure, "iteration")
    above = found.y - least
    kept = np.abs(above) > _LEAST_PART * abs(least)
    end = len(kept) if kept.all() else int(np.argmin(kept))
    return found._replace(x=found.x[:end], y=above[:end])


def group_rate(group: Group, measure: str) -> Rate | None:
    """The fitted rate of a group; None if a run diverged or is too short.

    Raises:
        ConfigError: the least value is not known.
    """
    curves = [excess(run, measure) for run in group.runs]
    if any(line.diverged is not None for line in curves):
        return None
    return rate([(line.x, line.y) for line in curves])


def rate_cells(rows: Sequence[Row], measure: str) -> list[list[str]]:
    """Columns of a table for some groups: a header, and the excess and the rate of each.

    Raises:
        ConfigError: the least value is not known.
    """
    known = [factor_in_theory(row.group.runs[0], measure) for row in rows]
    has_theory = any(factor is not None for factor in known)
    lines = [["final excess", "rate (95 %)", *["theory"] * has_theory]]
    for row, factor in zip(rows, known, strict=True):
        least = [least_loss(run, measure) for run in row.group.runs]
        found = group_rate(row.group, measure)
        final = row.median.final - sum(least) / len(least)
        line = [format_number(final if math.isfinite(final) else math.inf)]
        line.append("-" if found is None else str(found))
        words = "-" if factor is None else f"{with_digits(factor, factor)}^k"
        lines.append([*line, *[words] * has_theory])
    return lines


def rate_columns(groups: Sequence[Group], measure: str) -> list[list[str]]:
    """Columns for programs: a header, and the plain numbers of each group's rate.

    They are the law, the power or the factor a step with the ends of its 95 % interval, and the
    factor a step that theory knows; empty where there is none.

    Raises:
        ConfigError: the least value is not known.
    """
    lines = [["rate_law", "rate", "rate_low_95", "rate_high_95", "rate_in_theory"]]
    for group in groups:
        found, factor = group_rate(group, measure), factor_in_theory(group.runs[0], measure)
        is_falling = found is not None and found.is_falling
        numbers = [found.value, found.low, found.high] if found and is_falling else [None] * 3
        law = "" if found is None else found.law if is_falling else "does not fall"
        cells = ["" if one is None else f"{one:.9g}" for one in (*numbers, factor)]
        lines.append([law, *cells])
    return lines
