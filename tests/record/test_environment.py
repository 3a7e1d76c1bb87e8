"""What a run records about the code and the machine that computed it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from conftest import ROOT

from runner.record.environment import (
    ask_for_commit,
    command_line,
    environment,
    parse_state,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def fresh() -> Iterator[None]:
    """Lets `environment` look again."""
    for asked_once in (environment, ask_for_commit):
        asked_once.cache_clear()
    yield
    environment.cache_clear()


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("", (None, None)),
        (f"# branch.oid {COMMIT}\n# branch.head main\n", (COMMIT, False)),
        (f"# branch.oid {COMMIT}\n1 .M N... 100644 a b runner/cli.py\n", (COMMIT, True)),
        (f"# branch.oid {COMMIT}\n? runner/new.py\n", (COMMIT, True)),
        ("# branch.oid (initial)\n# branch.head main\n", (None, None)),
    ],
)
def test_the_state_of_the_code_is_read_from_git(
    answer: str, state: tuple[str | None, bool | None]
) -> None:
    assert parse_state(answer) == state


def test_the_environment_is_that_of_this_process(
    fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PJRT_NPROC", "33")
    found = environment()
    assert found["threads"] == 33
    assert found["cores"] == len(os.sched_getaffinity(0))
    assert found["cpu"]
    if (ROOT / ".git").exists():
        line = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
        head = subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()
        assert found["commit"] == head
        assert isinstance(found["changed"], bool)
    else:
        assert (found["commit"], found["changed"]) == (None, None)


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["/usr/bin/runner", "seed=1", "a=[b, c]"], "runner seed=1 'a=[b, c]'"),
        (["/site-packages/runner/__main__.py", "-m", "seed=1,2"], "runner -m seed=1,2"),
        (["study.py"], "study.py"),
    ],
)
def test_the_command_can_be_pasted(
    argv: list[str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    assert command_line() == command
