"""Rank tests of differences, over seeds and over problems.

They use ranks only: they assume no normal distribution, and a diverged run, whose value is
infinite, takes part like any other. p-values are two-sided, and exact where the outcomes can be
counted: with few seeds an approximation would be wrong.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

LEVEL = 0.05
_ROUNDING = 5e-7
"""Up to this part of them two values may differ and be equal: shares of equally many mistakes, as
sums in single precision, differ by a few units of their last place."""
_COUNTED = 60
"""Up to this many values all outcomes are counted; for more the normal approximation is as good."""
_PERMUTATIONS = 20_000

# The 95 % quantiles of the studentized range for infinite freedom, divided by sqrt(2), for 2 to 20.
# fmt: off
_NEMENYI = (
    1.960, 2.344, 2.569, 2.728, 2.850, 2.948, 3.031, 3.102, 3.164, 3.219,
    3.268, 3.313, 3.354, 3.391, 3.426, 3.458, 3.489, 3.517, 3.544,
)
# fmt: on
MOST_RANKED = len(_NEMENYI) + 1


def are_equal(first: npt.ArrayLike, second: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether values are equal but for rounding; two infinite ones are."""
    return np.isclose(first, second, rtol=_ROUNDING, atol=0)


def midranks(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Compute the rank of each value along the last axis: 1 for the least, the mean for ties."""
    found = np.asarray(values, float)
    others, own = found[..., None, :], found[..., :, None]
    equal = are_equal(others, own)
    below = (others < own) & ~equal
    return below.sum(-1) + (equal.sum(-1) + 1) / 2


def rank_sum(first: Sequence[float], second: Sequence[float]) -> float:
    """Compute the p-value of two samples having one distribution: the Mann-Whitney test.

    The statistic is the sum of the ranks of the first among all. Every choice of n of the
    n + m values is equally likely to be the first. Mann & Whitney 1947; ties have their mean rank.
    """
    size, total = len(first), len(first) + len(second)
    ranks = _doubled(midranks([*first, *second]))
    off = abs(int(ranks[:size].sum()) - size * (total + 1))
    if total > _COUNTED:
        spread = ((ranks - (total + 1.0)) ** 2).sum()
        return _normal(off, size * len(second) / (total * (total - 1)) * spread)
    ways = np.zeros((size + 1, int(ranks.sum()) + 1))
    ways[0, 0] = 1
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, :-rank]
    sums = np.arange(ways.shape[1])
    extreme = np.abs(sums - size * (total + 1)) >= off
    return float(ways[size, extreme].sum() / math.comb(total, size))


def signed_rank(differences: Sequence[float]) -> float:
    """Compute the p-value of paired differences being symmetric around 0: the signed-rank test.

    The statistic is the sum of the ranks of the positive ones. Every choice of signs is equally
    likely. Wilcoxon 1945; differences of 0 are left out, ties have their mean rank.
    """
    known = np.array([value for value in differences if value != 0 and not math.isnan(value)])
    if not len(known):
        return 1.0
    ranks = _doubled(midranks(np.abs(known)))
    off = abs(2 * int(ranks[known > 0].sum()) - int(ranks.sum()))
    if len(known) > _COUNTED:
        return _normal(off, (ranks.astype(float) ** 2).sum())
    ways = np.zeros(int(ranks.sum()) + 1)
    ways[0] = 1
    for rank in ranks:
        ways[rank:] += ways[:-rank]
    extreme = np.abs(2 * np.arange(len(ways)) - ranks.sum()) >= off
    return float(ways[extreme].sum() / 2.0 ** len(known))


def least_rank_sum(first: int, second: int) -> float:
    """The least p-value of `rank_sum` for n and m values: 2 / C(n + m, n)."""
    return min(1.0, 2 / math.comb(first + second, first))


def least_signed_rank(pairs: int) -> float:
    """The least p-value of `signed_rank` for n pairs: 2 / 2^n."""
    return min(1.0, 2 / 2**pairs)


def holm(values: Sequence[float], family: int) -> list[float]:
    """Correct p-values for the number of comparisons (Holm 1979).

    The i-th least p-value is multiplied by (family - i + 1), and is no less than the one before.
    Comparisons that are left out could only make the factors smaller.

    Args:
        values: p-values of some comparisons.
        family: the number of all comparisons.
    """
    adjusted = [1.0] * len(values)
    worst = 0.0
    for place, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        worst = max(worst, min(1.0, (family - place) * values[index]))
        adjusted[index] = worst
    return adjusted


def friedman(ranks: npt.NDArray[np.float64]) -> float:
    """Compute the p-value of there being no order among competitors: the Friedman test.

    A permutation test (Friedman 1937): the statistic is the sum of the squares of the rank sums,
    compared among all orders within each problem or, if they are too many, 20,000 random ones.

    Args:
        ranks: an array [problems, competitors].
    """
    problems, compared = ranks.shape
    observed = (ranks.sum(0) ** 2).sum() - 1e-9
    if math.factorial(compared) ** (problems - 1) <= _PERMUTATIONS:
        sums = ranks[:1]
        for row in ranks[1:]:
            orders = np.array(list(itertools.permutations(row.tolist())))
            sums = (sums[:, None] + orders[None]).reshape(-1, compared)
        return float(((sums**2).sum(1) >= observed).mean())
    random = np.random.default_rng(0)
    drawn = np.zeros((_PERMUTATIONS, compared))
    for row in ranks:
        drawn += random.permuted(np.tile(row, (_PERMUTATIONS, 1)), axis=1)
    return float((1 + ((drawn**2).sum(1) >= observed).sum()) / (1 + _PERMUTATIONS))


def critical_difference(compared: int, problems: int) -> float:
    """The least significant difference of mean ranks at 5 %: q sqrt(k (k + 1) / (6 N)).

    Nemenyi 1963, after Demsar 2006, section 3.2.2.

    Args:
        compared: the number k of competitors, from 2 to 20.
        problems: the number N of problems.
    """
    return _NEMENYI[compared - 2] * math.sqrt(compared * (compared + 1) / (6 * problems))


def _doubled(ranks: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.rint(2 * ranks).astype(np.int64)


def _normal(off: float, variance: float) -> float:
    return 1.0 if variance == 0 else math.erfc(off / math.sqrt(2 * variance))
