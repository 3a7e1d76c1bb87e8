"""The verdict on a comparison: which group is best, and which differences are significant.

Over seeds the best group is tested against each other one; over problems mean ranks are compared
(Demsar 2006). Where there are too few seeds or problems for any result at 5 %, the verdict says so,
and how many are needed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from runner.compare.curve import label_for
from runner.compare.curve_summary import Row, kept_or_final, table
from runner.compare.grouping import NAMED, first_names, format_range, runs_of
from runner.compare.problems import Problem, competitors
from runner.statistics.ranks import (
    LEVEL,
    MOST_RANKED,
    are_equal,
    critical_difference,
    friedman,
    holm,
    least_rank_sum,
    least_signed_rank,
    midranks,
    rank_sum,
    signed_rank,
)


def over_seeds(rows: Sequence[Row], measure: str, tuned: bool = False) -> str:
    """Say whether the best group is better than the others.

    The Wilcoxon signed-rank test of runs paired by their seed, if all groups have the same seeds
    and enough of them for a result at 5 %; else the Mann-Whitney test, which needs fewer, and is
    conservative if seeds are shared. Holm's correction counts all pairs of groups, since any of
    them could have been the best.

    Args:
        rows: the groups in numbers, the best first.
        measure: the name of the measure.
        tuned: whether settings were tuned on the same seeds, which the verdict then says.

    Returns:
        Some sentences; empty for fewer than two groups with values.
    """
    known = [row for row in rows if not any(map(math.isnan, row.finals))]
    if len(known) < 2:
        return ""
    best, *others = known
    seeds = [[run.seed for run in row.group.runs] for row in known]
    if any(len(set(own)) < len(own) for own in seeds):
        return "Some groups hold several runs with one seed, so no difference is tested."
    family = math.comb(len(known), 2)
    paired = _are_paired(seeds)
    if shortage := seed_shortage(seeds):
        return shortage
    if paired:
        finals = [_by_seed(row) for row in known]
        values = [signed_rank(_differences(finals[0], other)) for other in finals[1:]]
        test = "Wilcoxon's signed-rank test, paired by seed"
    else:
        values = [rank_sum(best.finals, row.finals) for row in others]
        test = "Mann-Whitney test"
    leaders = _leaders(known)
    leading = " and ".join(leaders) + " (equal)" * (len(leaders) > 1)
    runs = runs_of(row.group for row in known)
    text = f"Best median {kept_or_final(runs)} {label_for(runs, measure)}: {leading}. "
    agree = [_ranks_agree(best, row, paired=paired) for row in others]
    subject = "it" if len(leaders) == 1 else best.group.name
    text += _pairwise(subject, [row.group.name for row in others], holm(values, family), agree)
    corrected = f", Holm's correction for {family} pairs" if family > 1 else ""
    counts = format_range([len(own) for own in seeds])
    text += f" ({test}, {counts} seeds each{corrected}.)"
    if tuned:
        text += (
            " Tuned and tested on the same seeds, which flatters those with more to choose from."
        )
    return text


def final_over_problems(problems: Sequence[Problem], measure: str) -> str:
    """Say which competitor has the least values over problems, final or kept by a stopping rule.

    Args:
        problems: the problems, with the group of each competitor.
        measure: the name of the measure; the median over seeds of its value is ranked.
    """
    finals = {
        name: [
            table([problem.groups[name]], measure)[0].median.kept
            if name in problem.groups
            else math.inf
            for problem in problems
        ]
        for name in competitors(problems)
    }
    runs = runs_of(group for problem in problems for group in problem.groups.values())
    label = f"{kept_or_final(runs)} {label_for(runs, measure)}"
    return over_problems(finals, f"the median {label}")


def over_problems(values: Mapping[str, Sequence[float]], what: str) -> str:
    """Say the mean ranks of competitors over problems (1 is best), and which of them differ.

    The Friedman test and, only where it finds a difference, Nemenyi's critical difference between
    mean ranks.

    Args:
        values: for each competitor its value on each problem; less is better.
        what: the name of the values.

    Returns:
        Some sentences; empty for fewer than two competitors or problems.
    """
    count, problems = len(values), len(next(iter(values.values()), ()))
    if count < 2 or problems < 2:
        return ""
    ranks = midranks(np.array(list(values.values()), float).T)
    means = dict(sorted(zip(values, ranks.mean(0).tolist(), strict=True), key=lambda x: x[1]))
    listed = [f"{name} {mean:.3g}" for name, mean in means.items()]
    text = f"Mean rank of {what} over {problems} problems: {first_names(listed, 2 * NAMED)}. "
    if count > MOST_RANKED:
        return text + f"They are too many to be tested: at most {MOST_RANKED} are."
    if shortage := problem_shortage(count, problems):
        return text + shortage
    p = friedman(ranks)
    if p > LEVEL:
        return text + f"No significant difference at 5 % (Friedman test, p = {p:.2g})."
    limit = critical_difference(count, problems)
    best, *others = means
    far = [name for name in others if means[name] - means[best] >= limit]
    near = [name for name in others if name not in far]
    difference = f"(Nemenyi's critical difference at 5 %: {limit:.3g})."
    if not far:
        return text + (
            f"They differ as a whole (Friedman test, p = {p:.2g}), but none is far enough behind "
            f"{best} to be named {difference}"
        )
    return text + (
        f"They differ (Friedman test, p = {p:.2g}): {best} is {_joined(far, near)} {difference}"
    )


def _can_differ(compared: int, problems: int) -> bool:
    """Whether this many problems could show a difference at all, with equal ranks on all."""
    same = math.factorial(compared) ** (problems - 1)
    return 1 / same <= LEVEL and critical_difference(compared, problems) <= compared - 1


def seed_shortage(seeds: Sequence[Collection[int]]) -> str:
    """Say that no test can find a difference at 5 %, and with how many seeds one can.

    Args:
        seeds: the seeds of each group, the best first.

    Returns:
        A sentence; empty if the seeds are enough.
    """
    family, counts = math.comb(len(seeds), 2), [len(own) for own in seeds]
    least = min(least_rank_sum(counts[0], count) for count in counts[1:])
    if _are_paired(seeds) or least * family <= LEVEL:
        return ""
    needed = next(n for n in range(2, 1000) if least_rank_sum(n, n) * family <= LEVEL)
    between = "" if len(counts) == 2 else f" between {len(counts)} groups"
    few = format_range(counts)
    words = "seed each" if few == "1" else "seeds each"
    return f"{few} {words} cannot show a difference{between} at 5 %: use at least {needed}."


def problem_shortage(compared: int, problems: int) -> str:
    """Say that so few problems cannot show a difference at 5 %, and how many can.

    Args:
        compared: the number of competitors, at most `MOST_RANKED`.
        problems: the number of problems.

    Returns:
        A sentence; empty if they are enough.
    """
    if _can_differ(compared, problems):
        return ""
    needed = next(n for n in range(problems, 1000) if _can_differ(compared, n))
    return (
        f"{problems} problems cannot show a difference between {compared} at 5 %: "
        f"use at least {needed}."
    )


def _are_paired(seeds: Sequence[Collection[int]]) -> bool:
    """Whether all groups have the same seeds, and enough of them for a test of pairs."""
    least = least_signed_rank(len(seeds[0])) * math.comb(len(seeds), 2)
    return len({frozenset(own) for own in seeds}) == 1 and least <= LEVEL


def _by_seed(row: Row) -> list[float]:
    """The values in the order of the seeds."""
    pairs = zip(row.group.runs, row.finals, strict=True)
    return [final for _, final in sorted(pairs, key=lambda pair: pair[0].seed)]


def _differences(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """The differences of paired values; equal ones, such as two infinite ones, differ by 0."""
    return [0.0 if are_equal(a, b) else b - a for a, b in zip(first, second, strict=True)]


def _leaders(rows: Sequence[Row]) -> list[str]:
    """The names of the groups with the best median, the best first."""
    least = rows[0].median.kept
    return [row.group.name for row in rows if are_equal(row.median.kept, least)]


def _ranks_agree(best: Row, other: Row, *, paired: bool) -> bool:
    """Whether the group with the better median has the better ranks as well."""
    if paired:
        differences = np.array(_differences(_by_seed(best), _by_seed(other)))
        return float((np.sign(differences) * midranks(np.abs(differences))).sum()) >= 0
    ranks = midranks([*best.finals, *other.finals])
    size = len(best.finals)
    return float(ranks[:size].mean()) <= float(ranks[size:].mean())


def _pairwise(
    subject: str, names: Sequence[str], values: Sequence[float], agree: Sequence[bool]
) -> str:
    """The verdict on the others.

    Args:
        subject: what the best group is called.
        names: the others.
        values: their corrected p-values.
        agree: whether the ranks that were tested agree with the medians.
    """
    worse: list[str] = []
    similar: list[str] = []
    contrary: list[str] = []
    for name, p, is_agreed in zip(names, values, agree, strict=True):
        kind = similar if p > LEVEL else worse if is_agreed else contrary
        kind.append(f"{name} (p = {p:.2g})")
    text = f"At 5 % {subject} is {_joined(worse, similar)}." if worse or similar else ""
    if contrary:
        text += f" Medians and ranks disagree on {first_names(contrary)}, which ranks better."
    return text.strip()


def _joined(worse: Sequence[str], similar: Sequence[str]) -> str:
    parts = []
    if worse:
        parts.append(f"better than {first_names(worse)}")
    if similar:
        parts.append(f"not significantly different from {first_names(similar)}")
    return "; ".join(parts)
