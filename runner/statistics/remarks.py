"""What deserves a look in the diagnostics of a run, in one line each.

Two things are said, of the last evaluation:

    dead units            at least half of the units of a layer are dead (`DEAD`)
    unequal gradients     a kernel's gradient is less than a thousandth of another's (`UNEQUAL`)

Of several layers with dead units the one with most is named. Thresholds are wide: a ReLU network
that learns has a few dead units, and gradients of layers that differ by a factor of ten.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

DEAD = 0.5
"""The share of dead units of a layer from which on it is said."""

UNEQUAL = 1e-3
"""The ratio of the norms of two kernels' gradients below which it is said."""


def remarks(layers: npt.NDArray, parameters: npt.NDArray) -> Iterator[str]:
    """Yield what deserves a look.

    Args:
        layers: a row for each evaluation and layer, with `epoch`, `step`, `name` and `dead`.
        parameters: a row for each evaluation and array of parameters, with `step`, `name` and
            `gradient_norm`; those whose names end with `kernel` are compared.
    """
    if len(layers):
        yield from _dead(layers)
    if len(parameters):
        yield from _unequal(parameters[parameters["step"] == parameters["step"][-1]])


def _dead(layers: npt.NDArray) -> Iterator[str]:
    last = layers[layers["step"] == layers["step"][-1]]
    worst = last[np.argmax(last["dead"])]
    if not worst["dead"] >= DEAD:
        return
    of_layer = layers[layers["name"] == worst["name"]]
    alive = np.flatnonzero(~(of_layer["dead"] >= DEAD))
    since = of_layer["epoch"][alive[-1] + 1 if len(alive) else 0]
    others = int(np.count_nonzero(last["dead"] >= DEAD)) - 1
    more = f", and at least half in {others} more layer{'s' * (others > 1)}" if others else ""
    yield f"{worst['name']}: {worst['dead']:.0%} of units dead since epoch {since}{more}"


def _unequal(last: npt.NDArray) -> Iterator[str]:
    kernels = last[np.char.endswith(last["name"], "kernel")]
    norms = kernels["gradient_norm"]
    if not len(kernels) or not np.isfinite(norms).all() or not norms.max() > 0:
        return
    least, largest = kernels[norms.argmin()], kernels[norms.argmax()]
    ratio = least["gradient_norm"] / largest["gradient_norm"]
    if ratio < UNEQUAL:
        of = f"{ratio:.0e} of" if ratio else "0, unlike"
        yield f"{least['name']}: its gradient is {of} that of {largest['name']}"
