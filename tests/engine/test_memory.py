"""What is known of memory: what a container has left, and what the errors of XLA mean."""

from __future__ import annotations

import math
from pathlib import Path

import jax
import pytest
from conftest import compose

from runner.engine.loop import Training
from runner.engine.memory import MemoryShortageError, check_state, explained, free_of_group
from runner.engine.placement import place


def test_a_container_has_what_its_limit_leaves(tmp_path: Path) -> None:
    """In version 2 and in version 1; files that were read and could be dropped do not count."""
    assert free_of_group(tmp_path) == math.inf
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.stat").write_text("cache 9\ntotal_inactive_file 100\n")
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("1000\n")
    (tmp_path / "memory" / "memory.usage_in_bytes").write_text("600\n")
    assert free_of_group(tmp_path) == 1000 - (600 - 100)
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 50\n")
    (tmp_path / "memory.current").write_text("300\n")
    (tmp_path / "memory.max").write_text("2000\n")
    assert free_of_group(tmp_path) == 2000 - (300 - 50)
    (tmp_path / "memory.max").write_text("max\n")
    assert free_of_group(tmp_path) == 500, "the one that has a limit"


@pytest.mark.parametrize(
    "words",
    [
        "RESOURCE_EXHAUSTED: Out of memory allocating 16000000000 bytes.",
        "INTERNAL: Error preparing computation: Out of memory allocating 16000000000 bytes.",
    ],
)
def test_the_errors_of_xla_that_mean_memory(words: str) -> None:
    error = explained(jax.errors.JaxRuntimeError(words), 3)
    assert isinstance(error, MemoryShortageError)
    assert str(error).startswith("3 runs side by side need 16 GB of memory, and ")
    other = jax.errors.JaxRuntimeError("INTERNAL: something else")
    assert explained(other, 3) is other


def test_a_run_alone_counts_what_its_diagnostics_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: tables of evaluations and steps, and the basis of Lanczos' iteration.

    The second phase has one step an epoch, so a call has room for an evaluation after each.
    """
    iterations, examples = 5, 1437
    chosen = compose(
        {"epochs": 3, "weights": False},
        model="linear",
        batch_size={"name": "growing", "size": 1000, "every": 1},
        diagnostics=[
            {"name": "curvature", "iterations": iterations, "probes": 1},
            "trajectory",
            "update",
        ],
    )
    parameters = 65 * 10
    evaluation = 15 + 2 * iterations + 2 * 31 + parameters  # two tables of a row
    step = 3 * 10  # all, kernel and bias
    state = parameters + examples + 2 + 3 * parameters + 3  # the last two: of the updates
    recorded = 4096 * 6 + (4096 + 2) * evaluation + 4096 * step
    needed = 4 * (3 * (state + recorded) + (iterations + 1) * parameters)

    arrays = place(chosen, chosen.data.load())
    device = jax.devices()[0]
    monkeypatch.setattr("runner.engine.memory.available", lambda _: (needed + 1) / 0.8)
    check_state(4 * state, chosen, arrays, device)
    monkeypatch.setattr("runner.engine.memory.available", lambda _: (needed - 1) / 0.8)
    with pytest.raises(MemoryShortageError, match=f"the run needs {needed / 1e9:.3g} GB"):
        check_state(4 * state, chosen, arrays, device)
    monkeypatch.setattr(Training, "prepare", lambda _: None)  # compiles nothing
    with pytest.raises(MemoryShortageError, match=f"the run needs {needed / 1e9:.3g} GB"):
        Training([chosen], chosen.data.load()).compile()
