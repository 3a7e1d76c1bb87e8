"""Which runs share a program, and which train side by side."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import compose

from runner.execution.cohorts import (
    Cohort,
    Parallelism,
    choose_parallelism,
    count_programs,
    form_cohorts,
    halved,
)
from runner.experiment.experiment import Experiment

GROWING = {"name": "growing", "size": 400, "every": 1, "limit": 800}


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ([{"optimizer": {"learning_rate": rate}} for rate in (0.1, 0.2, 0.3)], 1),
        ([{"settings": {"seed": seed, "epochs": 2 + seed}} for seed in range(3)], 1),
        ([{"optimizer": name} for name in ("momentum", "nesterov")], 2),
        ([{"batch_size": {"size": size}} for size in (8, 8, 16)], 2),
        ([{"gradient": {"name": "clip_norm", "threshold": x}} for x in (1.0, 2.0)] + [{}], 2),
        # 400 and 800, and the same 800 alone.
        ([{"batch_size": GROWING}], 2),
        ([{"batch_size": GROWING}, {"batch_size": {"size": 800}}], 2),
        (
            [
                {"stopping": {"name": "patience", "patience": count}, "settings": {"seed": count}}
                for count in (1, 2, 3)
            ]
            + [{"settings": {"seed": seed}} for seed in range(3)],
            2,
        ),
        # A surface has no part for batches: these two are the same.
        ([{"data": "beale", "batch_size": size} for size in ("mini", "full")], 1),
    ],
)
def test_runs_that_differ_only_in_numbers_share_a_program(choices: list, expected: int) -> None:
    experiments = []
    for choice in choices:
        others: dict[str, Any] = dict(choice)
        experiments.append(compose(others.pop("settings", None), **others))
    assert count_programs(experiments) == expected


def grid(rates: int, seeds: int = 1, **choices: Any) -> list[Experiment]:
    return [
        compose({"seed": seed}, optimizer={"learning_rate": 0.1 / (rate + 1)}, **choices)
        for rate in range(rates)
        for seed in range(seeds)
    ]


def shape(found: list[Cohort]) -> list[tuple[int, str, int, int]]:
    return [(len(one.members), one.strategy, one.lanes, one.devices) for one in found]


@pytest.mark.parametrize(
    ("runs", "parallelism", "expected"),
    [
        (8, Parallelism("map", 32, 2), [(8, "map", 8, 2)]),
        (7, Parallelism("map", 32, 2), [(7, "map", 8, 2)]),
        # Two equal halves rather than 32 and 8.
        (40, Parallelism("map", 32, 2), [(20, "map", 20, 2), (20, "map", 20, 2)]),
        (10, Parallelism("vmap", 4, 1), [(4, "vmap", 4, 1), (4, "vmap", 4, 1), (2, "vmap", 4, 1)]),
        (3, Parallelism("map", 32, 8), [(3, "map", 3, 3)]),
        (1, Parallelism("map", 32, 2), [(1, "sequential", 1, 1)]),
        (3, Parallelism("sequential", 1, 1), [(1, "sequential", 1, 1)] * 3),
        (3, Parallelism("vmap", 1, 4), [(1, "sequential", 1, 1)] * 3),
    ],
)
def test_cohorts_are_equal_and_fill_the_devices(
    runs: int, parallelism: Parallelism, expected: list
) -> None:
    found = form_cohorts(grid(runs), parallelism)
    assert shape(found) == expected
    assert sorted(place for one in found for place in one.members) == list(range(runs))


def test_only_runs_in_lockstep_train_side_by_side() -> None:
    """Other data, another length and other intervals are cohorts of their own, equally wide."""
    experiments = [
        *grid(4),
        *[compose({"epochs": 7, "seed": seed}) for seed in range(2)],
        *[compose({"evaluate_every": 2, "seed": seed}) for seed in range(2)],
        *[compose({"measure_every": 9, "seed": seed}) for seed in range(2)],
        *[
            compose({"seed": seed}, data={"name": "teacher", "teacher_seed": 1})
            for seed in range(2)
        ],
        *[
            compose({"seed": seed}, data={"name": "teacher", "teacher_seed": 2})
            for seed in range(2)
        ],
    ]
    found = form_cohorts(experiments, Parallelism("map", 32, 2))
    assert [one.members for one in found] == [
        (0, 1, 2, 3),
        *[(n, n + 1) for n in range(4, 14, 2)],
    ]
    assert [one.lanes for one in found] == [4, 4, 4, 4, 2, 2]


def test_out_of_memory_halves_the_lanes_of_that_structure() -> None:
    others = [compose({"seed": seed}, optimizer="adam") for seed in range(8)]
    found = form_cohorts([*grid(8), *others], Parallelism("map", 8, 2))
    all_start: dict[int, int | None] = dict.fromkeys(range(16))
    found = halved(found, found[0].structure, all_start)
    assert shape(found) == [(4, "map", 4, 2), (4, "map", 4, 2), (8, "map", 8, 2)]
    found = halved(halved(found, found[0].structure, all_start), found[0].structure, all_start)
    assert shape(found) == [(1, "sequential", 1, 1)] * 8 + [(8, "map", 8, 2)]


def test_the_strategy_asked_for_is_used() -> None:
    assert choose_parallelism("auto", None, None) == Parallelism("map", 32, 2), (
        "two devices on this CPU"
    )
    assert choose_parallelism("auto", None, 1) == Parallelism("map", 16, 1)
    assert choose_parallelism("vmap", 5, 64) == Parallelism("vmap", 5, 2)
    assert choose_parallelism("sequential", 9, 9) == Parallelism("sequential", 1, 1)
