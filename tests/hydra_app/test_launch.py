"""The settings of a sweep, and what it leaves when it is interrupted: its table and its files."""

from __future__ import annotations

import csv
import dataclasses
import json
import logging
from pathlib import Path

import pytest
import yaml
from conftest import CONF

from runner.cli import run_command_line
from runner.hydra_app.job_environment import JobEnvironment, OncePerMessage
from runner.hydra_app.settings import LauncherSettings


def test_the_keys_of_the_launcher_are_the_fields_of_its_settings() -> None:
    config = yaml.safe_load((CONF / "hydra" / "launcher" / "runner.yaml").read_text())
    del config["_target_"]
    assert config == dataclasses.asdict(LauncherSettings())


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (RuntimeError("x"), None)])
def test_whatever_ends_the_training_the_files_are_written(
    error: BaseException,
    code: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("runner.execution.sweep.train", stop)
    line = ["-m", "optimizer.learning_rate=0.1,0.01", "epochs=1"]
    line.append(f"hydra.sweep.dir={tmp_path / 'swept'}")
    if code is None:
        with pytest.raises(RuntimeError):
            run_command_line(line)
    else:
        assert run_command_line(line) == code
        assert "To go on: the same command with hydra.sweep.dir=" in capsys.readouterr().err
    with (tmp_path / "swept" / "sweep.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["optimizer.learning_rate"] for row in rows] == ["0.1", "0.01"]
    assert [row["status"] for row in rows] == ["not run"] * 2
    summary = json.loads((tmp_path / "swept" / "sweep.json").read_text())
    assert summary["ends"] == {"not run": 2}
    assert summary["best"] is None


def test_a_log_that_cannot_be_closed_does_not_hide_how_the_run_ended() -> None:
    """On a full disk what is left of the log cannot be written when it is closed."""

    class Full(logging.NullHandler):
        def close(self) -> None:
            raise OSError("No space left on device")

    root = logging.getLogger()
    before = root.handlers
    with JobEnvironment(None, False, {}).entered(OncePerMessage()):
        root.addHandler(Full())
    assert root.handlers is before
