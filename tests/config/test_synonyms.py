"""Words of other libraries: every hint that is given works when it is followed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from conftest import read_option
from test_config import config

from runner.config.build import build
from runner.config.synonyms import KEYS, NAMES, WORDS
from runner.errors import ConfigError, did_you_mean, folded
from runner.experiment.table import OPTIONS, STACKED


def hint(**changes: Any) -> str:
    """What a config with these keys is told to use: the words after `did you mean`."""
    with pytest.raises(ConfigError, match="did you mean") as caught:
        build(config(**changes))
    return re.findall(r"did you mean (.*?)(?:, a key of .*)?\?", str(caught.value))[0]


def follow(hinted: str) -> None:
    """Use a hint as it is given: a key, a group, or `group=option`."""
    key, chooses, name = hinted.partition("=")
    if chooses:
        node = read_option(key, name)
        build(config(**{key: {name: node} if key in STACKED else node}, batch_size={"size": 32}))
        return
    group, *rest = key.split(".")
    if not rest:
        assert group in config() or group in (
            "seed",
            "epochs",
            "steps",
            "evaluate_every",
            "measure_every",
            "precision",
        ), hinted
    elif group != "hydra":
        owner = {name: read_option(group, rest[0]) for name in rest[:1]} if len(rest) > 1 else None
        node = owner[rest[0]] if owner else config()[group]
        held = rest[-1] in node or any(
            rest[-1] in read_option(group, name) for name in OPTIONS[group]
        )
        assert held, hinted


@pytest.mark.parametrize("word", sorted(WORDS))
def test_a_word_at_the_top_level_is_answered_by_what_works(word: str) -> None:
    follow(hint(**{word: 1}))
    for candidate in WORDS[word]:
        follow(candidate)


@pytest.mark.parametrize(("group", "word"), [(g, w) for g, words in KEYS.items() for w in words])
def test_a_word_for_a_key_means_a_key_of_some_option(group: str, word: str) -> None:
    for key in KEYS[group][word]:
        owners = [name for name in OPTIONS[group] if key in read_option(group, name)]
        assert owners, key
        assert all(word not in read_option(group, name) for name in owners), "would hide a key"


@pytest.mark.parametrize(("group", "word"), [(g, w) for g, words in NAMES.items() for w in words])
def test_a_word_for_an_option_means_an_option(group: str, word: str) -> None:
    assert word == folded(word)
    assert word not in map(folded, OPTIONS[group]), "would hide an option"
    meant = NAMES[group][word]
    assert meant is None or meant in OPTIONS[group]


@pytest.mark.parametrize(
    ("changes", "hinted"),
    [
        ({"lr": 1}, "optimizer.learning_rate"),
        ({"learning_rate": 1}, "optimizer.learning_rate"),
        ({"optimizer": {"lr": 1}}, "learning_rate"),
        ({"beta1": 0.9}, "optimizer.b1"),
        ({"optimizer": read_option("optimizer", "adam") | {"beta_1": 0.9}}, "b1"),
        ({"optimizer": read_option("optimizer", "adam") | {"epsilon": 1e-7}}, "eps"),
        ({"dropout": 0.5}, "regularization=dropout"),
        ({"weight_decay": 0.1}, "regularization=l2"),
        (
            {"weight_decay": 0.1, "optimizer": read_option("optimizer", "adamw")},
            "optimizer.weight_decay",
        ),
        ({"momentum": 0.9}, "optimizer=momentum"),
        (
            {"momentum": 0.9, "optimizer": read_option("optimizer", "nesterov")},
            "optimizer.momentum",
        ),
        ({"optimizer": {"nesterov": True}}, "optimizer=nesterov"),
        ({"batchsize": 64}, "batch_size"),
        ({"batch_size": {"batch_size": 64}}, "size"),
        ({"n_epochs": 3}, "epochs"),
        ({"alpha_dropout": 0.1}, "regularization=alpha_dropout"),
        ({"max_norm": 3}, "regularization=max_norm"),
        (
            {"gradient": {"clip_norm": read_option("gradient", "clip_norm")}, "max_norm": 3},
            "gradient.clip_norm.threshold",
        ),
        ({"zca": True}, "preprocessing=zca_whiten"),
        ({"scheduler": "cosine"}, "schedule"),
        ({"dataset": "mnist"}, "data"),
        ({"optimizer": {"name": "SGD"}}, "sgd"),
        ({"optimizer": {"name": "Adam"}}, "adam"),
        ({"activation": {"name": "ReLU"}}, "relu"),
        ({"activation": {"name": "LeakyReLU"}}, "leaky_relu"),
        ({"activation": {"name": "swish"}}, "silu"),
        (
            {"activation": read_option("activation", "leaky_relu") | {"negative_slope": 0.2}},
            "slope",
        ),
        ({"initializer": {"name": "kaiming_uniform"}}, "he_uniform"),
        ({"recurrent_init": "identity"}, "model.recurrent_initializer"),
        ({"schedule": {"name": "CosineAnnealingLR"}}, "cosine"),
        ({"regularization": {"dropout": read_option("regularization", "dropout"), "p": 1}}, None),
    ],
)
def test_what_users_of_other_libraries_type(changes: dict, hinted: str | None) -> None:
    assert hint(**changes) == (hinted or "regularization.dropout.rate")


def test_a_key_of_another_option_says_whose_it_is() -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.b1, a key of optimizer=adam, "):
        build(config(beta1=0.9))
    with pytest.raises(ConfigError, match=r"optimizer\.b1 belongs to optimizer=adam, "):
        build(config(optimizer={"beta1": 0.9}))
    with pytest.raises(ConfigError, match="regularization=l2 works with every optimizer"):
        build(config(optimizer={"weight_decay": 0.9}))


@pytest.mark.parametrize("name", ["celu", "glu", "hard_tanh", "HardSwish"])
def test_a_name_that_only_looks_similar_is_not_offered(name: str) -> None:
    with pytest.raises(ConfigError, match=r"choose from relu, relu6, .*, hard_sigmoid, linear"):
        build(config(activation={"name": name}))


def test_one_letter_in_five_may_be_wrong() -> None:
    assert did_you_mean("epch", ["epochs", "epoch"]) == "; did you mean epoch?"
    assert did_you_mean("adm", ["sgd", "adam"]) == "; did you mean adam?"
    assert did_you_mean("gelu", ["relu"]) == "; choose from relu"
    assert did_you_mean("Batch-Norm", ["batch_norm"]) == "; did you mean batch_norm?"
