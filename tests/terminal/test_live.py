"""What the terminal shows, on a terminal and in a pipe."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from conftest import ROOT

from runner.terminal.live import Progress, closing_table

SUMMARY = {
    "status": "finished",
    "error": "0-1 error",
    "diverged_at": None,
    "final": {"train_loss": 0.25, "train_error": 0.05, "test_loss": float("nan")},
    "best": {"train_loss": 0.2, "train_error": 0.04, "validation_error": None},
    "steps": 12345,
    "epochs": 3.5,
    "seconds": 2.0,
    "steps_per_second": 6172.5,
    "compile_seconds": 0.5,
}


def test_in_a_pipe_there_are_few_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.start(1000, 10, "training")
    for step in range(10, 1001, 10):
        progress.update(step, step / 100, {"loss": 0.5}, 200.0)
    progress.stop()
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "epoch 0.1/10, step 10/1,000, loss 0.5, 200 steps/s, 0:05 left",
        "epoch 10/10, step 1,000/1,000, loss 0.5, 200 steps/s, 0:00 left",
    ]


def test_the_closing_table_says_where_and_how(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    closing_table(SUMMARY, tmp_path / "outputs" / "a b", tmp_path / "outputs")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert rows["train"] == ["0.25", "0.2", "5.00", "%", "4.00", "%"]
    assert rows["test"] == ["-", "-", "-", "-"]
    assert "finished: 12,345 steps, 3.5 epochs in 2.00 s (6,172 steps/s; compiling 0.50 s)" in out
    assert out.endswith("Curves: 'outputs/a b'\nLook:   tensorboard --logdir outputs\n")


def test_a_diverged_run_says_where(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    closing_table({**SUMMARY, "status": "diverged", "diverged_at": 1234}, tmp_path, tmp_path)
    assert "diverged at step 1,234" in capsys.readouterr().out


def test_on_a_terminal_there_is_one_live_line() -> None:
    code = textwrap.dedent("""
        import time
        from runner.terminal.live import Progress
        progress = Progress()
        progress.start(1000, 10, "training")
        for step in range(100, 1001, 100):
            progress.update(step, step / 100, {"loss": 0.5}, 200.0)
            time.sleep(0.1)
        progress.stop()
    """)
    primary, secondary = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    subprocess.run([sys.executable, "-c", code], stderr=secondary, env=environment, check=True)
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
                progress.begin(f"seed={seed}", experiment)
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
    assert re.search(r"3/5 runs done ━+[━╸╺]+ 0:0\d left", text)
    assert "2 running, 1 diverged" in text
