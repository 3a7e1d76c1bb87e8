"""`runner-new`: what it writes keeps the contract, and what it refuses."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from command_line import CommandLine

from runner.config.explain import explained
from runner.config.locations import config_directory
from runner.contract import check_option, experiment_with
from runner.contract.text import check_class, check_comments, check_defaults
from runner.new.cli import run_command_line
from runner.new.option import templates


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugins_end: None) -> Path:
    """The current folder, from which modules are imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def written(group: str, name: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run_command_line([group, name]) == 0
    return capsys.readouterr().out


def run_tests(name: str) -> int:
    """Run the functions of a written test but that of the contract; return how many there are."""
    module = importlib.import_module(f"test_{name}")
    tests = [each for key, each in vars(module).items() if key.startswith("test_")]
    rules = [test for test in tests if "contract" not in test.__name__]
    for test in rules:
        test()
    assert len(tests) == len(rules) + 1
    return len(rules)


@pytest.mark.parametrize("group", templates())
def test_what_is_written_keeps_the_contract_and_its_rule(
    group: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The compiled part of the contract, which takes seconds, is run for one of them below."""
    name = f"written_{group}"
    written(group, name, capsys)
    importlib.import_module(name)
    check_class(group, name)
    check_defaults(group, name, here / "my_conf")
    check_comments(group, name, here / "my_conf")
    assert run_tests(name) >= 1
    experiment = experiment_with(group, name, here / "my_conf")
    network, shape = experiment.network(), experiment.input_shape

    def outputs(key: jax.Array) -> jax.Array:
        params, state, _ = network.init(key, shape)
        return network.apply(params, state, jnp.zeros((2, *shape)), True)[0]

    assert jax.eval_shape(outputs, jax.random.key(0)).shape == (2, experiment.data.outputs)
    assert f"{group}={name}  " in explained(
        [f"{group}={name}"], [config_directory(), here / "my_conf"]
    )


def test_the_line_that_is_said_trains_and_the_contract_holds(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = written("optimizer", "spoken", capsys)
    line = re.search(r"^Use: +runner (.*)$", said, re.MULTILINE)
    assert line
    done = CommandLine(here)(*shlex.split(line[1]), "model=linear", "steps=2", "hydra.run.dir=out")
    assert done.returncode == 0, done.stderr
    assert len(np.load(here / "out" / "steps.npy")) == 2
    check_option("optimizer", "spoken", here / "my_conf")


def test_nothing_is_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in ("kept.py", "my_conf/optimizer/kept.yaml", "test_kept.py"):
        (here / file).parent.mkdir(parents=True, exist_ok=True)
        (here / file).write_text("mine")
        assert run_command_line(["optimizer", "kept"]) == 2
        assert "is there, and nothing is overwritten" in capsys.readouterr().err
        assert [each.read_text() for each in here.rglob("*.*")] == ["mine"]
        (here / file).unlink()
    (here / "my_conf" / "optimizer").rmdir()
    (here / "my_conf" / "optimizer").write_text("a file")
    assert run_command_line(["optimizer", "kept"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_files_go_where_they_are_wanted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["schedule", "elsewhere", "--into", "a/b"]) == 0
    assert {str(file.relative_to(here)) for file in here.rglob("*.*")} == {
        "a/b/elsewhere.py",
        "a/b/test_elsewhere.py",
        "a/b/my_conf/schedule/elsewhere.yaml",
    }
    assert "Use:   cd a/b && runner --config-dir my_conf" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("optimiser mine", "optimiser is no group of options; did you mean optimizer?"),
        ("warmup mine", "there is no template for warmup; runner/plugin.py says"),
        ("optimizer adam", "optimizer=adam is an option already"),
        ("optimizer json", "json is a Python module already"),
        ("optimizer optax", "optax is a Python module already"),
        ("optimizer My-SGD", "small letters, digits and _; my_sgd"),
        ("optimizer class", "cannot be the name of a module"),
        ("optimizer ../x", "cannot be the name of a module"),
        ("optimizer null", "null has a meaning in YAML"),
        ("optimizer", "the following arguments are required: NAME; see runner-new --help"),
        ("optimizer a b", "unrecognized arguments: b; see runner-new --help"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(
    words: str, said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(words.split()) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1
    assert not list(here.iterdir())


def test_its_help_names_the_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert ", ".join(templates()) in shown
    assert {"optimizer", "schedule", "model", "data", "loss", "normalization"} <= set(templates())


BROKEN = {
    "branches": (
        "-inputs.learning_rate * jnp.sign(g) if self.power > 1 else g",
        "a float is used as a plain number in Python; it is data: use jnp.where",
    ),
    "climbs": ("inputs.learning_rate * g * self.power", "in 60 steps the loss went from"),
}
RULE = '''
from runner.plugin import UpdateRule, jax, jnp, number, option, register

@option
class Broken(UpdateRule[tuple]):
    """theta <- theta + something that is wrong."""

    learning_rate: float = number(0.1, minimum=0)
    power: float = number(2.0, minimum=0)

    def init(self, params):
        return ()

    def step(self, state, inputs):
        return jax.tree.map(lambda g: {rule}, inputs.gradient), ()

register("optimizer", "{name}", Broken)
'''


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_the_contract_is_said(name: str, here: Path) -> None:
    rule, said = BROKEN[name]
    (here / f"{name}.py").write_text(RULE.format(rule=rule, name=name))
    file = here / "my_conf" / "optimizer" / f"{name}.yaml"
    file.parent.mkdir(parents=True)
    text = f"# Broken on purpose\nname: {name}\nlearning_rate: 0.1  # size\npower: 2.0  # of it\n"
    file.write_text(text)
    importlib.import_module(name)
    with pytest.raises(AssertionError, match=said):
        check_option("optimizer", name, here / "my_conf")


def test_what_is_wrong_with_the_texts_is_said(here: Path) -> None:
    (here / "texts.py").write_text(RULE.format(rule="-g", name="texts"))
    importlib.import_module("texts")
    file = here / "my_conf" / "optimizer" / "texts.yaml"
    file.parent.mkdir(parents=True)
    rate, power = "learning_rate: 0.1  # size", "power: 2.0  # of it"
    for lines, said in [
        (["# Broken on purpose", "name: texts", rate], "has no power"),
        (["# Broken on purpose", "name: texts", rate, power, "x: 1  # x"], "is called x"),
        (["# Broken on purpose", "name: text", rate, power], "needs the line `name: texts`"),
        (
            ["# Broken on purpose", "name: texts", rate, "power: 3.0  # of it"],
            "power is 3.0, and 2",
        ),
        (["name: texts", rate, power], "the first line must be a comment"),
        (["# Broken on purpose", "name: texts", rate, "power: 2.0"], "what this is: power: 2.0"),
    ]:
        file.write_text("\n".join(lines) + "\n")
        with pytest.raises(AssertionError, match=re.escape(said)):
            check_option("optimizer", "texts", here / "my_conf")
    with pytest.raises(AssertionError, match="import the module that registers it first"):
        check_option("optimizer", "texts_of_another", here / "my_conf")
