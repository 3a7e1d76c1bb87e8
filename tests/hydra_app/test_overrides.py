"""What the user typed, rewritten for Hydra."""

from __future__ import annotations

import pytest

from runner.hydra_app.overrides import (
    as_typed,
    normalize,
    normalize_completion_line,
    numbered_options,
    readable_name,
    zero_padded,
)


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("optimizer=adam", "optimizer=adam"),
        ("+optimizer=adam", "optimizer=adam"),
        ("++optimizer=adam", "optimizer=adam"),
        ("+optimizer=sgd,adam", "optimizer=sgd,adam"),
        ("+experiment=batch_size", "experiment=batch_size"),
        ("+optimizer.lrr=3", "+optimizer.lrr=3"),
        ("+other=3", "+other=3"),
        ("~optimizer", "~optimizer"),
        ("seed=64", "seed=64"),
        ("batch_size=64", "batch_size='64'"),
        ("+batch_size=64", "batch_size='64'"),
        ("batch_size=-5", "batch_size='-5'"),
        ("batch_size=1,8,64,512,full", "batch_size='1','8','64','512',full"),
        ("batch_size=choice(8,full)", "batch_size=choice('8',full)"),
        ("batch_size='64'", "batch_size='64'"),
        ("batch_size=full", "batch_size=full"),
        ("batch_size=my_64", "batch_size=my_64"),
        ("batch_size=3.5", "batch_size=3.5"),
        ("batch_size.size=64", "batch_size.size=64"),
        ("optimizer.base=sgd,adam", "optimizer@optimizer.base=sgd,adam"),
        ("+optimizer.base.base=adam", "optimizer@optimizer.base.base=adam"),
        ("optimizer.base.b1=0.5", "optimizer.base.b1=0.5"),
        (
            "model.recurrent_initializer=orthogonal,identity",
            "initializer@model.recurrent_initializer=orthogonal,identity",
        ),
        ("model.recurrent_initializer.scale=2", "model.recurrent_initializer.scale=2"),
        ("optimizer.recurrent_initializer=zeros", "optimizer.recurrent_initializer=zeros"),
        ("model.base=adam", "model.base=adam"),
        (
            "figure.tune=[optimizer.learning_rate]",
            "hydra.sweeper.figure.tune=[optimizer.learning_rate]",
        ),
        ("gradient=[clip_norm,noise]", "gradient=[clip_norm,noise]"),
    ],
)
def test_rewriting(typed: str, normal: str) -> None:
    assert normalize([typed]) == [normal]
    assert normalize([normal]) == [normal], "rewriting twice changes nothing more"


def test_what_was_rewritten_is_shown_as_typed() -> None:
    words = "optimizer=sam optimizer.base=adam batch_size=64"
    assert as_typed(" ".join(normalize(words.split()))) == words
    name = readable_name(3, "batch_size='64',optimizer@optimizer.base=adam")
    assert name == "3_batch_size=64,optimizer.base=adam"


def test_numbers_that_become_options() -> None:
    assert numbered_options(["batch_size='1','64',full", "seed='3'"]) == {"1", "64"}


@pytest.mark.parametrize(
    ("line", "normal"),
    [
        ("runner +optimizer=adam opt", "runner optimizer=adam opt"),
        ("runner -m +optimizer=adam optimizer.", "runner optimizer=adam optimizer."),
        ("runner +opt", "runner +opt"),
        ("runner ", "runner "),
    ],
)
def test_completion_lines(line: str, normal: str) -> None:
    assert normalize_completion_line(line) == normal


def test_names_of_runs_are_safe_and_short() -> None:
    assert readable_name(3, "batch_size='64',seed=1") == "3_batch_size=64,seed=1"
    assert readable_name(0, "") == "0"
    assert readable_name("12-00-00", "optimizer=adam") == "12-00-00_optimizer=adam"
    name = readable_name(7, "data.dir=/a b/c:d," + "x" * 300)
    assert len(name) <= 120
    assert not set(name) & set("/: '\"")


def test_names_of_runs_sort_as_their_numbers() -> None:
    names = [zero_padded(f"{number}_seed={number}", number, 3) for number in range(200)]
    assert names == sorted(names)
    assert zero_padded("run7", 7, 3) == "run7", "the user's own name"
