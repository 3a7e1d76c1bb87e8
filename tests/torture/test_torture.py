"""What counts as lost. A few attacks of each quick kind are made by `make torture` in test_make."""

from __future__ import annotations

import pytest

from tests.torture.outcome import Outcome, Tally, lost


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
