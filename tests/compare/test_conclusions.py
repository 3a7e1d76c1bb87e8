"""What is said before and after a comparison: seeds that are needed, ties, what contradicts."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from test_compare import row

from runner.compare.conclusions import shortage
from runner.compare.runs import Run
from runner.compare.tables import format_rounded, group_cells
from runner.compare.verdict import over_problems, over_seeds
from runner.compare.view import View

RATE = "optimizer.learning_rate"


def planned(
    seeds: range, *rates: float, names: tuple[str, ...] = ("sgd",), **data: Any
) -> list[Run]:
    return [
        Run(None, {}, {"seed": seed, "optimizer": {"name": name, "learning_rate": rate}, **data})
        for name in names
        for rate in rates
        for seed in seeds
    ]


@pytest.mark.parametrize(
    ("runs", "settings", "said"),
    [
        (planned(range(2), 0.1, names=("sgd", "adam")), {}, "2 seeds each.*use at least 4"),
        (planned(range(1), 0.1, names=("sgd", "adam")), {}, "1 seed each.*use at least 4"),
        (planned(range(4), 0.1, names=("sgd", "adam")), {}, ""),
        (planned(range(3), 0.1, 0.2, 0.3), {}, "between 3 groups.*use at least 5"),
        (planned(range(1), 0.1, 0.2, 0.3), {}, ""),  # a search for a rate
        (planned(range(1), 0.1, 0.2, 0.3), {"tune": (RATE,)}, ""),  # one group is left
        (
            planned(range(3), 0.1, 0.2, names=("sgd", "adam")),
            {"tune": (RATE,)},
            "3 seeds each cannot show a difference at 5 %: use at least 4",
        ),
        (planned(range(2), 0.1, names=("sgd", "adam"), data={"name": "ravine"}), {}, ""),
        (
            [
                run
                for name in ("digits", "mnist")
                for run in planned(range(1), 0.1, names=("sgd", "adam"), data={"name": name})
            ],
            {"problem": ("data",)},
            "2 problems cannot show a difference between 2 at 5 %: use at least 6",
        ),
    ],
)
def test_too_few_seeds_are_said_before_training(
    runs: list[Run], settings: dict[str, Any], said: str
) -> None:
    found = shortage(View(**settings), runs)
    assert bool(found) == bool(said)
    if said:
        assert re.search(said, found)


def test_the_seeds_of_a_confirmation_count() -> None:
    runs = planned(range(1), 0.1, 0.2, names=("sgd", "adam"))
    assert shortage(View(tune=(RATE,)), runs, fresh=5) == ""
    assert "2 seeds each" in shortage(View(tune=(RATE,)), runs, fresh=2)


def test_equal_medians_are_a_tie() -> None:
    a, b = row("a", [1, 2, 3, 4, 5]), row("b", [2.5, 2, 3, 4, 3.5])
    text = over_seeds([a, b], "train_loss")
    assert text.startswith("Best median final train loss: a and b (equal). At 5 % a is not ")


def test_a_better_median_with_worse_ranks_is_no_victory() -> None:
    """In five of six pairs b is better, by much; the medians lie the other way round."""
    a = [1.00, 1.0, 5.0, 5.1, 5.2, 5.3, 5.4, 1.00]
    b = [0.90, 0.9, 4.9, 5.0, 5.1, 5.2, 5.3, 0.90]
    text = over_seeds([row("a", a), row("b", b)], "train_loss")
    assert "better than b" not in text
    assert "Medians and ranks disagree on b (p = 0.0078), which ranks better." in text


def test_a_difference_without_a_pair_is_said_to_be_one() -> None:
    """Friedman's test finds an order, Nemenyi's no pair with the best one."""
    values = {
        "a": [1, 1, 1, 1, 2, 2, 3, 3.0],
        "b": [2, 2, 2, 2, 1, 1, 1, 1.0],
        "c": [3, 3, 3, 3, 3, 3, 2, 2.0],
    }
    text = over_problems(values, "times")
    assert ("is not significantly" in text) is False
    assert "They differ as a whole" in text or "is better than" in text


@pytest.mark.parametrize(
    ("value", "width", "expected"),
    [
        (0.123456, 0.0123, "0.123"),
        (0.123456, 0.0996, "0.12"),
        (123.456, 23.4, "123"),
        (1234.5, 234.0, "1230"),
        (0.5, 0.0, "0.5"),
        (0.5, None, "0.5"),
        (math.inf, 0.1, "never"),
    ],
)
def test_numbers_have_the_digits_that_the_interval_leaves(
    value: float, width: float | None, expected: str
) -> None:
    assert format_rounded(value, width) == expected


def test_median_and_mean_are_both_named_and_two_seeds_are_a_range() -> None:
    rows = [row("a", [1.0, 2.0, 4.5]), row("b", [1.0, 2.0]), row("c", [1.0, math.inf])]
    head, a, b, c = group_cells(rows, "train_loss", None)
    assert head[1:4] == ["median final train loss", "mean", "95 %"]
    # 4.303 is Student's quantile for 2 degrees of freedom; the standard deviation is 1.803.
    assert a[1:4] == ["2.0", "2.5", "+- 4.5"]
    assert b[1:4] == ["1.5", "1.5", "1.0 to 2.0"]
    assert c[2:4] == ["-", ""], "a run that diverged leaves no mean"
    single = group_cells([row("a", [1.0])], "train_loss", None)
    assert single[0][1] == "final train loss"
