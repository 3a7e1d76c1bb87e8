"""Performance profiles: on which part of the problems a competitor is almost as fast as the best.

On each problem p each competitor s takes a time t(s, p) to the problem's target: the median over
seeds, infinite unless more than half of them reach it. With the ratio

    r(s, p) = t(s, p) / min over s' of t(s', p)

the profile is rho(s, tau), the part of the problems with r(s, p) <= tau, and the score its mean
over tau from 1 to r_max = 4:

    score(s) = 1 / (r_max - 1) * integral from 1 to r_max of rho(s, tau) dtau.

Dolan & More 2002; Dahl et al. 2023 (AlgoPerf), section 4. Ratios, and so profiles and scores,
depend on all competitors: adding one may change the profiles of the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from runner.compare.curve import AXES, label_for
from runner.compare.curve_summary import Row, table
from runner.compare.grouping import runs_of
from runner.compare.problems import Problem, competitors

R_MAX = 4.0


class Profile(NamedTuple):
    """Times to the targets, and what follows from them.

    Attributes:
        names: the competitors.
        problems: the problems.
        measure: the name of the measure.
        unit: of the times: `steps`, `epochs` or `seconds`.
        times: t(s, p), an array [names, problems]; NaN where there was no run.
        ratios: r(s, p), of the same shape.
    """

    names: list[str]
    problems: list[Problem]
    measure: str
    unit: str
    times: npt.NDArray[np.float64]
    ratios: npt.NDArray[np.float64]

    @property
    def ranked(self) -> dict[str, list[float]]:
        """The times of each competitor, by problem; infinite where there was no run."""
        times = np.where(np.isnan(self.times), math.inf, self.times)
        return dict(zip(self.names, times.tolist(), strict=True))

    @property
    def scores(self) -> dict[str, float]:
        """The score of each competitor, between 0 and 1, the best first."""
        # The integral of a step from r to r_max is r_max - r.
        parts = np.maximum(R_MAX - np.where(np.isnan(self.ratios), math.inf, self.ratios), 0)
        found = zip(self.names, (parts.mean(1) / (R_MAX - 1)).tolist(), strict=True)
        return dict(sorted(found, key=lambda pair: -pair[1]))

    @property
    def label(self) -> str:
        """The name of the measure, which says what the errors are."""
        groups = (group for problem in self.problems for group in problem.groups.values())
        return label_for(runs_of(groups), self.measure)

    @property
    def met_at_start(self) -> list[bool]:
        """For each problem whether a competitor met the target before its first step.

        Such a problem does not measure speed: competitors that met the target have the ratio 1,
        all others an infinite one.
        """
        return (np.nanmin(self.times, axis=0) == 0).tolist()

    def rho(self, name: str, tau: float) -> float:
        """The part of the problems on which a competitor takes at most `tau` times the best."""
        return float((self.ratios[self.names.index(name)] <= tau).mean())


def profile(found: Sequence[Problem], measure: str, axis: str = "iteration") -> Profile:
    """Compute the times to the targets of some problems.

    Args:
        found: the problems.
        measure: the name of the measure.
        axis: the times are in its unit (see `runner.compare.curve.AXES`).
    """
    names, unit = competitors(found), AXES[axis].unit
    times = np.full((len(names), len(found)), math.nan)
    for column, problem in enumerate(found):
        for label, group in problem.groups.items():
            (row,) = table([group], measure, problem.target)
            times[names.index(label), column] = _time(row, unit)
    best = np.nanmin(times, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        # No ratio is 1 where the target is never reached; a best time of 0 has the ratio 1.
        ratios = np.where(np.isfinite(best) & (times == best), 1.0, times / best)
    ratios = np.where(np.isnan(ratios) & ~np.isnan(times), math.inf, ratios)
    return Profile(names, list(found), measure, unit, times, ratios)


def _time(row: Row, unit: str) -> float:
    """The median over seeds; a run without values has not reached the target."""
    value = float(getattr(row.median, unit))
    return value if 2 * row.reached > len(row.group.runs) else math.inf
