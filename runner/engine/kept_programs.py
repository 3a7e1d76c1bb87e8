"""Compiled programs on disk, found by what they are made from.

The cache of JAX is looked up by the lowered program, so a run whose program is in it still traces
and lowers that program, which takes longer than the rest of its start. Here the key is a hash of
everything that tracing, lowering and compiling depend on: the source of this package; the versions
of Python, JAX and the packages below it; the settings of JAX and the environment variables of XLA;
the processor, its cores and the devices; the structure of the experiment; and the shapes of the
data. With a plug-in nothing is kept, since the source that it depends on is not known. A second key
has the text of the lowered program instead of the source, so that a change of the source that
changes no program compiles none.

An entry is machine code in a pickle, and may therefore execute anything. It is read only if the
open file belongs to the user and nobody else may write it. A hash finds damage. An entry that
cannot be used counts as missing, so the program is compiled.

Only a program that was compiled in this process is kept: what JAX has loaded from its own cache
lacks functions when it is written again (XLA on CPUs, jaxlib 0.10).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import platform
import re
import stat
import threading
import time
import zlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import jax
from jax.experimental import serialize_executable

import runner
from runner.config.build import loaded_plugins
from runner.engine.compilation import cache_directory, count_program

ENTRIES = 400
"""How many files are kept, the newest ones; a program has two, of about 200 kB each."""

_ENDING = ".program"
_PACKAGES = ("jax", "jaxlib", "numpy", "optax")
_DIGEST = hashlib.sha256().digest_size
_OPTION = re.compile(r"<class '([\w.]+)'>")
_MODEL = re.compile(
    r"^(?:vendor_id|cpu family|model|model name|stepping|flags|Features|CPU \w+)\b.*"
)


class Entries:
    """The places of a program on disk.

    Args:
        name: of the function that is compiled.
        devices: what it is compiled for.
        made_from: the structure of the experiment and the shapes of the arguments.
    """

    def __init__(self, name: str, devices: Sequence[jax.Device], made_from: str) -> None:
        self._name, self._devices, self._made_from = name, devices, made_from
        directory = cache_directory()
        options_are_ours = all(
            option.startswith("runner.") for option in _OPTION.findall(made_from)
        )
        can_be_kept = options_are_ours and not loaded_plugins and hasattr(os, "geteuid")
        self._directory = directory if can_be_kept else None

    def load(self) -> jax.stages.Compiled | None:
        """The program, found without tracing it; None if there is none that can be used."""
        return load(self._entry(source()), self._devices) if self._directory else None

    def load_lowered(self, lowered: jax.stages.Lowered) -> jax.stages.Compiled | None:
        """The program, found by what was lowered; None if there is none that can be used."""
        if not self._directory:
            return None
        entry = self._entry(_text(lowered))
        found = load(entry, self._devices)
        if found:
            with contextlib.suppress(OSError):
                _write(self._entry(source()), entry.read_bytes())
        return found

    def compile(self, lowered: jax.stages.Lowered) -> jax.stages.Compiled:
        """Compile what was lowered, and keep it."""
        if not self._directory:
            return lowered.compile()
        with _Misses() as misses:
            program = lowered.compile()
        if misses.seen:
            with contextlib.suppress(Exception):  # not every program can be serialized
                content = zlib.compress(pickle.dumps(serialize_executable.serialize(program)), 1)
                for key in (source(), _text(lowered)):
                    _write(self._entry(key), hashlib.sha256(content).digest() + content)
                _discard_oldest(self._directory)
        return program

    def _entry(self, key: str) -> Path:
        assert self._directory is not None
        ours = (str(device.id) for device in self._devices)
        settings = str(sorted(jax.config.values.items()))
        facts = (self._name, *ours, self._made_from, settings, *_surroundings(), key)
        digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()
        return self._directory / f"{self._name}-{os.geteuid()}-{digest}{_ENDING}"


class _Misses:
    """Sees whether this thread compiles something that JAX's cache does not hold."""

    def __enter__(self) -> _Misses:
        self.seen, self._thread = False, threading.get_ident()
        jax.monitoring.register_event_listener(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        jax.monitoring.unregister_event_listener(self._listen)

    def _listen(self, event: str, **_: str | int) -> None:
        if threading.get_ident() == self._thread:
            self.seen |= event == "/jax/compilation_cache/cache_misses"


def load(entry: Path, devices: Sequence[jax.Device]) -> jax.stages.Compiled | None:
    """The program in a file; None if there is none that can be used.

    Args:
        entry: the file.
        devices: what the program was compiled for.
    """
    started = time.perf_counter()
    try:
        with entry.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return None
            digest, content = file.read(_DIGEST), file.read()
        if hashlib.sha256(content).digest() != digest:
            return None
        code, arguments, results = pickle.loads(zlib.decompress(content))  # noqa: S301 - see above
        program = serialize_executable.deserialize_and_load(
            code, arguments, results, devices[0].client, devices
        )
    except Exception:  # whatever is wrong with it, it can be compiled
        return None
    count_program(time.perf_counter() - started)
    return program


def _write(entry: Path, content: bytes) -> None:
    """Replace a file as a whole, by one that only the user may read."""
    temporary = entry.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    entry.parent.mkdir(parents=True, exist_ok=True)
    temporary.touch(0o600, exist_ok=False)
    temporary.write_bytes(content)
    temporary.replace(entry)


def _discard_oldest(directory: Path) -> None:
    """Remove all entries but the newest."""
    kept = sorted(directory.glob(f"*{_ENDING}"), key=lambda file: file.stat().st_mtime)
    for file in kept[:-ENTRIES]:
        file.unlink(missing_ok=True)


def _text(lowered: jax.stages.Lowered) -> str:
    """What was lowered, without the lines of the source that it comes from."""
    return f"{lowered.in_tree} {lowered.out_tree} {lowered.as_text()}"


@functools.cache
def source() -> str:
    """A hash of the source of this package."""
    source = hashlib.sha256()
    for file in sorted(Path(runner.__file__).parent.rglob("*.py")):
        source.update(f"{file.name} {file.stat().st_size}\n".encode() + file.read_bytes())
    return source.hexdigest()


@functools.cache
def _surroundings() -> tuple[str, ...]:
    """What programs depend on and what does not change while this process runs."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {os.cpu_count()}
    flags = (
        f"{key}={value}" for key, value in os.environ.items() if key.startswith(("XLA", "TF_"))
    )
    return (
        platform.python_version(),
        *(version(package) for package in _PACKAGES),
        *sorted(flags),
        *_processor(),
        str(len(cores)),
        *(f"{device.platform} {device.device_kind}" for device in jax.devices()),
        jax.devices()[0].client.platform_version,
    )


def _processor() -> list[str]:
    """The model of the processor and what it can do."""
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
        first = iter(lines.readline, "\n")
        return [found[0] for found in map(_MODEL.match, first) if found]
    return [platform.machine(), platform.processor()]
