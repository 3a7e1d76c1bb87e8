"""JAX, optax and NumPy, loaded at first use.

Importing JAX takes about a second, and `runner --help` or a misspelt key must be answered without
it. Modules that declare options are imported before the config is checked, so they take these names
from here: `jnp.exp` imports `jax.numpy` at its first use. Modules that are only imported when
training starts import JAX in the ordinary way.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


class _LazyModule:
    """A module that is imported when its first attribute is used."""

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
