"""Attacks by what a command reads: its words, the user's files, the folders of others.

Each is a `tests.torture.outcome.Attack`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from runner import files
from runner.compare.view import fields_of_view
from tests.torture.mutations import VALUES, command_lines, curves, summaries, values, yaml_files
from tests.torture.outcome import Tally, lost
from tests.torture.worker import Worker

SWEEP = ("-m", "seed=0,1", "optimizer.learning_rate=0.1,0.01", "model=linear", "steps=20")
_SMALL = ("steps=2", "batch_size=8", "model.widths=[4]")


def _each(count: int, number: int, strategy: st.SearchStrategy[Any], attack: Callable) -> None:
    """Attack with a number of examples of a strategy."""

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def attacks(example: Any) -> None:
        attack(example)

    attacks()


def command_line_attacks(place: Path, count: int, number: int) -> Tally:
    """Mutated command lines: nothing is trained, and nothing written."""
    tally = Tally("mutated command lines")
    with Worker(place) as worker:

        def attack(words: list[str]) -> None:
            outcome = worker("runner", *words)
            made = f"made {outcome.made[:3]}" if outcome.made else ""
            tally.add(ascii(words), lost(outcome) or made)

        _each(count, number, command_lines(), attack)
    return tally


def file_attacks(place: Path, count: int, number: int) -> Tally:
    """Mutated YAML files of the user's own options and studies."""
    tally = Tally("mutated YAML files")
    with Worker(place) as worker:

        def attack(example: tuple[str, bytes]) -> None:
            group, content = example
            file = place / "mine" / group / "mine.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            words = ["--config-dir", "mine", f"{group}=mine", "dry_run=true"]
            tally.add(f"{words} {content!r}", lost(worker("runner", *words)))

        _each(count, number, yaml_files(), attack)
    return tally


def value_attacks(place: Path, count: int, number: int) -> Tally:
    """Numbers at the ends of their ranges, trained for two steps."""
    tally = Tally("extreme values, trained")
    with Worker(place) as worker:

        def attack(words: list[str]) -> None:
            outcome = worker("runner", *_SMALL, *words, "hydra.run.dir=run")
            tally.add(ascii(words), lost(outcome._replace(made=())))
            shutil.rmtree(place / "run", ignore_errors=True)

        _each(count, number, values(), attack)
    return tally


def folder_attacks(place: Path, count: int, number: int) -> Tally:
    """Records that were changed, replaced or planted, compared, repeated and resumed."""
    tally = Tally("planted and damaged folders")
    with Worker(place) as worker:
        outcome = worker("runner", *SWEEP, "hydra.sweep.dir=whole")
        assert outcome.code == 0, outcome
        summary = json.loads(next((place / "whole").rglob(files.SUMMARY)).read_text())
        curve = next((place / "whole").rglob(files.STEPS)).read_bytes()

        def attack(example: tuple[str, Any, list[str]]) -> None:
            name, content, words = example
            shutil.rmtree(place / "planted", ignore_errors=True)
            shutil.copytree(place / "whole", place / "planted", symlinks=True)
            run = next((place / "planted").rglob(files.SUMMARY)).parent
            _plant(place / "planted" / name if name in _OF_SWEEP else run / name, content)
            problem = lost(worker(*words)._replace(made=()))
            tally.add(f"{words} {name} {ascii(content)[:2000]}", problem)

        _each(count, number, _planted(summary, curve), attack)
    return tally


_OF_SWEEP = (files.SWEEP_CONFIG,)
_COMMANDS = st.sampled_from(
    [
        *(["runner-compare", "planted", "--table", form] for form in ("text", "csv", "latex")),
        ["runner-compare", "planted", "--by", "optimizer.learning_rate", "--table", "markdown"],
        ["runner-compare", "planted", "--measure", "train_loss", "--output", "planted/a.svg"],
        ["runner-compare", "planted", "--axis", "examples", "--output", "planted/a.csv"],
        ["runner-compare", "planted", "--target", "0.5", "--output", "planted/a.html"],
        ["runner", "--rerun", "planted", "dry_run=true"],
        ["runner", *SWEEP, "hydra.sweep.dir=planted", "dry_run=true"],
    ]
)
_FLAGS = [field.metadata["flag"] or field.name.replace("_", "-") for field in fields_of_view()]


@st.composite
def _comparison(draw: st.DrawFn) -> list[str]:
    """A comparison with flags that have odd values."""
    flags = draw(st.lists(st.sampled_from([*_FLAGS, "output", "table", "nope"]), max_size=2))
    words = [f"--{flag}={draw(VALUES)}".replace("\x00", "") for flag in flags]
    return ["runner-compare", "planted", *words, "--output", "planted/b.png"]


_LINKS = ("/dev/zero", "/dev/full", "/proc/self/mem", "summary.json", "nowhere", "..")


def _planted(
    summary: dict[str, Any], curve: bytes
) -> st.SearchStrategy[tuple[str, Any, list[str]]]:
    """A file of a record, its new content, and the command that reads it."""
    names = st.sampled_from([files.SUMMARY, files.STEPS, files.EPOCHS, files.SWEEP_CONFIG])
    strange = st.one_of(st.sampled_from(_LINKS), st.none(), st.binary(max_size=30))
    contents = st.one_of(
        st.tuples(st.just(files.SUMMARY), summaries(summary)),
        st.tuples(st.sampled_from([files.STEPS, files.EPOCHS]), curves(curve)),
        st.tuples(names, strange),
    )
    commands = st.one_of(_COMMANDS, _comparison())
    return st.builds(lambda planted, words: (*planted, words), contents, commands)


def _plant(file: Path, content: Any) -> None:
    """Replace a file: by bytes or text, by a link to one of `_LINKS`, or by a pipe (None)."""
    file.unlink(missing_ok=True)
    if content is None:
        os.mkfifo(file)
    elif content in _LINKS:
        file.symlink_to(content)
    elif isinstance(content, bytes):
        file.write_bytes(content)
    else:
        file.write_text(content, encoding="utf-8", errors="surrogatepass")
