"""Every command that README, CONTRIBUTING and the pages of docs/ show, run in small.

A command is a line of a fenced `sh` block, or of an indented block, that starts with a known
program; a comment may follow it. A line `$ COMMAND` shows what the command prints: where the next
line is an error, the command must print exactly that. The commands of a page are run one after the
other in one directory, since later ones read what earlier ones leave; on a page where none does,
each section is a test of its own. Python blocks that import something are run after the commands.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import own_files
import pytest
import yaml
from command_line import CommandLine, Completed
from conftest import CONF, ROOT
from test_make import targets

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = (
    "runner",
    "runner-compare",
    "runner-new",
    "make",
    "tensorboard",
    "eval",
    "pip",
    "python",
    "python3",
)
# With 1,408 examples of the digits to train on, the batches of most commands divide an epoch: no
# step for a shorter one is compiled.
WHOLE_BATCHES = ("data.validation_examples=197", "data.test_examples=192")
GO_ON = ("--resume", "--rerun", "--branch")
"""Words that take their config from a run."""

NO_TRAINING = ("--help", "--info", "--cfg", "--hydra-help", "--version", "-sc", "dry_run=true")
# What makes a prepared study short; its schedules or its figure may need more than two epochs.
EPOCHS_OF_STUDY = {
    "adam_counterexample": "epochs=2",
    "alpha_dropout": "model.depth=1",
    "batch_cost": "steps=24 model.widths=[8] diagnostics.noise.examples=16",
    "cliff": "steps=8",
    "convergence_rates": "steps=40",
    "critical_batch_size": "epochs=3",  # until the target is reached
    "deep_linear": "model.depth=1,2",
    "linear_autoencoder": "steps=5",
    "shortcuts": "model.blocks=1",
    "dead_units": "model.depth=1",
    "edge_of_stability": "epochs=2 diagnostics.curvature.iterations=2 model.widths=[4]",
    "escape": "steps=8",
    "exploding_signals": "model.depth=1",
    "gradients_through_time": "model.pixels=false",
    "initializers": "epochs=2 model.depth=1",
    "growing_batch": "epochs=16",
    "ill_conditioning": "epochs=1 diagnostics.curvature.iterations=2 model.widths=[4]",
    "long_lag": "steps=2",
    "look_ahead": "steps=8",
    "mnist_cnn": "steps=2 model.channels=[2] model.stride=4 data.validation_examples=0",
    "noise_scale": "epochs=3",  # until the target is reached
    "post_norm": "steps=2 model.depth=1 warmup.length=1",
    "profile": "epochs=2 model=linear",
    "saturation": "model.depth=1",
    "scale_invariance": "model.depth=2 initializer.scale=[0.1,0.1,1],[1,1,1]",
    "saddle_points": "epochs=2 diagnostics.curvature.iterations=2 model.widths=[2]",
    "surface": "steps=20 data=ravine",
    "symmetric_units": "model.widths=[8]",
    "vanishing_gradients": "model.depth=2",
}

LARGE = ("deepobs_2c2d", "deepobs_3c3d", "lenet5")
"""Studies of large networks, which `tests/options/test_presets.py` builds."""


SHOWN_FILE = r"`([\w/]+\.(?:py|yaml))`:\n\n```(?:python|yaml)\n(.*?)^```$"
"""A file of the reader's, with its name above it."""


class Command(NamedTuple):
    """A command as documented, the comment after it, and the error that it is shown to print."""

    words: tuple[str, ...]
    comment: str
    error: str | None

    def reason_to_skip(self) -> str | None:
        """Why it cannot be run here; None if it can."""
        line = " ".join(self.words)
        if "install" in self.comment or self.words[0] in ("pip", "python", "python3"):
            return "installs"
        if "GPU" in self.comment:
            return "needs a GPU"
        needs_mnist = re.search(r"data=(fashion_)?mnist", line) or "needs MNIST" in self.comment
        if needs_mnist and not os.environ.get("RUNNER_DATA_DIR"):
            return "needs RUNNER_DATA_DIR with MNIST"
        return None


def blocks(text: str) -> list[tuple[str, list[str]]]:
    """The fenced blocks of a page with their language, and its indented blocks."""
    fenced = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    found = [(match[1], match[2].splitlines()) for match in fenced.finditer(text)]
    indented = re.findall(r"(?:^ {4}\S.*\n|^ *\n(?= {4}\S))+", fenced.sub("", text), re.MULTILINE)
    return found + [("", [line[4:] for line in block.splitlines()]) for block in indented]


def commands(text: str) -> list[Command]:
    """The commands that a page shows, in its order within each kind of block."""
    found = []
    for language, lines in blocks(text):
        for line, following in zip(lines, [*lines[1:], ""], strict=True):
            shown = line.startswith("$ ")
            command, _, comment = line.removeprefix("$ ").partition(" #")
            program = Path(command.partition(" ")[0]).name
            if shown or (language in ("sh", "bash", "") and program in PROGRAMS):
                error = following if shown and re.match(r"[\w-]+: error: ", following) else None
                found.append(Command(_words(command), comment.strip(), error))
            elif language in ("sh", "bash") and command.strip():
                raise AssertionError(f"no test knows how to run: {line}")
    return found


def _words(command: str) -> tuple[str, ...]:
    inner = re.fullmatch(r'eval "\$\((.*)\)"', command.strip())
    words = shlex.split(inner[1] if inner else command)
    return Path(words[0]).name, *words[1:]


def in_small(words: tuple[str, ...], in_gallery: bool) -> list[str]:
    """The arguments of `runner`, changed so that little is trained.

    The page of the gallery has every study. Where else one is run it is only checked, unless its
    directory has a name, by which later commands read it; then the gallery's is only checked, as
    are studies whose claim a test trains.
    """
    arguments = list(words)
    if set(arguments) & set(NO_TRAINING):
        return arguments
    given = {word.partition("=")[0].lstrip("+"): word.partition("=")[2] for word in arguments}
    if "experiment" in given:
        if given["experiment"] in LARGE:
            return [*arguments, "--cfg", "job"]
        small = _small_study(given["experiment"], set(given))
        is_named = "hydra.sweep.dir" in given
        trained = given["experiment"] in named() | claimed()
        if "-m" in small and not is_named and (trained or not in_gallery):
            return [*arguments, *small, "dry_run=true"]
        return arguments + small
    if "-m" in arguments:
        arguments = [_first_two(word) for word in arguments]
        if "--branch" in arguments:  # one epoch would end before the epoch that it starts at
            return arguments
        return [*(word for word in arguments if not word.startswith("epochs=")), "epochs=1"]
    if given.get("data") in ("npz", "images"):  # their files are read and checked
        return ["-m", *arguments, "dry_run=true"]
    if given.get("model") == "cnn" or given.get("data") in ("mnist", "fashion_mnist"):
        narrow = ["model.widths=[8]"] + ["model.channels=[2,3]"] * (given.get("model") == "cnn")
        if given.get("data") in ("mnist", "fashion_mnist"):
            narrow.append("data.validation_examples=100")  # most of the time is evaluation
        arguments = [word for word in arguments if not word.startswith("epochs=")]
        return [*arguments, "steps=2", *narrow]
    if "diagnostics" in given:
        curvature = "curvature" in given["diagnostics"]
        arguments += ["diagnostics.curvature.iterations=2", "model.widths=[4]"] * curvature
        return [*arguments, "epochs=2"]
    return arguments  # ten epochs of the digits take less time than their program to compile


def of_whole_batches(arguments: list[str]) -> list[str]:
    """The arguments for fewer examples of the digits, where they train on those."""
    keys = {word.partition("=")[0] for word in arguments}
    study = next((word[12:] for word in arguments if word.startswith("+experiment=")), None)
    file = CONF / "experiment" / f"{study}.yaml"
    if study and (not file.exists() or re.search(r"\bdata: ", file.read_text())):
        return arguments  # a user's study, or one with data of its own
    if keys & {*GO_ON, "data"} or set(arguments) & set(NO_TRAINING) or "data." in " ".join(keys):
        return arguments
    return [*arguments, *WHOLE_BATCHES]


@functools.cache
def named() -> set[str]:
    """The studies that a page runs in a directory with a name."""
    words = [command.words for page in PAGES for command in commands(page.read_text())]
    lines = [" ".join(each) for each in words if any("hydra.sweep.dir" in word for word in each)]
    return {found[1] for line in lines if (found := re.search(r"experiment=(\w+)", line))}


@functools.cache
def claimed() -> set[str]:
    """The studies whose claim a test trains, as its docstring says."""
    found: set[str] = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        found |= set(re.findall(r"claims? of `experiment=(\w+)`", file.read_text()))
    return found


def _first_two(word: str) -> str:
    key, equals, values = word.partition("=")
    return word if "[" in values else key + equals + ",".join(values.split(",")[:2])


def _small_study(name: str, given: set[str]) -> list[str]:
    """Overrides that leave two values of everything that a study sweeps, one seed, few layers."""
    study = yaml.safe_load((CONF / "experiment" / f"{name}.yaml").read_text())
    length = EPOCHS_OF_STUDY.get(name, "epochs=2")
    words = length.split()
    small = [] if {"epochs", "steps"} & given else words
    given = given | {word.partition("=")[0] for word in words}
    if "depth" in study.get("model", {}) and "model.depth" not in given:
        small.append("model.depth=1")
    hydra = study.get("hydra", {})
    sweeper = hydra.get("sweeper", {})
    if cases := sweeper.get("cases", [])[:2]:
        small.append(f"hydra.sweeper.cases={[list(map(_first_two, case)) for case in cases]}")
    for key, values in sweeper.get("params", {}).items():
        if key not in given and "," in str(values):
            kept = 1 if key == "seed" else 2
            small.append(f"{key}={','.join(str(values).split(',')[:kept])}")
    return ["-m", *small] if hydra.get("mode") == "MULTIRUN" else small


def run(command: Command, call: CommandLine, in_gallery: bool) -> Completed | None:
    """Run a command in small; None for what other tests run."""
    program, *arguments = command.words
    if program == "make":
        assert set(arguments) <= targets(), "tests/test_make.py runs them"
        return None
    if program == "tensorboard":
        assert "--logdir" in arguments, "tests/record/test_tensorboard.py runs it"
        return None
    if program == "runner-compare":
        return call.compare(*(re.sub(r"outputs/\d{4}-\S*", "outputs", word) for word in arguments))
    if program == "runner-new":
        return call.new(*arguments)
    assert program == "runner"
    if command.error is not None:
        return call(*arguments)
    return call(*of_whole_batches(in_small(tuple(arguments), in_gallery)))


def parts(page: Path) -> list[str]:
    """The page as it is tested: whole if its commands read what earlier ones left, else cut up."""
    text = page.read_text()
    if any(command.words[0] in ("runner-compare", "tensorboard") for command in commands(text)):
        return [text]
    sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    return [section for section in sections if commands(section)]


PARTS = [
    (f"{page.stem}-{number}", part) for page in PAGES for number, part in enumerate(parts(page))
]
CASES = [
    pytest.param(*part, marks=[pytest.mark.real_loop] * part[0].startswith("README"), id=part[0])
    for part in PARTS
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "text"), CASES)
def test_the_commands_of_a_page_work(
    name: str,
    text: str,
    runner: CommandLine,
    tmp_path: Path,
    plugins_end: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runner.compare.figures.animation.FRAMES", 3)
    option = tmp_path / "mine" / "optimizer" / "my_option.yaml"  # the reader's own, as documented
    option.parent.mkdir(parents=True)
    option.write_text("# Slow Adam\nname: adam\nlearning_rate: 0.0001\n")
    if re.search(r"data=(csv|npz|images|text)", text):
        own_files.write_files(tmp_path)
    for file, content in re.findall(SHOWN_FILE, text, re.MULTILINE | re.DOTALL):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(content)
    for command in commands(text):
        if command.reason_to_skip():
            continue
        done = run(command, runner, name.startswith("gallery"))
        if done is None:
            continue
        shown = f"{' '.join(command.words)}\n{done.stdout}{done.stderr}"
        if command.error is None:
            assert done.returncode == 0, shown
        else:
            assert (done.returncode, done.stderr.strip()) == (2, command.error), shown
    for language, lines in blocks(text):
        if language == "python" and lines[0].startswith("import "):
            run_python("\n".join(lines), tmp_path)


def run_python(source: str, directory: Path) -> None:
    """Run a Python block where the commands before it have left their files."""
    run_directory = next(iter(sorted(directory.rglob("steps.npy"))), directory / "none").parent
    os.chdir(run_directory if '"steps.npy"' in source and run_directory.is_dir() else directory)
    try:
        exec(compile(source, "a documented block", "exec"), {})
    finally:
        os.chdir(ROOT)


def test_commands_are_found_in_every_form_of_block() -> None:
    text = (
        "Text.\n\n```sh\nrunner steps=2   # short\nmake test\n```\n\n"
        "```text\n$ runner lr=1\nrunner: error: no\nrunner is not run here\n```\n\n"
        '    runner -m seed=0,1\n    eval "$(runner -sc install=bash)"\n    no command\n\nText.\n'
    )
    assert commands(text) == [
        Command(("runner", "steps=2"), "short", None),
        Command(("make", "test"), "", None),
        Command(("runner", "lr=1"), "", "runner: error: no"),
        Command(("runner", "-m", "seed=0,1"), "", None),
        Command(("runner", "-sc", "install=bash"), "", None),
    ]
    with pytest.raises(AssertionError, match="no test knows"):
        commands("```sh\nmystery --flag\n```\n")


def test_the_documents_show_commands() -> None:
    found = [command for page in PAGES for command in commands(page.read_text())]
    assert len(found) > 40
    assert {command.words[0] for command in found} >= {"runner", "runner-compare", "make"}
