"""What deserves a look in the diagnostics of a run, in one line each.

Four things are said, the first three of the last evaluation:

    dead units            at least half of the units of a layer are dead (`DEAD`)
    saturated units       at least three quarters of the units of a layer are saturated for nearly
                          all examples (`SATURATED`), and fewer than half are dead
    unequal gradients     a kernel's gradient is less than a thousandth of another's (`UNEQUAL`)
    sharpness             the learning rate times the largest eigenvalue of the Hessian, relative to
                          the limit up to which the optimizer is stable on a quadratic, has a median
                          above `SHARP` over the last half of the evaluations, of which there are at
                          least `FEWEST`; where there is a limit (`sgd` and `momentum` with full
                          batches)

Of several layers with dead or saturated units the one with most is named. Thresholds are wide: a
ReLU network that learns has a few dead units, in deep layers nearly half that are 0 for nearly all
examples, and gradients of layers that differ by a factor of ten.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

DEAD = 0.5
"""The share of dead units of a layer from which on it is said."""

SATURATED = 0.75
"""The share of a layer's units, saturated for nearly all examples, from which on it is said."""

UNEQUAL = 1e-3
"""The ratio of the norms of two kernels' gradients below which it is said."""

SHARP = 1.15
"""The median ratio of the sharpness to its limit above which it is said."""

FEWEST = 3
"""The least number of evaluations that have a median."""

_NOTHING = np.zeros(0)


def remarks(
    layers: npt.NDArray, parameters: npt.NDArray, curvature: npt.NDArray = _NOTHING
) -> Iterator[str]:
    """Yield what deserves a look.

    Args:
        layers: a row for each evaluation and layer, with `epoch`, `step`, `name`, `dead` and
            `saturated_units`.
        parameters: a row for each evaluation and array of parameters, with `step`, `name` and
            `gradient_norm`; those whose names end with `kernel` are compared.
        curvature: a row for each evaluation, with `sharpness_product` and `sharpness_limit`.
    """
    if len(layers):
        dead, saturated = layers["dead"], layers["saturated_units"]
        yield from _many(layers, dead, DEAD, "dead")
        yield from _many(layers, np.where(dead >= DEAD, 0, saturated), SATURATED, "saturated")
    if len(parameters):
        yield from _unequal(parameters[parameters["step"] == parameters["step"][-1]])
    if len(curvature):
        yield from _sharp(curvature)


def _many(layers: npt.NDArray, shares: npt.NDArray, threshold: float, word: str) -> Iterator[str]:
    """Say of which layer most units are something, if they are as many as the threshold."""
    is_last = layers["step"] == layers["step"][-1]
    last = shares[is_last]
    worst = np.argmax(last)
    if not last[worst] >= threshold:
        return
    name = layers["name"][is_last][worst]
    of_layer = layers["name"] == name
    few = np.flatnonzero(~(shares[of_layer] >= threshold))
    since = layers["epoch"][of_layer][few[-1] + 1 if len(few) else 0]
    others = int(np.count_nonzero(last >= threshold)) - 1
    many = {DEAD: "half", SATURATED: "three quarters"}[threshold]
    more = f", and at least {many} in {others} more layer{'s' * (others > 1)}" if others else ""
    yield f"{name}: {last[worst]:.0%} of units {word} since epoch {since}{more}"


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


def _sharp(curvature: npt.NDArray) -> Iterator[str]:
    last = curvature[len(curvature) // 2 :]
    ratio = last["sharpness_product"] / last["sharpness_limit"]
    last, ratio = last[np.isfinite(ratio)], ratio[np.isfinite(ratio)]
    if len(last) >= FEWEST and np.median(ratio) > SHARP:
        product, limit = np.median(last["sharpness_product"]), np.median(last["sharpness_limit"])
        yield (
            f"sharpness x learning rate {product:.3g} > {limit:.3g}, the median of the last "
            f"{len(last)} evaluations: steps overshoot along the sharpest direction"
        )
