"""Rank tests against SciPy, and what is said of a comparison."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from test_compare import row

from runner.compare.curve_summary import Row
from runner.compare.grouping import Group
from runner.compare.tables import format_rounded, interval, uncertainty
from runner.compare.verdict import over_problems, over_seeds
from runner.statistics.ranks import (
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

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize(("first", "second"), [(2, 2), (3, 3), (5, 8), (25, 30), (80, 90)])
def test_the_rank_sum_is_mann_and_whitneys(first: int, second: int) -> None:
    a, b = RANDOM.normal(size=first), RANDOM.normal(0.3, size=second)
    expected = scipy.stats.mannwhitneyu(a, b, method="exact").pvalue
    assert rank_sum(a, b) == pytest.approx(expected, rel=0.05 if first > 30 else 1e-9)
    apart = rank_sum(np.arange(first), np.arange(second) + 100)
    if first + second <= 60:
        assert apart == pytest.approx(least_rank_sum(first, second), rel=1e-9)


def test_ties_and_diverged_runs_take_part() -> None:
    a, b = [1, 2, 2, 3, math.inf], [2, 2, 5, math.inf, math.inf]
    everything = scipy.stats.rankdata([*a, *b])
    np.testing.assert_array_equal(midranks([*a, *b]), everything)
    sums = np.array([sum(c) for c in itertools.combinations(everything, 5)])
    off = abs(everything[:5].sum() - sums.mean())
    assert rank_sum(a, b) == pytest.approx((abs(sums - sums.mean()) >= off - 1e-9).mean())
    assert rank_sum([math.inf] * 4, [math.inf] * 4) == 1


def test_equally_many_mistakes_are_a_tie_however_they_were_added() -> None:
    """332 of 360 examples, as recorded by two runs in single precision."""
    once, again = float(np.float32(0.92222226)), float(np.float32(0.9222223))
    assert once != again
    np.testing.assert_array_equal(midranks([0.5, again, once, math.inf]), [1, 2.5, 2.5, 4])
    assert rank_sum([once] * 4, [again] * 4) == 1
    values = [once, again, once]
    assert uncertainty(values) == 0
    assert interval(values, lambda half: format_rounded(half, 0.0)) == "+- 0"


@pytest.mark.parametrize("pairs", [1, 3, 6, 20, 100])
def test_the_signed_rank_is_wilcoxons(pairs: int) -> None:
    differences = RANDOM.normal(0.2, size=pairs)
    expected = scipy.stats.wilcoxon(differences, method="exact").pvalue
    assert signed_rank(differences) == pytest.approx(expected, rel=0.1 if pairs > 60 else 1e-9)
    if pairs <= 60:
        assert signed_rank(np.arange(1, pairs + 1)) == pytest.approx(least_signed_rank(pairs))
    assert signed_rank([0.0] * pairs) == 1


def test_holms_correction() -> None:
    """By hand, of all comparisons and of some."""
    assert holm([0.01, 0.04, 0.03, 0.005], 4) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, 0.04], 5) == pytest.approx([0.05, 0.16])


def test_friedman_among_all_orders() -> None:
    """Few problems: all orders, by hand. Many: the chi-squared approximation."""
    ranks = midranks(RANDOM.normal(size=(3, 3)))
    statistics = [
        scipy.stats.friedmanchisquare(*np.array(rows).T).statistic
        for rows in itertools.product(*(itertools.permutations(row) for row in ranks))
    ]
    observed = scipy.stats.friedmanchisquare(*ranks.T).statistic
    assert friedman(ranks) == pytest.approx((np.array(statistics) >= observed - 1e-9).mean())
    many = RANDOM.normal(size=(40, 4)) + 0.15 * np.arange(4)
    expected = scipy.stats.friedmanchisquare(*many.T).pvalue
    assert friedman(midranks(many)) == pytest.approx(expected, abs=0.01)


def test_nemenyis_difference() -> None:
    """The example of Demsar 2006, section 3.2.2, and the studentized range."""
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    for compared in (2, 3, 10, MOST_RANKED):
        quantile = scipy.stats.studentized_range.ppf(0.95, compared, math.inf) / math.sqrt(2)
        expected = quantile * math.sqrt(compared * (compared + 1) / 60)
        assert critical_difference(compared, 10) == pytest.approx(expected, rel=5e-4)


def test_too_few_seeds_are_said_to_be_too_few() -> None:
    """Of 3 + 3 values the least p is 2 / 20, of 4 + 4 it is 2 / 70; 3 groups are 3 pairs."""
    pair = [row("a", [1, 2, 3]), row("b", [7, 8, 9])]
    few = "3 seeds each cannot show a difference at 5 %: use at least 4."
    assert over_seeds(pair, "train_loss") == few
    assert "1 seed each cannot" in over_seeds([row("a", [1]), row("b", [2])], "train_loss")
    three = [row(name, [1, 2, 3, 4]) for name in "abc"]
    assert "between 3 groups at 5 %: use at least 5." in over_seeds(three, "train_loss")
    assert over_seeds(pair[:1], "train_loss") == ""


def test_who_is_better_than_whom() -> None:
    a, b, c = [1, 2, 3, 4, 5.5], [1.5, 2.5, 2.6, 4.5, 5], [9, 9, 8, math.inf, 7]
    text = over_seeds([row("a", a), row("b", b), row("c", c)], "train_loss", tuned=True)
    assert text.startswith("Best median final train loss: a. At 5 % it is better than c (p = ")
    assert "not significantly different from b" in text
    assert "Mann-Whitney test, 5 seeds each, Holm's correction for 3 pairs" in text
    assert "flatters" in text
    p = 3 * scipy.stats.mannwhitneyu(a, c, method="exact").pvalue
    assert f"better than c (p = {p:.2g})" in text


def test_shared_seeds_are_paired_where_they_are_enough() -> None:
    base = np.arange(6.0)
    pair = [row("a", list(base)), row("b", list(base + 0.1 + 0.01 * base))]
    assert "better than b (p = 0.031). (Wilcoxon" in over_seeds(pair, "train_loss")
    other = [pair[0], row("b", pair[1].finals, range(10, 16))]  # type: ignore[arg-type]
    assert "not significantly different from b" in over_seeds(other, "train_loss")
    shuffled = Row(Group({}, pair[1].group.runs[::-1]), *pair[1][1:4], pair[1].finals[::-1])
    assert "p = 0.031" in over_seeds([pair[0], shuffled], "train_loss")


def test_runs_that_are_no_repetitions_are_not_tested() -> None:
    mixed = [row("a", [1, 2, 3, 4], range(4)), row("b", [1, 2, 3, 4], range(4))]
    mixed[1].group.runs[1] = mixed[1].group.runs[0]
    assert "several runs with one seed" in over_seeds(mixed, "train_loss")


def test_many_groups_are_counted_and_not_all_named() -> None:
    rows = [row(f"g{i}", [i + 0.01 * j for j in range(12)]) for i in range(50)]
    text = over_seeds(rows, "train_loss")
    assert "and 45 others" in text
    assert len(text) < 400


def test_ranks_over_problems() -> None:
    """Six problems, three compared: ranks by hand."""
    values = {"a": [1, 1, 1, 1, 1, 2.0], "b": [2, 2, 2, 2, 2, 1.0], "c": [3.0] * 6}
    text = over_problems(values, "times")
    assert text.startswith("Mean rank of times over 6 problems: a 1.17, b 1.83, c 3. They differ")
    assert "a is better than c; not significantly different from b" in text
    same = over_problems({name: [1.0] * 6 for name in "abc"}, "times")
    assert same.endswith("No significant difference at 5 % (Friedman test, p = 1).")
    few = over_problems({"a": [1.0] * 5, "b": [2.0] * 5}, "times")
    assert few.endswith("5 problems cannot show a difference between 2 at 5 %: use at least 6.")
    many = {str(number): [float(number)] * 3 for number in range(30)}
    assert "too many to be tested" in over_problems(many, "times")
