"""The loop that most tests compile takes the steps of the engine's."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from conftest import compose
from engine_alone import leaves_as_arrays, one_phase
from quick_loop import one_copy

from runner.data import Dataset
from runner.engine.epoch import for_each_batch
from runner.engine.placement import place
from runner.engine.state import Timeline
from runner.engine.train import initial_state, take_steps


def test_the_quick_loop_measures_what_the_engines_does(
    tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In calls that end within an epoch, with a short last batch and norms at every third step."""
    experiment = compose(model="linear", optimizer="momentum", batch_size={"size": 8})
    arrays, leaves = place(experiment, tiny), leaves_as_arrays(experiment)
    timeline = Timeline(0, 0, 14, 14 / 5, one_phase(5), 1, 3)
    found = []
    for loop in (one_copy, for_each_batch):
        monkeypatch.setattr("runner.engine.train.for_each_batch", loop)
        advance = jax.jit(lambda *given: take_steps(*given))
        state, rows = jax.jit(initial_state)(leaves, arrays), []
        for start, until in ((0, 7), (7, 14)):
            state, measured = advance(leaves, arrays, state, start, until, timeline)
            rows.append(np.asarray(measured.steps.values)[: until - start])
        found.append(np.concatenate(rows))
    np.testing.assert_allclose(*found, rtol=1e-5)
    names = measured.steps.names
    norms = found[0][:, names.index("gradient_norm")]
    assert np.flatnonzero(~np.isnan(norms)).tolist() == [0, 3, 6, 9, 12]
