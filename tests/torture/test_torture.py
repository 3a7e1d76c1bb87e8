"""What counts as lost. A few attacks of each quick kind are made by `make torture` in test_make."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.torture.kills import kill_attacks
from tests.torture.outcome import Outcome, Tally, lost
from tests.torture.records import different


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome(None), "did not end"),
        (Outcome(1, raised="KeyError: 'a'"), "traceback"),
        (Outcome(1, err="Traceback (most recent call last):\n"), "traceback"),
        (Outcome(-11), "exit code -11"),
        (Outcome(2, err="runner: error: a\nb\n"), "2 lines"),
        (Outcome(2), "0 lines"),
        (Outcome(2, err="runner: error: a\n", made=("outputs",)), "left behind: outputs"),
        (Outcome(2, err="Note:   b\nrunner: error: a\n"), ""),
        (Outcome(0, made=("outputs",)), ""),
        (Outcome(130, err="runner: interrupted\n"), ""),
    ],
)
def test_what_is_lost_is_noticed(outcome: Outcome, words: str) -> None:
    assert bool(lost(outcome)) == bool(words)
    assert words in lost(outcome)


def test_what_is_lost_is_counted_and_shown_by_its_shortest_attack() -> None:
    tally = Tally("words")
    for attack, problem in (("long attack", "a"), ("short", "a"), ("held", "")):
        tally.add(attack, problem)
    assert tally.line() == "| words | 3 | 1 | 2 |"
    assert list(tally.losses()) == ["words: a\n    2 times, as by short"]


@pytest.mark.slow
def test_a_run_that_is_killed_is_completed_to_the_bit(tmp_path: Path) -> None:
    """By SIGKILL, which nothing in the process can answer. What is known is not tried again."""
    tally = kill_attacks(tmp_path, 2, 1, ["run"])
    assert (tally.tried >= 2, list(tally.losses())) == (True, [])
    results = (tmp_path / "results.jsonl").read_bytes()
    assert kill_attacks(tmp_path, 2, 1, ["run"]).line() == tally.line()
    assert (tmp_path / "results.jsonl").read_bytes() == results

    whole, changed = tmp_path / "whole_run", tmp_path / "changed"
    (events,) = whole.glob("events.*")
    rows = np.load(whole / "steps.npy")
    rows["train_loss"][7] = np.nextafter(rows["train_loss"][7], np.float32(9))
    for name, content, words in (
        (None, b"", ""),
        ("steps.npy", rows, "steps.npy: train_loss differs first in row 7"),
        ("epochs.npy", np.load(whole / "epochs.npy")[:-1], "rows instead of"),
        (events.name, events.read_bytes()[:-2000], "the curve"),
        (f"{events.name}2", b"", "2 event files"),
        (".7.0.json", b"", "left over: ['.7.0.json']"),
        ("final.safetensors", (whole / "checkpoint.safetensors").read_bytes(), "other arrays"),
    ):
        shutil.rmtree(changed, ignore_errors=True)
        shutil.copytree(whole, changed)
        if isinstance(content, bytes) and name:
            (changed / name).write_bytes(content)
        elif name:
            np.save(changed / name, content)
        assert words in different(whole, changed)
        assert bool(words) == bool(different(whole, changed))
