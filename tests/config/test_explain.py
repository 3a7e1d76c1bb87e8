"""`runner --help WORD`: rules, ranges and meanings, for every option and key that there is."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import yaml
from command_line import CommandLine
from conftest import CONF, ROOT, every_option, read_option

from runner.config.explain import explained
from runner.config.values import shown
from runner.errors import ConfigError
from runner.experiment.table import GROUPS, OPTIONS, STACKED


def test_an_option_is_explained_by_its_rule_its_source_and_its_keys(runner: CommandLine) -> None:
    done = runner("--help", "optimizer=adam")
    assert done.stdout.startswith("optimizer=adam  Adam: adaptive moments (Kingma & Ba 2015)\n")
    assert "theta <- theta - learning_rate * m^ / (sqrt(v^) + eps)" in done.stdout
    line = r"  optimizer\.eps=1e-08 +added to the root .*\n? *.*\(float, greater\s+than 0\)"
    assert re.search(line, done.stdout)
    assert runner("optimizer=adam", "--help").stdout == done.stdout


def test_every_option_and_every_key_is_explained() -> None:
    for group, name in every_option():
        text = explained([f"{group}={name}"], [CONF])
        rule = (OPTIONS[group][name].__doc__ or "").split("\n")[0].strip()
        assert rule in text
        place = f"{group}.{name}" if group in STACKED else group
        keys = [f"{place}.{key.name}" for key in dataclasses.fields(OPTIONS[group][name])]
        assert all(f"  {key}=" in text for key in keys)
        for key in keys[:1]:
            assert f"{group}={name} " in explained([f"{group}={name}", key], [CONF])


def test_a_key_has_the_defaults_of_the_options_that_have_it() -> None:
    text = explained(["optimizer.b2"], [CONF])
    listed = dict(re.findall(r"^  optimizer=(\w+) +(\S+)", text, re.MULTILINE))
    written = {name: read_option("optimizer", name).get("b2") for name in OPTIONS["optimizer"]}
    assert listed == {name: shown(value) for name, value in written.items() if value is not None}
    assert "optimizer.b2: float, greater than 0.6 and less than 1\n  optimizer=radam" in text
    of_one = explained(["optimizer=lion", "optimizer.b2=0.9"], [CONF])
    assert of_one.endswith("less than 1\n  optimizer=lion  0.99  decay rate of the momentum\n")
    assert "any optimizer" in explained(["optimizer.base"], [CONF])
    assert "optimizer=adam " in explained(["optimizer.base.b1"], [CONF])


def test_groups_studies_and_settings() -> None:
    for group in GROUPS:
        text = explained([group], [CONF])
        listed = set(re.findall(r"^  (\w+)  ", text, re.MULTILINE))
        assert listed >= {file.stem for file in (CONF / group).glob("*.yaml")}
        example = re.search(r"^runner --help (\S+) says", text, re.MULTILINE)
        assert example
        assert explained([example[1]], [CONF])
    study = explained(["+experiment=momentum"], [CONF])
    assert "Nesterov momentum makes no" in study
    assert "runner +experiment=momentum" in study
    assert "passes over the training examples" in explained(["epochs=3"], [CONF])
    assert "what is drawn" in explained(["figure.kind"], [CONF])
    assert explained(["batch_size=64"], [CONF]).startswith("batch_size=mini  ")
    settings = yaml.safe_load((CONF / "config.yaml").read_text()).keys() - {"defaults", "hydra"}
    for key in settings:
        assert explained([key], [CONF]).startswith(f"  {key}=")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("optimizer=adm", "optimizer=adm is not a known optimizer; did you mean adam?"),
        ("normalization=BatchNorm", "did you mean batch?"),
        ("optimzer", "optimzer is no group, option or key; did you mean optimizer?"),
        ("adam", "did you mean optimizer=adam?"),
        ("lr", "did you mean optimizer.learning_rate?"),
        ("optimizer.beta1", "optimizer.beta1 is not a known key; did you mean optimizer.b1?"),
        ("optimizer.lerning_rate", "did you mean learning_rate?"),
        ("optimzer.b1", "did you mean optimizer?"),
        ("optimizer.b1.x", "optimizer.b1.x is not a known key"),
        ("regularization.nope.rate", "regularization.nope.rate is not a known key"),
        ("experiment=momentun", "did you mean momentum?"),
        ("epoch", "did you mean epochs?"),
        (".", ". is not a known key"),
        ("=", " is no group, option or key"),
    ],
)
def test_a_wrong_word_is_answered_by_the_nearest(word: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        explained([word], [CONF])
    assert "\n" not in str(caught.value)


def test_mistakes_on_the_command_line_exit_with_2(runner: CommandLine) -> None:
    for words, said in (
        (["optimizer=adm"], "did you mean adam?"),
        (["--config-dir", "nowhere"], "--config-dir nowhere: there is no such folder"),
        (["plugins=[no_such_module]"], "plugins: cannot import 'no_such_module'"),
    ):
        done = runner("--help", *words)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert said in done.stderr


PLUGIN = '''
from runner.plugin import Optimizer, number, optax, option, register

@option
class Slow(Optimizer):
    """theta <- theta - learning_rate * g, slowly."""

    learning_rate: float = number(0.001, minimum=0)

    def build(self, learning_rate):
        return optax.sgd(learning_rate)

register("optimizer", "slow", Slow)
'''


def test_an_option_of_a_plug_in_is_known_once_it_is_named(
    runner: CommandLine, tmp_path: Path, plugins_end: None
) -> None:
    (tmp_path / "slow_module.py").write_text(PLUGIN)
    (tmp_path / "mine" / "optimizer").mkdir(parents=True)
    file = tmp_path / "mine" / "optimizer" / "slow.yaml"
    file.write_text("# Slow descent\nname: slow\nlearning_rate: 0.001  # step size\n")
    own = ["--config-dir", "mine", "optimizer=slow"]
    hint = "slow_module.py registers it: add plugins=[slow_module]"
    for words in (["--help", *own], [*own, "dry_run=true"]):
        done = runner(*words)
        assert (done.returncode, done.stderr.count(hint)) == (2, 1), done.stderr
    named = [*own, "plugins=[slow_module]"]
    assert "optimizer.learning_rate=0.001  step size" in runner("--help", *named).stdout
    assert "  slow " in runner("--help", "--config-dir=mine").stdout
    assert runner(*named, "--cfg", "job").returncode == 0
    done = runner("-m", *named, "seed=0,1", "dry_run=true")
    assert "2 of 2 runs to run" in done.stdout, done.stderr
    line = "runner --config-dir mine optimizer=sl"
    words = ["-sc", "query=bash", "--config-dir", "mine"]
    assert "optimizer=slow" in runner(*words, COMP_LINE=line, COMP_POINT=str(len(line))).stdout
    assert not (ROOT / "mine").exists()
