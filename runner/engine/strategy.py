"""The ways to compute the runs of a sweep.

The type is known without JAX, because the settings of a sweep are checked before JAX is loaded.
"""

from __future__ import annotations

from typing import Literal

Strategy = Literal["auto", "sequential", "map", "vmap"]
"""How runs of one structure are computed:

    auto         `map` on a CPU, `vmap` on an accelerator
    sequential   one run after the other
    map          the program of a run alone for each lane, as many at a time as devices
    vmap         all lanes at once, each operation over all of them
"""
