"""A config as settings with the keys that are typed."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import read_option

from runner.compare.grouping import differing_keys, format_setting
from runner.config.keys import typed


def regularized(*names: str) -> dict[str, Any]:
    """Settings of a run with these regularizations."""
    return typed({"regularization": {name: read_option("regularization", name) for name in names}})


@pytest.mark.parametrize(
    ("names", "shown"),
    [(["none"], "none"), (["max_norm"], "max_norm"), (["l2", "dropout"], "[dropout,l2]")],
)
def test_several_options_of_a_group_are_one_setting(names: list[str], shown: str) -> None:
    """As typed, in the order in which they act."""
    settings = regularized(*names)
    assert format_setting(settings["regularization"]) == shown
    assert not {f"regularization.{name}" for name in names} & settings.keys()
    numbers = {f"regularization.dropout.{key}" for key in ("rate", "input_rate", "mask")}
    assert (numbers <= settings.keys()) == ("dropout" in names)


def test_runs_that_differ_in_what_is_stacked_differ_in_one_key() -> None:
    """With a column for each option, a sweep over ten had a table of nine dashes a line."""
    configs = [regularized("none"), regularized("dropout"), regularized("dropout", "l2")]
    assert differing_keys(configs) == ["regularization"]
    changed = regularized("dropout") | {"regularization.dropout.rate": 0.25}
    assert differing_keys([*configs, changed]) == ["regularization", "regularization.dropout.rate"]
