"""How a config differs from the defaults, against what was typed."""

from __future__ import annotations

import pytest
from command_line import CommandLine


@pytest.mark.parametrize(
    "words",
    [
        "",
        "optimizer=adam optimizer.b1=0.8",
        "batch_size=64 epochs=3 seed=7",
        "optimizer=sam optimizer.base=adam optimizer.base.b1=0.8",
        "gradient=[clip_norm,noise] gradient.noise.eta=0.3",
        "model=rnn model.recurrent_initializer=zeros data.validation_examples=100",
        "data=rosenbrock optimizer=momentum",
    ],
)
def test_what_was_typed_is_what_differs(words: str, runner: CommandLine) -> None:
    done = runner(*words.split(), "dry_run=true")
    assert done.returncode == 0, done.stderr
    _, _, rest = done.stdout.partition("Differs: ")
    said = rest.partition("\nOptions:")[0].split()
    wanted = words.split() or ["nothing;", "all", "values", "are", "the", "defaults"]
    assert sorted(said) == sorted(wanted)
