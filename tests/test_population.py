"""Which runs share a program."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import compose

from runner.population import programs

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
        # A surface has no part for batches: these two are the same.
        ([{"data": "beale", "batch_size": size} for size in ("mini", "full")], 1),
    ],
)
def test_runs_that_differ_only_in_numbers_share_a_program(choices: list, expected: int) -> None:
    experiments = []
    for choice in choices:
        others: dict[str, Any] = dict(choice)
        experiments.append(compose(others.pop("settings", None), **others))
    assert programs(experiments) == expected
