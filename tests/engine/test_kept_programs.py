"""Lowered programs found on disk without tracing, and what they depend on."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from conftest import compose

from runner.data import Dataset
from runner.engine import kept_programs, lanes
from runner.engine.compilation import CompilationCounter
from runner.engine.kept_programs import Program
from runner.engine.loop import Training

NUMBERS = np.arange(3, dtype=np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where lowered programs are kept, empty; the cache of JAX stays where it is."""
    monkeypatch.setattr(kept_programs, "cache_directory", lambda: tmp_path)
    monkeypatch.setattr(kept_programs, "loaded_plugins", set())  # other tests load some
    return tmp_path


def traces(
    made_from: str = "structure", name: str = "scale", devices: int = 1, numbers: Any = NUMBERS
) -> int:
    """How often a function is traced by a program that starts with nothing in memory."""
    traced = []

    def scale(arguments: dict[str, jax.Array]) -> list[jax.Array]:
        traced.append(arguments)
        return [2 * arguments["numbers"]]

    program = Program(name, scale, jax.devices()[:devices], made_from)
    arguments = {"numbers": numbers}
    compiled = program.compiled((numbers.shape,), lambda: (arguments,))
    np.testing.assert_array_equal(compiled(arguments)[0], 2 * numbers)
    return len(traced)


def test_a_kept_program_is_found_by_what_it_is_made_from(folder: Path) -> None:
    assert traces() == 1
    with CompilationCounter() as counter:
        assert traces() == 0
    assert counter.programs == 1
    assert traces(made_from="other") == traces(name="other") == traces(numbers=NUMBERS[:2]) == 1


def test_what_is_kept_depends_on_the_settings_of_jax_and_on_the_source(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert traces() == 1
    before = jax.config.values["jax_default_matmul_precision"]
    jax.config.update("jax_default_matmul_precision", "float32")
    try:
        assert traces() == 1
    finally:
        jax.config.update("jax_default_matmul_precision", before)
    assert traces() == 0
    monkeypatch.setattr(kept_programs, "source", lambda: "changed")
    assert traces() == 1


@pytest.mark.parametrize("change", ["cut off", "one bit", "no content", "foreign"])
def test_a_file_that_cannot_be_used_counts_as_missing(folder: Path, change: str) -> None:
    traces()
    foreign = pickle.dumps("another format")
    for file in folder.glob("*.lowered"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        changed = {
            "cut off": content[:100],
            "one bit": content,
            "no content": b"",
            "foreign": hashlib.sha256(foreign).digest() + foreign,
        }
        file.write_bytes(changed[change])
    assert traces() == 1
    assert traces() == 0, "it is written again"


def test_options_of_others_and_several_devices_are_not_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        assert traces(made_from="<class 'mine.Option'>") == traces(devices=2) == 1
    monkeypatch.setattr(kept_programs, "loaded_plugins", {"mine"})
    assert [traces(), traces()] == [1, 1]
    assert not list(folder.glob("*.lowered"))


def test_what_cannot_be_kept_is_computed_all_the_same(folder: Path) -> None:
    """A call of Python code is no data."""

    def function(numbers: jax.Array) -> jax.Array:
        return jax.pure_callback(lambda x: 3 * x, numbers, numbers)

    program = Program("call", function, jax.devices()[:1], "structure")
    np.testing.assert_array_equal(program.compiled((), lambda: (NUMBERS,))(NUMBERS), 3 * NUMBERS)
    assert not list(folder.glob("*.lowered"))


def test_the_oldest_entries_are_discarded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_programs, "ENTRIES", 2)
    for number in range(3):
        traces(f"structure {number}")
    assert len(list(folder.glob("*.lowered"))) == 2
    assert traces("structure 2") == 0
    assert traces("structure 0") == 1


def test_a_later_run_traces_nothing_and_is_the_first_run_to_the_bit(
    folder: Path, tiny: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = compose({"epochs": 2}, model={"widths": []}, batch_size={"size": 8})

    def steps() -> bytes:
        lanes.programs_for.cache_clear()
        chunks = [chunk for (chunk,) in Training([experiment], tiny).chunks() if chunk]
        rows = np.concatenate([chunk.steps for chunk in chunks])
        return b"".join(rows[name].tobytes() for name in set(rows.dtype.names) - {"seconds"})

    first = steps()
    for name in ("initial_state", "take_steps"):
        monkeypatch.setattr(lanes, name, lambda *_: pytest.fail("a program is traced"))
    assert steps() == first
