"""Runs that go on from a checkpoint are to the bit those that were never interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import pytest
from conftest import compose

from runner.engine import loop
from runner.engine.checkpoint import Checkpoint
from runner.engine.chunk import Chunk
from runner.engine.loop import Training
from runner.engine.strategy import Strategy
from runner.engine.turns import lanes_for

SMALL: dict[str, Any] = {
    "data": {"name": "teacher", "train_examples": 40, "features": 8, "classes": 3},
    "preprocessing": "none",
}
GROWING: dict[str, Any] = {
    "model": "linear",
    "batch_size": {"name": "growing", "size": 8, "factor": 2, "every": 2, "limit": 16},
}
"""Five steps an epoch, and from step 10 on three: two phases."""

WITH_STATE: dict[str, Any] = {
    "model": {"widths": [4]},
    "batch_size": {"size": 8},
    "regularization": [{"name": "dropout", "rate": 0.3}],
    "optimizer": {"name": "adam", "learning_rate": 0.05},
    "schedule": {"name": "plateau", "patience": 1},
    "gradient": ["noise"],
    "stopping": {"name": "best"},
}
"""A state in every place where there can be one. Five steps an epoch."""


def rows(chunks: Sequence[Chunk], kind: str) -> Any:
    return np.concatenate([getattr(chunk, kind) for chunk in chunks])


def assert_equal(chunks: Sequence[Chunk], whole: Sequence[Chunk]) -> None:
    """In every column but the times."""
    for kind in ("steps", "epochs"):
        mine, expected = rows(chunks, kind), rows(whole, kind)
        assert len(mine) == len(expected)
        for name in set(expected.dtype.names) - {"seconds"}:
            np.testing.assert_array_equal(mine[name], expected[name], err_msg=name)


@pytest.mark.parametrize(
    ("strategy", "options"), [("sequential", GROWING), ("map", WITH_STATE), ("vmap", WITH_STATE)]
)
def test_a_run_goes_on_to_the_bit_from_wherever_it_is(
    strategy: Strategy, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within an epoch, at the end of an epoch and of a phase."""
    monkeypatch.setattr(loop, "CHUNK_SECONDS", 0.0)  # so that chunks have one step
    monkeypatch.setattr(loop, "FIRST_CHUNK", 1)
    seeds = (3,) if strategy == "sequential" else (3, 4)
    runs = [compose({"epochs": 4, "seed": seed}, **SMALL, **options) for seed in seeds]
    data, devices = runs[0].data.load(), jax.devices()[:1]

    def training() -> Training:
        return Training(runs, data, lanes_for(len(runs), strategy, devices))

    whole: list[list[Chunk]] = [[] for _ in runs]
    found: dict[int, list[Checkpoint]] = {}
    uninterrupted = training()
    for chunks in uninterrupted.chunks():
        add(whole, chunks)
        step = whole[0][-1].steps_taken
        if uninterrupted.at_rest:
            last = [own[-1] for own in whole]
            found[step] = [uninterrupted.checkpoint(place, one) for place, one in enumerate(last)]
        if step in (5, 9, 12):
            uninterrupted.rest()
    assert sorted(found)[:3] == [6, 10, 13]
    total = max(found)

    for step in (6, 10, 13):
        resumed = training()
        resumed.resume(found[step])
        parts = [[chunk for chunk in own if chunk.steps_taken <= step] for own in whole]
        for chunks in resumed.chunks():
            add(parts, chunks)
        for place, (own, expected) in enumerate(zip(parts, whole, strict=True)):
            assert_equal(own, expected)
            assert own[-1].kept_at == expected[-1].kept_at
            at_end = resumed.checkpoint(place, own[-1])
            jax.tree.map(np.testing.assert_array_equal, at_end.state, found[total][place].state)
            assert at_end.seconds > found[step][place].seconds


def add(parts: list[list[Chunk]], chunks: Sequence[Chunk | None]) -> None:
    for own, chunk in zip(parts, chunks, strict=True):
        assert chunk is not None
        own.append(chunk)
