"""From a composed config to an experiment: what is refused, and in which words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import DEFAULTS, compose, read_option

from runner.config.build import build
from runner.errors import ConfigError
from runner.experiment import groups, table


def config(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        group: {} if group in table.STACKED else read_option(group, name)
        for group, name in DEFAULTS.items()
    }
    for key, value in changes.items():
        if isinstance(value, dict):
            whole[key] = value if "name" in value else {**whole[key], **value}
        else:
            whole[key] = value
    return whole


def nested(name: str, **inside: dict[str, Any]) -> dict[str, Any]:
    """The config of a model with changes to the options inside it."""
    model = read_option("model", name)
    return {**model, **{key: {**model[key], **changes} for key, changes in inside.items()}}


def refused(**changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        build(config(**changes))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_composed_config_becomes_an_experiment() -> None:
    experiment = build(config(seed=3, epochs=4, optimizer={"learning_rate": 1}))
    assert experiment.seed == 3
    assert experiment.optimizer.learning_rate == 1.0
    assert isinstance(experiment.optimizer.learning_rate, float)
    assert experiment.model.widths == (64,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"optimizer": {"learning_rte": 1}},
            "optimizer.learning_rte is not a key of optimizer=sgd",
        ),
        ({"optimizer": {"learning_rte": 1}}, "did you mean learning_rate?"),
        (
            {"regularization": {one: read_option("regularization", one) for one in ("none", "l2")}},
            "regularization names none and other options; leave out none",
        ),
        ({"optimizer": {"lrr": 1}}, "choose from learning_rate"),
        ({"optimizer": {"b1": 0.9}}, "optimizer.b1 belongs to optimizer=adam, "),
        ({"activation": {"gain": 1}}, "activation=relu has no keys of its own"),
        ({"activation": {"alpha": 1}}, "activation.alpha belongs to activation=elu, not to"),
        ({"initializer": {"scale": "a"}}, "scale=a must be a number, or a list of numbers"),
        ({"initializer": {"scale": [1, "a"]}}, "initializer.scale=[1,a] must be a number"),
        ({"initializer": {"scale": [1, -1]}}, "scale=[1,-1] is out of range: it must be at least"),
        (
            {"initializer": {"scale": [1, 2, 3]}},
            "initializer.scale does not fit the run: it has length 3, and the model has 2 layers",
        ),
        (
            {"model": {**read_option("model", "rnn"), "recurrent": "identity"}},
            "model.recurrent is not a key of model=rnn; did you mean recurrent_initializer?",
        ),
        (
            {"model": nested("rnn", recurrent_initializer={"scale": [1, 2]})},
            "model.recurrent_initializer.scale does not fit the run: it is the same for all",
        ),
        (
            {"model": nested("rnn", recurrent_initializer={"stddev": 1})},
            "model.recurrent_initializer.stddev belongs to model.recurrent_initializer=",
        ),
        (
            {"model": nested("rnn", recurrent_initializer={"name": "eye"})},
            "model.recurrent_initializer.name is 'eye', which is no known initializer; did you",
        ),
        ({"optimizer": {"name": "adm"}}, "'adm', which is no known optimizer; did you mean adam?"),
        ({"optimizer": {"name": "mine"}}, "an option of your own needs plugins=[its module]"),
        ({"optimizer": {"learning_rate": "a"}}, "optimizer.learning_rate=a must be a number"),
        ({"optimizer": {"learning_rate": -1}}, "optimizer.learning_rate=-1 is out of range"),
        ({"batch_size": {"size": 0}}, "it must be at least 1"),
        ({"batch_size": {"size": 100000}}, "more than the 1,437 training examples"),
        ({"model": {"widths": 3}}, "model.widths=3 must be a list, like [64,32]"),
        (
            {"data": {**read_option("data", "text"), "split": 70}},
            "data.split=70 must be a list, like [90,5,5]",
        ),
        (
            {"model": {"widths": [0.5]}},
            "widths=[0.5] must be a list of whole numbers, like [64,32]",
        ),
        ({"schedule": None}, "schedule must be one of its options"),
        ({"optimiser": {"name": "adam"}}, "did you mean optimizer?"),
        ({"epoch": 3}, "did you mean epochs?"),
        ({"epochs": 0}, "epochs=0 is out of range"),
        ({"seed": 2**31}, "seed=2147483648 is out of range"),
        ({"plugins": "mine"}, "must be a list of module names"),
        ({"plugins": ["no_such_module"]}, "cannot import 'no_such_module'"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(changes: dict, words: str) -> None:
    if "optimiser" in changes:
        whole = config()
        whole.update(changes)
        with pytest.raises(ConfigError, match="did you mean optimizer"):
            build(whole)
        return
    assert words in refused(**changes)


def test_the_place_is_named() -> None:
    with pytest.raises(ConfigError, match=r"\(in conf/optimizer/mine\.yaml\)"):
        build(config(optimizer={"learning_rate": -1}), where=lambda key: "conf/optimizer/mine.yaml")


def test_an_image_too_small_for_the_network_is_refused() -> None:
    with pytest.raises(ConfigError, match="leave nothing of an image of 8 pixels"):
        compose(model={"name": "cnn", "kernel_size": 5})


def test_facts_count_steps() -> None:
    assert compose({"epochs": 3}).facts().total_steps == 3 * 45
    assert compose({"epochs": 3, "steps": 7}).facts().total_steps == 7
    dropped = compose({"epochs": 3}, batch_size={"size": 32, "drop_remainder": True})
    assert dropped.facts().total_steps == 3 * 44
    assert compose({"epochs": 3}, batch_size="full").facts().total_steps == 3
    assert compose({"epochs": 3}, batch_size="stochastic").facts().total_steps == 3 * 1437


PLUGIN = """
from runner.options.optimizer.base import Optimizer
from runner.options.option import number, option
from runner.lazy import optax
from runner.experiment.groups import register

@option
class SignDescent(Optimizer):
    '''theta <- theta - learning_rate * sign(g).'''
    learning_rate: float = number(0.01, minimum=0)
    def build(self, learning_rate):
        return optax.sign_sgd(learning_rate)

register("optimizer", "sign", SignDescent)
"""


def test_a_plugin_brings_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_plugin.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(table.OPTIONS, "optimizer", dict(table.OPTIONS["optimizer"]))
    monkeypatch.setattr(sys, "path", list(sys.path))
    experiment = build(config(optimizer={"name": "sign"}, plugins=["my_plugin"]))
    assert type(experiment.optimizer).__name__ == "SignDescent"
    with pytest.raises(ConfigError, match="already"):
        groups.register("optimizer", "adam", type(experiment.optimizer))
    with pytest.raises(ConfigError, match="no group"):
        groups.register("optimiser", "sign", type(experiment.optimizer))
