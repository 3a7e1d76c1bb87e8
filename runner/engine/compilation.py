"""Compilation: the cache on disk, and a counter of compiled programs.

A program compiled once is kept in the user's cache directory, so the second run of a structure
starts training without compiling. `JAX_COMPILATION_CACHE_DIR` moves the cache, and
`JAX_ENABLE_COMPILATION_CACHE=false` turns it off.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import jax

_COMPILED = "/jax/core/compile/backend_compile_duration"

RUNS_ONCE: dict[str, Any] = {"xla_backend_optimization_level": "0"}
"""Compiler options for programs that run once: optimizing them takes longer than running them."""

if jax.__version_info__ < (0, 11):  # removed in 0.11
    RUNS_ONCE["xla_cpu_use_fusion_emitters"] = False  # halves the time again


def use_persistent_cache() -> None:
    """Keep compiled programs between processes."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        import platformdirs

        directory = Path(platformdirs.user_cache_dir("runner")) / "compiled"
        jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # A cache that cannot be written costs time, not the run; JAX would warn at every program.
    logging.getLogger("jax._src.compiler").setLevel(logging.ERROR)


def cache_directory() -> Path | None:
    """Where compiled programs are kept; None if they are not kept, or not in a folder."""
    settings: dict[str, Any] = jax.config.values
    directory = settings["jax_compilation_cache_dir"]
    is_on = settings["jax_enable_compilation_cache"] and not settings["jax_disable_jit"]
    return Path(directory) if directory and is_on and "://" not in directory else None


class CompilationCounter:
    """Counts the programs that are compiled, or fetched from the cache, while it is open."""

    def __init__(self) -> None:
        self.programs = 0

    def __enter__(self) -> CompilationCounter:
        jax.monitoring.register_event_duration_secs_listener(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        jax.monitoring.unregister_event_duration_listener(self._listen)

    def _listen(self, event: str, duration_secs: float, **_: str | int) -> None:
        self.programs += event == _COMPILED
