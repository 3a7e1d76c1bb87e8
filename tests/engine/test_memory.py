"""What is known of memory: what a container has left, and what the errors of XLA mean."""

from __future__ import annotations

import math
from pathlib import Path

import jax
import pytest

from runner.engine.memory import MemoryShortageError, explained, free_of_group


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
