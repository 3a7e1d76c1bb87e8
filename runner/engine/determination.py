"""The coefficient of determination R^2 of a held-out split, where the targets are numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp

if TYPE_CHECKING:
    from jaxtyping import Array, Float


def r_squared(
    weights: Float[Array, "slabs slab"],
    squares: Float[Array, "slabs slab *columns"],
    targets: Float[Array, "slabs slab *columns"],
) -> Float[Array, ""]:
    """R^2 = 1 - sum (t - y)^2 / sum (t - mean of t)^2, averaged over the columns of the targets.

    As scikit-learn's `r2_score`: the mean is that of the split itself; where all targets of a
    column are equal, R^2 is 1 if the predictions are right and else 0.

    Args:
        weights: of each example in the mean of the split; 0 for those that it does not have.
        squares: (t - y)^2; of sequences each step has its columns.
        targets: t.

    Returns:
        R^2; NaN if the split is empty.
    """
    columns = tuple(range(2, targets.ndim))
    own = jnp.expand_dims(weights > 0, columns)

    def mean(values: Float[Array, "slabs slab *columns"]) -> Float[Array, "*columns"]:
        shares = jnp.expand_dims(weights, columns)
        return jnp.sum(jnp.where(own, shares * values, 0.0), axis=(0, 1))

    left = mean(squares)
    variance = mean(jnp.square(targets - mean(targets)))
    constant = 1.0 - jnp.sign(left)  # 1 if nothing is left, else 0, and NaN if that is NaN
    found = jnp.where(variance > 0, 1.0 - left / jnp.where(variance > 0, variance, 1.0), constant)
    return jnp.where(jnp.any(own), jnp.mean(found), jnp.nan)
