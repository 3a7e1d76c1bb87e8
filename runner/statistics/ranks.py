"""How surprising a difference would be if there were none: rank tests, over seeds and problems.

All of them look at ranks only, so that they ask for no normal distribution, and a diverged run,
which counts as infinitely bad, takes part like any other. p-values are two-sided, and exact where
that can be counted: with few seeds nothing else would be honest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

LEVEL = 0.05
_COUNTED = 60
"""Up to this many values all outcomes are counted; above, the normal approximation is as good."""
_PERMUTATIONS = 20_000

# The 95 % quantiles of the studentized range for infinite freedom, over the root of 2, for 2 to 20.
# fmt: off
_NEMENYI = (
    1.960, 2.344, 2.569, 2.728, 2.850, 2.948, 3.031, 3.102, 3.164, 3.219,
    3.268, 3.313, 3.354, 3.391, 3.426, 3.458, 3.489, 3.517, 3.544,
)
# fmt: on
MOST_RANKED = len(_NEMENYI) + 1


def midranks(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The rank of each value along the last axis, 1 for the least; equal ones share the mean."""
    found = np.asarray(values, float)
    below = (found[..., None, :] < found[..., :, None]).sum(-1)
    equal = (found[..., None, :] == found[..., :, None]).sum(-1)
    return below + (equal + 1) / 2


def rank_sum(first: Sequence[float], second: Sequence[float]) -> float:
    """The p-value of two samples being of one distribution: the Mann-Whitney test.

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
    """The p-value of paired differences lying evenly around 0: the signed-rank test.

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
    """The least p that `rank_sum` can give for so many values: 2 / C(n + m, n)."""
    return min(1.0, 2 / math.comb(first + second, first))


def least_signed_rank(pairs: int) -> float:
    """The least p that `signed_rank` can give for so many pairs: 2 / 2^n."""
    return min(1.0, 2 / 2**pairs)


def holm(values: Sequence[float], family: int) -> list[float]:
    """p-values corrected for there being `family` comparisons, of which these are some.

    The i-th least p counts (family - i + 1) times, and no less than the one before. Holm 1979. The
    comparisons that are left out could only make the factors smaller.
    """
    adjusted = [1.0] * len(values)
    worst = 0.0
    for place, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        worst = max(worst, min(1.0, (family - place) * values[index]))
        adjusted[index] = worst
    return adjusted


def friedman(ranks: npt.NDArray[np.float64]) -> float:
    """The p-value of ranks (problems x compared) being in no order: the Friedman test.

    By the sum of the squares of the rank sums, among all orders within each problem or, where there
    are too many, 20,000 drawn ones. Friedman 1937, as a permutation test.
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
    """How far mean ranks must lie apart at 5 %: q sqrt(k (k + 1) / (6 N)), for k from 2 to 20.

    Nemenyi 1963, after Demsar 2006, section 3.2.2.
    """
    return _NEMENYI[compared - 2] * math.sqrt(compared * (compared + 1) / (6 * problems))


def _doubled(ranks: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.rint(2 * ranks).astype(np.int64)


def _normal(off: float, variance: float) -> float:
    return 1.0 if variance == 0 else math.erfc(off / math.sqrt(2 * variance))
