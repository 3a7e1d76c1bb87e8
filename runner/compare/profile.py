"""Performance profiles: on which part of the problems one is at most so much slower than the best.

On each problem p each s of what is compared takes a time t(s, p) to the problem's target: the
median over seeds, infinite unless more than half of them get there. With r(s, p) = t(s, p) /
min over s' of t(s', p) the profile is rho(s, tau) = the part of the problems with r(s, p) <= tau,
and the score its mean over tau from 1 to r_max = 4:

    score(s) = 1 / (r_max - 1) * integral from 1 to r_max of rho(s, tau) dtau.

Dolan & More 2002; Dahl et al. 2023 (AlgoPerf), section 4. Ratios, so profiles and scores, depend on
what they are compared with: add one, and those of the others may change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from runner.compare.figures.curves import empty_panels, legend_beside, line_styles, small_print
from runner.compare.problems import Problem, compared
from runner.compare.reading import Row, table
from runner.compare.tables import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

R_MAX = 4.0
UNITS = {"iteration": "steps", "epoch": "epochs", "examples": "epochs", "seconds": "seconds"}
"""The time that belongs to an axis; on one problem examples are in proportion to epochs."""


class Profile(NamedTuple):
    """Times to the targets, and what follows from them.

    `times` and `ratios` have a row for each of what is compared (`names`) and a column for each
    problem; NaN where there was no run. `unit` is `steps`, `epochs` or `seconds`.
    """

    names: list[str]
    problems: list[Problem]
    measure: str
    unit: str
    times: npt.NDArray[np.float64]
    ratios: npt.NDArray[np.float64]

    @property
    def ranked(self) -> dict[str, list[float]]:
        """The times of each, problem by problem; infinite where there was no run."""
        times = np.where(np.isnan(self.times), math.inf, self.times)
        return dict(zip(self.names, times.tolist(), strict=True))

    @property
    def scores(self) -> dict[str, float]:
        """The score of each, between 0 and 1, the best first."""
        # The integral of a step from r to r_max is r_max - r.
        parts = np.maximum(R_MAX - np.where(np.isnan(self.ratios), math.inf, self.ratios), 0)
        found = zip(self.names, (parts.mean(1) / (R_MAX - 1)).tolist(), strict=True)
        return dict(sorted(found, key=lambda pair: -pair[1]))

    def rho(self, name: str, tau: float) -> float:
        """The part of the problems on which it takes at most `tau` times as long as the best."""
        return float((self.ratios[self.names.index(name)] <= tau).mean())


def profile(found: Sequence[Problem], measure: str, axis: str = "iteration") -> Profile:
    """The times to the targets of some problems, in the unit of an axis."""
    names, unit = compared(found), UNITS[axis]
    times = np.full((len(names), len(found)), math.nan)
    for column, problem in enumerate(found):
        for label, group in problem.groups.items():
            (row,) = table([group], measure, problem.target)
            times[names.index(label), column] = _time(row, unit)
    best = np.nanmin(times, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Nobody's ratio is 1 where nobody gets there; who is there at once is the best.
        ratios = np.where(np.isfinite(best) & (times == best), 1.0, times / best)
    ratios = np.where(np.isnan(ratios) & ~np.isnan(times), math.inf, ratios)
    return Profile(names, list(found), measure, unit, times, ratios)


def _time(row: Row, unit: str) -> float:
    """The median over seeds; a run of which nothing is known has not got there."""
    value = float(getattr(row.median, unit))
    return value if 2 * row.reached > len(row.group.runs) else math.inf


def profile_figure(profiles: Sequence[Profile]) -> Figure:
    """A panel for each unit, a step function for each of what is compared, with its score.

    A unit whose ratios are those of one before says nothing new and has no panel: epochs, where all
    runs of a problem have equal batches.
    """
    drawn: list[Profile] = []
    for one in profiles:
        if not any(np.allclose(one.ratios, other.ratios, equal_nan=True) for other in drawn):
            drawn.append(one)
    figure, panels = empty_panels(len(drawn))
    order = list(drawn[0].scores)
    styles = dict(zip(order, line_styles(len(order)), strict=True))
    for panel, one in zip(panels, drawn, strict=True):
        for place, name in enumerate(order):
            ratios = one.ratios[one.names.index(name)]
            x = np.unique([1.0, *ratios[ratios <= R_MAX], R_MAX])
            y = [one.rho(name, tau) for tau in x]
            # The last ones are thinner, so that lines that coincide are all seen.
            width = 1.2 + 1.6 * (1 - place / max(len(order) - 1, 1))
            style: dict[str, Any] = {**styles[name], "lw": width}
            panel.step(x, y, where="post", label=_scored(name, drawn), **style)
        panel.set_xlim(0.96, R_MAX)
        panel.set_ylim(-0.03, 1.03)
        panel.set_xlabel(f"{one.unit} to target, over the best's", fontsize=8)
    panels[0].set_ylabel("part of the problems", fontsize=8)
    legend_beside(figure, panels[0], "score")
    small_print(figure, _explained(drawn[0]))
    return figure


def _scored(name: str, drawn: Sequence[Profile]) -> str:
    """`0.93 adam`, with a score for each panel."""
    return " | ".join(f"{one.scores[name]:.2f}" for one in drawn) + f"  {name}"


def _explained(one: Profile) -> str:
    seeds = {len(group.runs) for problem in one.problems for group in problem.groups.values()}
    count = f"{min(seeds)} to {max(seeds)}" if len(seeds) > 1 else f"{min(seeds)}"
    runs = "one run each" if seeds == {1} else f"median of {count} seeds"
    return (
        f"{len(one.problems)} problems; {one.measure.replace('_', ' ')}; {runs}; "
        f"score: mean height from 1 to {R_MAX:g}"
    )


def cells(one: Profile) -> list[list[str]]:
    """The header, and a line for each of what is compared: score, part solved, time by problem."""
    header = [
        "compared",
        "score",
        "solved",
        *(f"{one.unit}: {problem.name}" for problem in one.problems),
    ]
    lines = [header]
    for name, score in one.scores.items():
        row = one.names.index(name)
        times, ratios = one.times[row], one.ratios[row]
        spent = [
            "not run" if math.isnan(time) else _spent(time, ratio)
            for time, ratio in zip(times, ratios, strict=True)
        ]
        solved = f"{int(np.isfinite(times).sum())}/{len(times)}"
        lines.append([name, f"{score:.2f}", solved, *spent])
    targets = [f"<= {number(problem.target)}" for problem in one.problems]
    return [*lines, [f"target ({one.measure.replace('_', ' ')})", "", "", *targets]]


def _spent(time: float, ratio: float) -> str:
    return number(time) + (f" (x{ratio:.3g})" if math.isfinite(ratio) and ratio > 1 else "")
