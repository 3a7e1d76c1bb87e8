"""What `tests.torture.processes.Forked` is forked from: all modules of a run, and no more.

Only a process of one thread may be forked. JAX starts its threads with its first backend, and NumPy
has none where `OPENBLAS_NUM_THREADS` is 1.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path

import runner

_NOT_OF_A_RUN = (
    *("runner.documentation", "runner.new", "runner.contract", "runner.hydra_app.path"),
    *("runner.__main__",),
)
_OTHERS = ("jax.export", "matplotlib.pyplot", "safetensors.numpy")

_modules = [found.name for found in pkgutil.walk_packages(runner.__path__, "runner.")]
for _name in (*(name for name in _modules if not name.startswith(_NOT_OF_A_RUN)), *_OTHERS):
    importlib.import_module(_name)

if importlib.import_module("jax._src.xla_bridge").backends_are_initialized():
    sys.exit("a backend of JAX was started by an import")
if len(list(Path("/proc/self/task").iterdir())) > 1:
    sys.exit("an import started a thread")
