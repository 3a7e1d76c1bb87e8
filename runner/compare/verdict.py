"""What can be said of a comparison, in words: who is best, better than whom, and how surely.

Over seeds the best group is tested against each other one; over problems mean ranks are compared
(Demsar 2006). Where there are too few seeds or problems for any result at 5 %, that is what is
said, and how many it takes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from runner.compare.reading import Row
from runner.statistics.ranks import (
    LEVEL,
    MOST_RANKED,
    critical_difference,
    friedman,
    holm,
    least_rank_sum,
    least_signed_rank,
    midranks,
    rank_sum,
    signed_rank,
)

NAMED = 4
"""So many groups are named in a sentence; the others are counted."""


def over_seeds(rows: Sequence[Row], measure: str, tuned: bool = False) -> str:
    """Whether the first of some rows, the best first, is better than the others.

    The Wilcoxon signed-rank test of runs paired by their seed, where all groups have the same seeds
    and enough of them for it to be able to tell; else the Mann-Whitney test, which needs fewer, and
    is on the safe side if seeds are shared. Holm's correction counts all pairs of groups, since
    every one of them could have been the best.
    """
    known = [row for row in rows if not any(map(math.isnan, row.finals))]
    if len(known) < 2:
        return ""
    best, *others = known
    seeds = [[run.seed for run in row.group.runs] for row in known]
    if any(len(set(own)) < len(own) for own in seeds):
        return "Some groups hold several runs with one seed, so no difference is tested."
    family = math.comb(len(known), 2)
    count = len(seeds[0])
    together = len({frozenset(own) for own in seeds}) == 1
    if together and least_signed_rank(count) * family <= LEVEL:
        finals = [_by_seed(row) for row in known]
        values = [signed_rank(_differences(finals[0], other)) for other in finals[1:]]
        test = "Wilcoxon's signed-rank test, paired by seed"
    elif min(least_rank_sum(count, len(own)) for own in seeds[1:]) * family <= LEVEL:
        values = [rank_sum(best.finals, row.finals) for row in others]
        test = "Mann-Whitney test"
    else:
        return _too_few_seeds([len(own) for own in seeds], family)
    name = measure.replace("_", " ")
    text = f"Best median final {name}: {_named(best)}. "
    adjusted = holm(values, family)
    text += _told_apart([_named(row) for row in others], adjusted)
    corrected = f", Holm's correction for {family} pairs" if family > 1 else ""
    text += f" ({test}, {_some_seeds(seeds)} each{corrected}.)"
    if tuned:
        text += (
            " Tuned and tested on the same seeds, which flatters those with more to choose from."
        )
    return text


def over_problems(values: Mapping[str, Sequence[float]], what: str) -> str:
    """Mean ranks over problems (1 is best) of what is compared, and which of them differ.

    The Friedman test and, only where it finds a difference, Nemenyi's critical difference between
    mean ranks.

    Args:
        values: for each compared one its value on each problem; less is better.
        what: the values' name.
    """
    count, problems = len(values), len(next(iter(values.values()), ()))
    if count < 2 or problems < 2:
        return ""
    ranks = midranks(np.array(list(values.values()), float).T)
    means = dict(sorted(zip(values, ranks.mean(0).tolist(), strict=True), key=lambda x: x[1]))
    listed = [f"{name} {mean:.3g}" for name, mean in means.items()]
    text = f"Mean rank of {what} over {problems} problems: {_first(listed, 2 * NAMED)}. "
    if count > MOST_RANKED:
        return text + f"They are too many to be tested: at most {MOST_RANKED} are."
    if not _can_tell(count, problems):
        needed = next(n for n in range(problems, 1000) if _can_tell(count, n))
        return text + (
            f"{problems} problems cannot show a difference between {count} at 5 %: "
            f"use at least {needed}."
        )
    p = friedman(ranks)
    if p > LEVEL:
        return text + f"Not told apart at 5 % (Friedman test, p = {p:.2g})."
    limit = critical_difference(count, problems)
    best, *others = means
    far = [name for name in others if means[name] - means[best] >= limit]
    near = [name for name in others if name not in far]
    text += f"They differ (Friedman test, p = {p:.2g}): {best} is "
    text += _joined(far, near) + f" (Nemenyi's critical difference at 5 %: {limit:.3g})."
    return text


def _can_tell(compared: int, problems: int) -> bool:
    """Whether so many problems could show a difference at all, were all ranks the same."""
    same = math.factorial(compared) ** (problems - 1)
    return 1 / same <= LEVEL and critical_difference(compared, problems) <= compared - 1


def _too_few_seeds(counts: Sequence[int], family: int) -> str:
    needed = next(n for n in range(2, 1000) if least_rank_sum(n, n) * family <= LEVEL)
    between = "" if len(counts) == 2 else f" between {len(counts)} groups"
    few = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    seeds = "seed each" if few == "1" else "seeds each"
    return f"{few} {seeds} cannot show a difference{between} at 5 %: use at least {needed}."


def _some_seeds(seeds: Sequence[Sequence[int]]) -> str:
    counts = {len(own) for own in seeds}
    least, most = min(counts), max(counts)
    return f"{least} seeds" if least == most else f"{least} to {most} seeds"


def _named(row: Row) -> str:
    """Without commas, since it stands between them."""
    return row.group.label.replace(", ", " ")


def _by_seed(row: Row) -> list[float]:
    """The final values in the order of the seeds."""
    pairs = zip(row.group.runs, row.finals, strict=True)
    return [final for _, final in sorted(pairs, key=lambda pair: pair[0].seed)]


def _differences(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """Two that both diverged do not differ."""
    return [0.0 if a == b else b - a for a, b in zip(first, second, strict=True)]


def _told_apart(names: Sequence[str], values: Sequence[float]) -> str:
    """Its verdict on the others, from corrected p-values."""
    surely = [f"{x} (p = {p:.2g})" for x, p in zip(names, values, strict=True) if p <= LEVEL]
    hardly = [f"{x} (p = {p:.2g})" for x, p in zip(names, values, strict=True) if p > LEVEL]
    return f"At 5 % it is {_joined(surely, hardly)}."


def _joined(surely: Sequence[str], hardly: Sequence[str]) -> str:
    parts = []
    if surely:
        parts.append(f"better than {_first(surely)}")
    if hardly:
        parts.append(f"not told apart from {_first(hardly)}")
    return "; ".join(parts)


def _first(names: Sequence[str], count: int = NAMED) -> str:
    """The first names, and how many more there are."""
    shown = list(names[:count]) if len(names) > count + 1 else list(names)
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} others" if rest else "")
