"""What a sweep finds in its directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import CONF, DEFAULTS, choose

from runner.execution.resume import EarlierRuns
from runner.experiment.table import STACKED
from runner.record.fingerprint import fingerprint

SETTINGS = yaml.safe_load((CONF / "config.yaml").read_text())
CONFIG: dict[str, Any] = {
    **{key: SETTINGS[key] for key in SETTINGS if key not in ("defaults", "hydra")},
    **{group: choose(group, name, name) for group, name in DEFAULTS.items()},
    **{group: {"none": choose(group, "none", "none")} for group in STACKED},
}
"""A config as this version records it."""

ADDED_SETTINGS = ("min_steps", "evaluate_train", "precision")
ADDED_GROUPS = ("gradient", "warmup", "stopping", "bias_initializer", "loss")
OLD = {key: value for key, value in CONFIG.items() if key not in ADDED_SETTINGS + ADDED_GROUPS}
OLD["batch_size"] = {"name": "mini", "size": 32}
"""The same as an earlier version recorded it, which had neither these keys nor these groups."""

OTHER = {**CONFIG, "optimizer": {"name": "sgd", "learning_rate": 2.0}}


def leave(directory: Path, status: str, config: dict[str, Any] = CONFIG) -> Path:
    directory.mkdir(parents=True)
    facts = {"seed": 0, "train_examples": 1437, "total_steps": 450, "total_epochs": 10.0}
    summary = {"status": status, "config": config, **facts}
    (directory / "summary.json").write_text(json.dumps(summary))
    return directory


def test_equal_configs_are_known_as_equal() -> None:
    plain = {"optimizer": {"name": "sgd", "learning_rate": 1}, "steps": None, "widths": [3]}
    same = {"widths": (3,), "steps": None, "optimizer": {"learning_rate": 1.0, "name": "sgd"}}
    assert fingerprint(same) == fingerprint(plain)
    assert fingerprint(OTHER) != fingerprint(CONFIG)
    assert fingerprint({"a": True}) != fingerprint({"a": 1})
    # Weights and checkpoints of earlier versions have a hash of this very text.
    wild = {"b": float("nan"), "\u00e9": (1, None), "a": {"z": 1, "y": True}}
    assert fingerprint(wild) == r'{"a": {"y": true, "z": 1.0}, "b": null, "\u00e9": [1.0, null]}'


@pytest.mark.parametrize("recorded", [OLD, CONFIG])
@pytest.mark.parametrize("status", ["finished", "stopped", "diverged"])
def test_a_complete_run_is_found_wherever_it_is_and_given_once(
    status: str, recorded: dict[str, Any], tmp_path: Path
) -> None:
    place = leave(tmp_path / "deep" / "7_whatever", status, recorded)
    found = EarlierRuns(tmp_path)
    assert found.take_complete(OTHER) is None
    taken = found.take_complete(CONFIG)
    assert taken is not None
    assert (taken[0], taken[1]["status"]) == (place, status)
    assert found.take_complete(CONFIG) is None


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_a_half_written_run_is_run_anew_in_its_place(status: str, tmp_path: Path) -> None:
    place = leave(tmp_path / "0_a", status)
    found = EarlierRuns(tmp_path)
    assert found.take_complete(CONFIG) is None
    assert found.take_place(tmp_path / "3_a", CONFIG) == place
    assert found.take_place(tmp_path / "3_a", CONFIG) == tmp_path / "3_a"


@pytest.mark.parametrize("status", ["finished", "running"])
def test_another_run_is_never_written_into(status: str, tmp_path: Path) -> None:
    place = leave(tmp_path / "0_a", status)
    leave(tmp_path / "0_a-2", "finished")
    assert EarlierRuns(tmp_path).take_place(place, OTHER) == tmp_path / "0_a-3"


def test_two_runs_are_not_given_one_place(tmp_path: Path) -> None:
    found = EarlierRuns(tmp_path)
    assert found.take_place(tmp_path / "same", CONFIG) == tmp_path / "same"
    assert found.take_place(tmp_path / "same", CONFIG) == tmp_path / "same-2"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"status": "finished"}', '{"config": 3}', "\x00"])
def test_what_cannot_be_read_is_not_trusted(text: str, tmp_path: Path) -> None:
    (tmp_path / "0_a").mkdir()
    (tmp_path / "0_a" / "summary.json").write_text(text)
    found = EarlierRuns(tmp_path)
    assert found.take_complete(CONFIG) is None
    assert found.take_place(tmp_path / "0_a", CONFIG) == tmp_path / "0_a-2"


def test_a_directory_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert EarlierRuns(tmp_path / "nowhere").take_complete(CONFIG) is None
