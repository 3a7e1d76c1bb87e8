"""Programs found on disk without tracing: whose they may be, and what they depend on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest

from runner.engine import kept_programs
from runner.engine.compilation import CompilationCounter
from runner.engine.kept_programs import Entries

DEVICES = tuple(jax.devices()[:1])
NUMBERS = np.arange(3, dtype=np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty cache of JAX, and therefore of kept programs."""
    from jax.experimental.compilation_cache.compilation_cache import reset_cache

    before = jax.config.values["jax_compilation_cache_dir"]
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    reset_cache()
    yield tmp_path
    jax.config.update("jax_compilation_cache_dir", before)
    reset_cache()


def keep(factor: float = 2.0, made_from: str = "structure") -> Entries:
    entries = Entries("scale", DEVICES, made_from)
    lowered = jax.jit(lambda numbers: {"scaled": factor * numbers}).lower(NUMBERS)
    entries.compile(lowered)
    return entries


def test_a_kept_program_is_found_by_what_it_is_made_from(folder: Path) -> None:
    assert Entries("scale", DEVICES, "structure").load() is None
    keep()
    with CompilationCounter() as counter:
        program = Entries("scale", DEVICES, "structure").load()
    assert program is not None
    assert program(NUMBERS)["scaled"].tolist() == [0.0, 2.0, 4.0]
    assert counter.programs == 1
    for other in (("scale", "other"), ("add", "structure")):
        assert Entries(other[0], DEVICES, other[1]).load() is None
    assert Entries("scale", tuple(jax.devices()[1:2]), "structure").load() is None


@pytest.mark.parametrize(
    "setting", [("jax_default_matmul_precision", "float32"), ("jax_debug_nans", True)]
)
def test_a_setting_of_jax_is_part_of_the_key(folder: Path, setting: tuple[str, object]) -> None:
    keep()
    name, value = setting
    before = jax.config.values[name]
    jax.config.update(name, value)
    try:
        assert Entries("scale", DEVICES, "structure").load() is None
    finally:
        jax.config.update(name, before)
    assert Entries("scale", DEVICES, "structure").load() is not None


def test_another_source_finds_the_same_lowered_program_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep()
    source = kept_programs.source
    monkeypatch.setattr(kept_programs, "source", lambda: source() + "changed")
    entries = Entries("scale", DEVICES, "structure")
    assert entries.load() is None
    other = jax.jit(lambda numbers: {"scaled": 3.0 * numbers}).lower(NUMBERS)
    assert entries.load_lowered(other) is None
    same = jax.jit(lambda numbers: {"scaled": 2.0 * numbers}).lower(NUMBERS)
    assert entries.load_lowered(same) is not None
    assert entries.load() is not None, "it is kept under the new source as well"


@pytest.mark.parametrize("change", ["cut off", "one bit", "no content"])
def test_a_damaged_entry_is_not_loaded(folder: Path, change: str) -> None:
    keep()
    for file in folder.glob("*.program"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes({"cut off": content[:100], "one bit": content, "no content": b""}[change])
    assert Entries("scale", DEVICES, "structure").load() is None


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_an_entry_that_others_may_write_is_not_loaded(folder: Path, mode: int) -> None:
    keep()
    for file in folder.glob("*.program"):
        assert file.stat().st_mode & 0o777 == 0o600
        file.chmod(mode)
    assert Entries("scale", DEVICES, "structure").load() is None


def test_an_entry_of_another_user_is_not_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep()
    (file, *_) = folder.glob("*.program")
    owner = os.geteuid()
    assert kept_programs.load(file, DEVICES) is not None
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert kept_programs.load(file, DEVICES) is None


def test_what_jax_found_in_its_own_cache_is_not_kept(folder: Path) -> None:
    """Written again, it would lack functions."""
    keep()
    for file in folder.glob("*.program"):
        file.unlink()
    jax.clear_caches()
    keep()
    assert not list(folder.glob("*.program"))


def test_with_a_plug_in_nothing_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(made_from="<class 'mine.Option'>")
    monkeypatch.setattr(kept_programs, "loaded_plugins", {"mine"})
    keep()
    assert not list(folder.glob("*.program"))


def test_the_oldest_entries_are_discarded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_programs, "ENTRIES", 4)
    for number in range(3):
        keep(2.0 + number, f"structure {number}")
    assert len(list(folder.glob("*.program"))) == 4
    assert Entries("scale", DEVICES, "structure 0").load() is None
    assert Entries("scale", DEVICES, "structure 2").load() is not None
