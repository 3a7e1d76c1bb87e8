"""What counts as the summary of a run."""

from __future__ import annotations

from typing import Any

import pytest

from runner.record.valid_summary import is_summary

WHOLE: dict[str, Any] = {
    "config": {"seed": 0},
    "status": "finished",
    "seed": 0,
    "train_examples": 10,
    "total_steps": 20,
    "total_epochs": 2.0,
    "steps": 20,
    "seconds": 0.5,
    "final": {"train_loss": 0.5, "test_loss": None},
    "best": {"train_loss": 0.5},
    "stopped_at": None,
}


def test_a_run_at_its_start_and_at_its_end_has_a_summary() -> None:
    assert is_summary(WHOLE)
    assert is_summary({key: WHOLE[key] for key in list(WHOLE)[:6]})
    assert is_summary({**WHOLE, "something": ["new"], "final": None, "steps": None})


@pytest.mark.parametrize("key", ["config", "status", "seed", "total_steps", "train_examples"])
def test_what_is_known_before_a_run_is_needed(key: str) -> None:
    assert not is_summary({name: value for name, value in WHOLE.items() if name != key})
    for value in (None, [1]):
        assert not is_summary({**WHOLE, key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("best", 1),
        ("best", [1]),
        ("best", {"validation_error": "x"}),
        ("final", {"train_loss": [0.5]}),
        ("stopped_at", 7),
        ("steps", "20"),
        ("seconds", []),
    ],
)
def test_values_of_another_type_are_no_summary(key: str, value: Any) -> None:
    assert not is_summary({**WHOLE, key: value})


@pytest.mark.parametrize("found", [None, [], "x", 5, [WHOLE]])
def test_other_json_is_no_summary(found: Any) -> None:
    assert not is_summary(found)
