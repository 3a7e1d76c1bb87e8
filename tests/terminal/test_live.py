"""What the terminal shows, on a terminal and in a pipe."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, compose

from runner.engine.chunk import EPOCH_DTYPE, STEP_DTYPE, Chunk, make_chunk
from runner.terminal.live import Progress, print_closing_table
from runner.terminal.live_sweep import SweepProgress, work_of
from runner.terminal.speed import Speed

SUMMARY = {
    "status": "finished",
    "error": "0-1 error",
    "diverged_at": None,
    "final": {"train_loss": 0.25, "train_error": 0.05, "test_loss": float("nan")},
    "best": {
        "train_loss": 0.2,
        "train_error": 0.04,
        "validation_error": None,
        "test_error": 0.01,
        "test_error_at_best_validation_error": 0.03,
    },
    "steps": 12345,
    "epochs": 3.5,
    "seconds": 2.0,
    "steps_per_second": 6172.5,
    "compile_seconds": 0.5,
}


def chunk(first: int, count: int, seconds: float, total: int = 1000, **epoch: float) -> Chunk:
    """Steps `first`, ... that took some seconds; 100 make an epoch; perhaps with an evaluation."""
    steps = np.zeros(count, STEP_DTYPE)
    steps["step"], steps["train_loss"] = np.arange(first, first + count), 0.5
    epochs = np.zeros(min(len(epoch), 1), EPOCH_DTYPE)
    for name, value in epoch.items():
        epochs[name] = value
    return make_chunk(steps, epochs, 0.0, seconds, total, lambda step: step / 100)


def test_in_a_pipe_there_are_few_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.start(1000, 10, "training")
    for first in range(0, 1000, 10):
        progress.update(chunk(first, 10, 0.05))
    progress.stop()
    assert capsys.readouterr().err.splitlines() == [
        "epoch 0.1/10, step 10/1,000, loss 0.5",
        "epoch 10/10, step 1,000/1,000, 0:00 left, loss 0.5, 200 steps/s",
    ]


def test_the_time_left_is_not_extrapolated_from_the_first_steps(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first chunk evaluates the start: its 8 steps take as long as a thousand later ones."""
    monkeypatch.setattr("runner.terminal.live.SECONDS_BETWEEN_LINES", 0.0)
    progress = Progress()
    progress.start(100_000, 1000, "training")
    for first, count, seconds in ((0, 8, 0.8), (8, 256, 0.1), (264, 4096, 1.5), (4360, 4096, 1.6)):
        progress.update(chunk(first, count, seconds, total=100_000, validation_error=0.25))
    first, second, third, fourth = capsys.readouterr().err.splitlines()
    assert first == "epoch 0.08/1000, step 8/100,000, loss 0.5, val error 0.25"
    assert "left" not in second, "a tenth of a second is too short to say"
    # 4352 steps in 1.6 s, 95,640 to go.
    assert "0:35 left, " in third
    assert third.endswith("2,720 steps/s")
    assert "0:35 left, " in fourth
    assert fourth.endswith("2,643 steps/s")


def test_the_speed_is_that_of_the_last_seconds() -> None:
    """A batch that grows makes later steps slower."""
    speed = Speed()
    for _ in range(20):
        speed.add(1000, 0.5)
    assert speed.per_second() == 2000
    for _ in range(4):
        speed.add(50, 0.5)
    assert speed.per_second() == 100


def test_the_closing_table_says_where_and_how(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    print_closing_table(SUMMARY, tmp_path / "outputs" / "a b")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert rows["train"] == ["0.25", "0.2", "5.00", "%", "4.00", "%"]
    assert rows["test"] == ["-", "-", "-", "3.00", "%"], "not the least, which nobody can choose"
    assert "finished: 12,345 steps, 3.5 epochs in 2.00 s (6,172 steps/s; compiling 0.50 s)" in out
    assert out.endswith("Curves: 'outputs/a b'\nLook:   tensorboard --logdir 'outputs/a b'\n")


def test_the_closing_table_shows_what_was_evaluated(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    print_closing_table(SUMMARY, tmp_path)
    plain = capsys.readouterr().out
    assert "training set" not in plain
    assert "Best of test" not in plain, "there is no validation that could choose"
    asked = {"training_set_loss": 0.3, "training_set_error": 0.06, "validation_loss": 0.5}
    print_closing_table({**SUMMARY, "final": asked, "best": asked}, tmp_path)
    evaluated = capsys.readouterr().out
    (row,) = [line.split() for line in evaluated.splitlines() if "training set" in line]
    assert row == ["training", "set", "0.3", "0.3", "6.00", "%", "6.00", "%"]
    assert "Best of test" in evaluated


def test_without_validation_no_error_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.start(100, 1, "training")
    progress.update(chunk(0, 100, 2.0, total=100, validation_error=float("nan")))
    progress.stop()
    err = capsys.readouterr().err
    assert "loss 0.5" in err
    assert "nan" not in err


@pytest.mark.parametrize("value", [None, float("nan")])
def test_the_closing_table_says_why_there_is_no_validation(
    value: float | None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = {"data": {"name": "digits", "validation_examples": 0}}
    final = {**SUMMARY["final"], "validation_loss": value}
    print_closing_table({**SUMMARY, "final": final, "config": config}, tmp_path)
    out = capsys.readouterr().out
    assert "Validation: none, since data.validation_examples=0 holds no examples out\n" in out
    assert "Best of test" not in out


def test_many_epochs_are_written_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    print_closing_table({**SUMMARY, "epochs": 123456.7}, tmp_path)
    assert "123,457 epochs in" in capsys.readouterr().out


def test_one_epoch_at_a_slow_speed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    print_closing_table({**SUMMARY, "epochs": 1.0, "steps_per_second": 0.418}, tmp_path)
    assert "1 epoch in 2.00 s (0.42 steps/s; compiling" in capsys.readouterr().out


def test_a_diverged_run_says_where(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    print_closing_table({**SUMMARY, "status": "diverged", "diverged_at": 1234}, tmp_path)
    assert "diverged at step 1,234" in capsys.readouterr().out


def test_a_stopped_run_says_where_and_why(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    places = {"stopped_at": {"step": 12345, "epoch": 12}, "kept_at": {"step": 7201, "epoch": 7}}
    reason = "no better validation_loss for 5 evaluations"
    summary = {**SUMMARY, "status": "stopped", "epochs": 12.0, "reason": reason, **places}
    print_closing_table(summary, tmp_path)
    *_, kept, why, outcome, _, _ = capsys.readouterr().out.splitlines()
    assert kept == "Kept:   the parameters of epoch 7, the best by its rule"
    assert why == "stopped at epoch 12: no better validation_loss for 5 evaluations"
    assert outcome.startswith("stopped: 12,345 steps, 12 epochs in 2.00 s")


def test_on_a_terminal_there_is_one_live_line() -> None:
    code = textwrap.dedent("""
        import sys, time
        sys.path[:0] = ["tests", "tests/terminal"]
        from runner.terminal.live import Progress
        from test_live import chunk
        progress = Progress()
        progress.start(1000, 10, "training")
        for first in range(0, 1000, 100):
            progress.update(chunk(first, 100, 0.5))
            time.sleep(0.1)
        progress.stop()
    """)
    primary, secondary = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    subprocess.run(
        [sys.executable, "-c", code], stderr=secondary, env=environment, check=True, cwd=ROOT
    )
    os.close(secondary)
    shown = b""
    while True:
        try:
            piece = os.read(primary, 65536)
        except OSError:
            break
        shown += piece
    text = shown.decode()
    assert len(set(re.findall(r"step ([\d,]+)", text))) >= 3
    assert "loss 0.5" in text
    assert "steps/s" in text
    assert text.count("\n") <= 2, "it is redrawn in place"


def test_a_sweep_shows_a_bar_and_a_line_below_it() -> None:
    code = textwrap.dedent("""
        import sys, time
        sys.path.insert(0, "tests")
        from conftest import compose
        from runner.terminal.live_sweep import SweepProgress, work_of
        experiments = [compose({"seed": seed}) for seed in range(4)]
        with SweepProgress(5, 1, 4 * work_of(experiments[0])) as progress:
            for seed, experiment in enumerate(experiments):
                progress.start(f"seed={seed}", experiment)
            progress.end("seed=1", "diverged")
            progress.end("seed=2", "finished")
            time.sleep(0.5)
    """)
    primary, secondary = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    subprocess.run(
        [sys.executable, "-c", code], stderr=secondary, env=environment, check=True, cwd=ROOT
    )
    os.close(secondary)
    shown = b""
    with contextlib.suppress(OSError):
        while piece := os.read(primary, 4096):
            shown += piece
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert re.search(r"3/5 runs done ━+[━╸╺]+", text)
    assert "2 running, 1 diverged" in text


def test_the_time_left_of_a_sweep_is_measured_after_the_first_chunks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds of compiling, then two runs of 90 steps at 20 steps a second."""
    now = [0.0]
    monkeypatch.setattr("runner.terminal.live_sweep.time.monotonic", lambda: now[0])
    monkeypatch.setattr("runner.terminal.live_sweep.SECONDS_BETWEEN_LINES", 0.0)
    experiments = [compose({"seed": seed}) for seed in range(2)]
    total = experiments[0].phases()[-1].end_step
    progress = SweepProgress(2, 0, 2 * work_of(experiments[0]))
    for seed, experiment in enumerate(experiments):
        progress.start(str(seed), experiment)
    now[0] = 10.0
    for first in (0, 10, 20):
        for seed, experiment in enumerate(experiments):
            progress.advance(str(seed), experiment, chunk(first, 10, 1.0, total=total))
            now[0] += 0.5
    lines = [line for line in capsys.readouterr().err.splitlines() if "running" in line]
    assert not any("left" in line for line in lines[:5]), "not while it is compiled"
    # 40 steps in the 2 s since both had their first chunk; 120 of 180 are to go.
    assert lines[-1].endswith("0:06 left")
    progress.end("0", "finished")
    progress.end("1", "finished")
    assert (
        capsys.readouterr().err.splitlines()[-1].startswith("2/2 runs done, 0 running; 0:00 left")
    )


@pytest.mark.parametrize("module", ["live", "live_sweep"])
def test_a_long_compilation_is_said(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(f"runner.terminal.{module}.COMPILES_LONG", 0.05)
    progress = Progress() if module == "live" else SweepProgress(1, 0, 1.0)
    with progress.compiling():
        pass
    assert capsys.readouterr().err == ""
    with progress.compiling():
        time.sleep(0.12)
    assert capsys.readouterr().err.startswith("compiling: 0 s\n")
