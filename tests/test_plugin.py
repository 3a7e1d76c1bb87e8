"""What an option outside the repository needs: `runner.plugin` and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import DEFAULTS, read_option

from runner import plugin
from runner.config.build import build
from runner.engine.loop import Training
from runner.errors import ConfigError
from runner.experiment import groups, table
from runner.experiment.experiment import Experiment

DATA_AND_MODEL = '''
from runner.plugin import (
    KERNEL, LOGITS, Dataset, Layer, LayerOptions, Model, Optimizer, Sizes, Source, Split,
    dense, flatten, jnp, np, number, optax, option, pure, register, serial,
)


@option
class Stripes(Source):
    """Horizontal and vertical stripes."""

    side: int = number(4, minimum=2)
    noise: float = number(0.1, minimum=0)

    classes = 2

    @property
    def input_shape(self):
        return (self.side, self.side, 1)

    def sizes(self):
        return Sizes(24, 8, 8)

    def load(self):
        random = np.random.default_rng(0)

        def split(examples):
            targets = np.arange(examples, dtype=np.int32) % 2
            rows = np.arange(self.side) % 2
            images = np.where(targets[:, None, None] == 1, rows[:, None], rows[None, :])
            images = images + self.noise * random.normal(size=images.shape)
            return Split(images[..., None].astype(np.float32), targets)

        return Dataset(*map(split, self.sizes()))


def factored(units, rank, initializer):
    """y = x U V."""
    def init(key, shape):
        first, second = initializer(key, (shape[-1], rank)), initializer(key, (rank, units))
        return {"inner": {KERNEL: first}, "outer": {KERNEL: second}}, {}, (units,)

    def apply(params, state, inputs, training):
        return inputs @ params["inner"][KERNEL] @ params["outer"][KERNEL], state

    return Layer(init, apply)


@option
class LowRank(Model):
    """One hidden layer whose kernel has a low rank."""

    rank: int = number(2, minimum=1)

    def network(self, chosen: LayerOptions, classes: int) -> Layer:
        return serial(
            flatten=flatten(),
            hidden=factored(8, self.rank, chosen.initializer),
            activation=chosen.activation.layer(),
            **{LOGITS: dense(classes, chosen.initializer)},
        )


@option
class Shrinking(Optimizer):
    """theta <- theta - learning_rate * shrink * g."""

    learning_rate: float = number(0.2, minimum=0)
    shrink: float = number(0.5, minimum=0)

    def build(self, learning_rate):
        return optax.sgd(learning_rate * self.shrink)


register("data", "stripes", Stripes)
register("model", "low_rank", LowRank)
register("optimizer", "shrinking", Shrinking)
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder for modules, and a table of options that the test may change."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for group, names in table.OPTIONS.items():
        monkeypatch.setitem(table.OPTIONS, group, dict(names))
    return tmp_path


def experiment_with(module: str, steps: int, **choices: dict[str, Any]) -> Experiment:
    """The defaults with some options of a plug-in."""
    config: dict[str, Any] = {"plugins": [module], "steps": steps}
    for group, name in DEFAULTS.items():
        default = read_option(group, name)
        config[group] = {name: default} if group in table.STACKED else default
    return build({**config, **choices})


def example() -> list[str]:
    """The blocks of code in the module's documentation: Python, YAML, a command."""
    blocks = re.findall(r"(?:^    .*\n|^\n)+", plugin.__doc__ or "", re.MULTILINE)
    return [textwrap.dedent(block).strip() + "\n" for block in blocks if block.strip()]


def imports_only_the_plugin_module(code: str) -> bool:
    return set(re.findall(r"^from (runner\S*)", code, re.MULTILINE)) == {"runner.plugin"}


def test_the_documented_optimizer_follows_its_rule(folder: Path) -> None:
    code, *_ = example()
    assert imports_only_the_plugin_module(code)
    (folder / "documented.py").write_text(code)
    choice = {"name": "sign_momentum", "learning_rate": 0.01, "momentum": 0.5}
    optimizer = experiment_with("documented", 1, optimizer=choice).optimizer
    theta, m = np.array([1.0, -2.0]), np.zeros(2)
    rule = optimizer.build(0.01)
    params = {"kernel": plugin.jnp.asarray(theta)}
    state = rule.init(params)
    for slope in ([3.0, -1.0], [-4.0, -0.5], [0.0, 8.0]):
        gradient = np.array(slope)
        m = 0.5 * m + 0.5 * gradient
        updates, state = rule.update({"kernel": plugin.jnp.asarray(gradient)}, state, params)
        np.testing.assert_allclose(updates["kernel"], -0.01 * np.sign(m), rtol=1e-6)


def test_the_documented_command_trains(folder: Path) -> None:
    code, yaml, command = example()
    (folder / "my_options.py").write_text(code)
    (folder / "my_conf" / "optimizer").mkdir(parents=True)
    (folder / "my_conf" / "optimizer" / "sign_momentum.yaml").write_text(yaml)
    words = [*command.split()[1:], "model=linear", "steps=3", "hydra.run.dir=out"]
    done = subprocess.run(
        [sys.executable, "-m", "runner", *words], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert len(np.load(folder / "out" / "steps.npy")) == 3


def test_a_data_source_a_model_and_an_optimizer_of_one_module_learn(folder: Path) -> None:
    assert imports_only_the_plugin_module(DATA_AND_MODEL)
    (folder / "stripes_and_rank.py").write_text(DATA_AND_MODEL)
    experiment = experiment_with(
        "stripes_and_rank",
        60,
        data={"name": "stripes", "noise": 0.05},
        model={"name": "low_rank", "rank": 3},
        optimizer={"name": "shrinking", "learning_rate": 0.2, "shrink": 0.5},
        batch_size={**read_option("batch_size", "mini"), "size": 12},
    )
    training = Training([experiment], experiment.data.load())
    losses = np.concatenate([chunk.steps["train_loss"] for (chunk,) in training.chunks() if chunk])
    assert len(losses) == 60
    assert losses[-1] < 0.2 < losses[0]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ('register("optimizer", "adam", Whole)', "optimizer=adam: the name is already Adam of"),
        ('register("optimiser", "x", Whole)', "there is no group optimiser; did you mean optim"),
        ('register("model", "x", Whole)', "model=x: Whole must derive from Model"),
        ('register("optimizer", "x", Ruleless)', "optimizer=x: Ruleless must define build"),
        ('register("optimizer", "x", Bare)', "optimizer=x: Bare must be declared with @option"),
    ],
)
def test_a_mistake_in_registering_is_one_line(folder: Path, code: str, message: str) -> None:
    classes = """
from runner.plugin import Optimizer, number, optax, option, register

class Bare(Optimizer):
    learning_rate = 0.1
    def build(self, learning_rate):
        return optax.sgd(learning_rate)

@option
class Whole(Bare):
    learning_rate: float = number(0.1)

@option
class Ruleless(Optimizer):
    learning_rate: float = number(0.1)

"""
    name = f"mistaken_{abs(hash(code))}"
    (folder / f"{name}.py").write_text(classes + code)
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        experiment_with(name, 1)
    assert str(caught.value).startswith(f"plugins: cannot import {name!r}: ")
    assert "\n" not in str(caught.value)


def test_the_base_of_every_group_can_be_imported() -> None:
    for group in table.OPTIONS:
        base = groups.base_of(group)
        assert base.__name__ in plugin.__all__
        assert getattr(plugin, base.__name__) is base
        assert f"| `{group}` | `{base.__name__}`" in (plugin.__doc__ or "")


def test_every_name_of_the_module_exists() -> None:
    assert len(set(plugin.__all__)) == len(plugin.__all__)
    assert all(hasattr(plugin, name) for name in plugin.__all__)


def test_a_source_whose_own_loss_would_not_be_used_is_refused() -> None:
    def losses_and_errors(self: plugin.Source, outputs: Any, targets: Any) -> Any:
        return outputs.sum(-1), outputs.sum(-1)

    with pytest.raises(TypeError, match="Mine has a loss of its own: add 'loss' to its `ignores`"):
        type("Mine", (plugin.Source,), {"losses_and_errors": losses_and_errors})
    type("Mine", (plugin.Source,), {"losses_and_errors": losses_and_errors, "ignores": ("loss",)})
