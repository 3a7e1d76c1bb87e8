"""JAX, optax and NumPy, loaded at first use.

Importing JAX costs about a second, and `runner --help` or a misspelt key must be answered without
it. Modules that declare options are read before the config is known to be right, so they take
these names from here: `jnp.exp` imports `jax.numpy` the first time it is touched, and never again.
Modules that only run once training starts import JAX in the ordinary way.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


class _LazyModule:
    """Stands for a module until the first attribute is asked of it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, value)
        return value


if TYPE_CHECKING:
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax
else:
    jax = _LazyModule("jax")
    jnp = _LazyModule("jax.numpy")
    np = _LazyModule("numpy")
    optax = _LazyModule("optax")

__all__ = ["jax", "jnp", "np", "optax"]
