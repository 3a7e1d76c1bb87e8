"""The exponential moving average, written once for optimizers, clipping and normalizations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from runner.lazy import jax

if TYPE_CHECKING:
    from jaxtyping import Array, Float

Tree = TypeVar("Tree")


def moving_average(average: Tree, value: Any, decay: Float[Array, ""] | float) -> Tree:
    """Return decay * average + (1 - decay) * value, number by number.

    Started at zero, the average of t values has the expectation (1 - decay^t) * E[value]: divide
    by 1 - decay^t to correct this bias (Kingma & Ba 2015, section 3). A decay of 0 returns the
    value, so `jnp.where(step == 0, 0.0, decay)` starts the average at its first value instead.

    Args:
        average: an array or a tree of arrays, such as the parameters.
        value: a tree of the same structure and shapes.
        decay: the weight of the past, in [0, 1]; a number, traced or not.
    """
    return jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, average, value)
