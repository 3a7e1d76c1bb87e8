"""Functions of the engine, compiled before they are called, and kept on disk in lowered form.

The cache of JAX is looked up by the lowered program, so a run whose program is in it still traces
and lowers that program, which takes longer than the rest of its start. Here the lowered program is
kept (`jax.export`), under a hash of everything that tracing and lowering depend on: the source of
this package; the versions of JAX and of the packages that it is traced through; the settings of
JAX; the structure of the experiment; and the shapes of the arguments. Compiling it goes through the
cache of JAX. With a plug-in nothing is kept, since the source that it depends on is not known; nor
is a program for several devices.

What is kept is data: reading it executes nothing. The first run reads it back as well, so it
computes the same program as the runs after it. A file that is damaged counts as missing.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import threading
from collections.abc import Callable, Hashable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

import runner
from runner.config.plugins import loaded_plugins
from runner.engine.compilation import cache_directory

ENTRIES = 400
"""How many lowered programs are kept, the newest ones, of about 100 kB each."""

_ENDING = ".lowered"
_PACKAGES = ("jax", "jaxlib", "numpy", "optax")
_DIGEST = hashlib.sha256().digest_size
_OPTION = re.compile(r"<class '([\w.]+)'>")
_one_at_a_time = threading.RLock()
"""Held while something is traced: two threads that trace a function both do the whole work."""


class Program:
    """A function of pytrees of arrays that returns lists and tuples of arrays.

    Args:
        name: what it does, as part of the name of its file.
        function: a pure function.
        devices: what computes it.
        made_from: what the function depends on besides its arguments: how lanes are computed, and
            the structure of the experiments.
        options: for `jax.jit`.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        devices: Sequence[jax.Device],
        made_from: str,
        **options: Any,
    ) -> None:
        self._name, self._function, self._options = name, function, options
        self._made_from = made_from
        self._can_be_kept = len(devices) == 1
        self._lowered: dict[Hashable, jax.stages.Lowered] = {}
        self._compiled: dict[Hashable, jax.stages.Compiled] = {}

    def lowered(
        self, shapes: tuple[Any, ...], arguments: Callable[[], tuple[Any, ...]]
    ) -> jax.stages.Lowered:
        """The function, lowered for arguments of some shapes.

        Args:
            shapes: all that the shapes of the arguments follow from.
            arguments: returns the arguments, or their shapes; called only to lower.
        """
        with _one_at_a_time:
            if shapes not in self._lowered:
                given = arguments()
                made_from = f"{self._name} {self._made_from} {shapes}"
                function = self._function
                if self._can_be_kept and (folder := _directory(made_from)):
                    function = kept(folder / f"{_digest(made_from)}{_ENDING}", function, given)
                jitted = jax.jit(_named(self._name, function), **self._options)
                self._lowered[shapes] = jitted.lower(*given)
            return self._lowered[shapes]

    def compiled(
        self, shapes: tuple[Any, ...], arguments: Callable[[], tuple[Any, ...]]
    ) -> jax.stages.Compiled:
        """The function, compiled for arguments of some shapes; see `lowered`."""
        if shapes not in self._compiled:
            self._compiled[shapes] = self.lowered(shapes, arguments).compile()
        return self._compiled[shapes]


def kept(
    file: Path, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> Callable[..., Any]:
    """The function with what its trace computes read from a file, which is written if missing.

    The function itself where it has no form on disk: it has an operation without a stable format,
    or `flatbuffers` is not installed.

    Args:
        file: where the lowered program is.
        function: a pure function of pytrees of arrays.
        arguments: what to lower it for.
    """
    from jax import export

    exported = _read(file)
    if exported is None:
        leaves, structure = jax.tree.flatten(arguments)

        def flat(*leaves: Any) -> Any:
            return function(*jax.tree.unflatten(structure, leaves))

        try:
            content = bytes(export.export(jax.jit(flat))(*leaves).serialize())
        except (ImportError, NotImplementedError, ValueError):
            return function
        with contextlib.suppress(OSError):  # a folder that cannot be written costs time only
            _write(file, hashlib.sha256(content).digest() + content)
        exported = export.deserialize(bytearray(content))
    return lambda *arguments: exported.call(*jax.tree.leaves(arguments))


def _read(file: Path) -> Any:
    """The lowered program in a file; None if there is none that can be used."""
    from jax import export

    with contextlib.suppress(Exception):  # whatever is wrong with it, it can be lowered
        content = file.read_bytes()
        digest, content = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(content).digest() == digest:
            return export.deserialize(bytearray(content))
    return None


def _write(file: Path, content: bytes) -> None:
    """Replace a file as a whole, and remove all entries but the newest."""
    temporary = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_bytes(content)
    temporary.replace(file)
    entries = file.parent.glob(f"*{_ENDING}")
    for old in sorted(entries, key=lambda entry: entry.stat().st_mtime)[:-ENTRIES]:
        old.unlink(missing_ok=True)


def _directory(made_from: str) -> Path | None:
    """Where a program is kept; None if it is not kept."""
    classes = _OPTION.findall(made_from)
    options_are_ours = all(name.startswith("runner.") for name in classes)
    return cache_directory() if options_are_ours and not loaded_plugins else None


def _digest(made_from: str) -> str:
    """A hash of all that a lowered program depends on."""
    versions = map(version, _PACKAGES)
    facts = made_from, str(sorted(jax.config.values.items())), jax.default_backend(), *versions
    return hashlib.sha256("\n".join((*facts, source())).encode()).hexdigest()


@functools.cache
def source() -> str:
    """A hash of the source of this package."""
    source = hashlib.sha256()
    for file in sorted(Path(runner.__file__).parent.rglob("*.py")):
        source.update(f"{file.name} {file.stat().st_size}\n".encode() + file.read_bytes())
    return source.hexdigest()


def _named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of its own under a name, which JAX's cache uses as well."""

    def call(*arguments: Any) -> Any:
        return function(*arguments)

    call.__name__ = call.__qualname__ = name
    return call
