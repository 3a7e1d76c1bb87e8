"""Penalties: terms of the loss that grow with the parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from runner.lazy import jax, jnp
from runner.options.layer import Params
from runner.options.option import number, option
from runner.options.parameters import kernels
from runner.options.regularization.base import Regularization

if TYPE_CHECKING:
    from jaxtyping import Array, Float

AppliesTo = Literal["kernels", "everything"]


def penalized(params: Params, applies_to: AppliesTo) -> list[Float[Array, "..."]]:
    """Return the kernels, or all parameters: biases, gains, shifts and slopes as well."""
    return kernels(params) if applies_to == "kernels" else jax.tree.leaves(params)


def absolute_sum(weights: list[Float[Array, "..."]]) -> Float[Array, ""] | float:
    """Return the sum of |W|, whose gradient is sign(W) with sign(0) = 0; that of JAX is 1 at 0."""
    return sum(jnp.sum(W * jax.lax.stop_gradient(jnp.sign(W))) for W in weights)


@option
class L2(Regularization):
    """loss + strength / 2 * sum of W^2 over all kernels W: ridge regression, or weight decay.

    Hoerl & Kennard 1970; Krogh & Hertz 1991. With `applies_to: everything` biases, normalizations
    and learned slopes are penalized as well. The gradient of the term, strength * W, is part of the
    gradient: it is clipped, averaged by momentum and divided by Adam's second moment, so weights
    with large gradients shrink least. The `weight_decay` of `adamw` bypasses all of this
    (Loshchilov & Hutter 2019); the two agree only for plain `sgd`. PyTorch's `weight_decay` of SGD
    and Adam is this `strength`, of everything; Keras's `l2` has no factor of one half.
    """

    strength: float = number(0.001, minimum=0)
    applies_to: AppliesTo = "kernels"

    def term(
        self, params: Params, outputs: Float[Array, "batch classes"], losses: Float[Array, " batch"]
    ) -> Float[Array, ""] | float:
        """Return strength / 2 * ||W||^2."""
        weights = penalized(params, self.applies_to)
        return self.strength / 2 * sum(jnp.sum(jnp.square(W)) for W in weights)


@option
class L1(Regularization):
    """loss + strength * sum of |W| over all kernels W: the lasso, which prefers weights of zero.

    Tibshirani 1996. The gradient of the term is strength * sign(W), with sign(0) = 0, so weights
    oscillate around zero; exact zeros would need a proximal step. With `applies_to: everything`
    biases, normalizations and learned slopes are penalized as well.
    """

    strength: float = number(0.0001, minimum=0)
    applies_to: AppliesTo = "kernels"

    def term(
        self, params: Params, outputs: Float[Array, "batch classes"], losses: Float[Array, " batch"]
    ) -> Float[Array, ""] | float:
        """Return strength * ||W||_1."""
        weights = penalized(params, self.applies_to)
        return self.strength * absolute_sum(weights)


@option
class ElasticNet(Regularization):
    """loss + strength * sum of (l1_ratio * |W| + (1 - l1_ratio) / 2 * W^2) over all kernels W.

    Zou & Hastie 2005, eq. 3 (the "naive" elastic net: the estimate is not rescaled), in the
    parameters of scikit-learn, whose `alpha` is `strength`. It is `regularization=[l1,l2]` with the
    strengths `strength * l1_ratio` and `strength * (1 - l1_ratio)`; here the ratio can be swept at
    a fixed strength. The paper's lambda_2 has no factor of one half.
    """

    strength: float = number(0.001, minimum=0)
    l1_ratio: float = number(0.5, minimum=0, maximum=1)
    applies_to: AppliesTo = "kernels"

    def term(
        self, params: Params, outputs: Float[Array, "batch classes"], losses: Float[Array, " batch"]
    ) -> Float[Array, ""] | float:
        """Return strength * (l1_ratio * ||W||_1 + (1 - l1_ratio) / 2 * ||W||^2)."""
        weights = penalized(params, self.applies_to)
        squares = sum(jnp.sum(jnp.square(W)) for W in weights)
        mixed = self.l1_ratio * absolute_sum(weights) + (1 - self.l1_ratio) / 2 * squares
        return self.strength * mixed
