"""Constraints: projections of the parameters after each update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.lazy import jnp
from runner.options.layer import Params
from runner.options.option import number, option
from runner.options.parameters import is_kernel, map_with_path
from runner.options.regularization.base import Regularization

if TYPE_CHECKING:
    from jaxtyping import Array, Float

    from runner.options.parameters import Path


@option
class MaxNorm(Regularization):
    """w <- w * min(1, limit / ||w||) after each update, for the incoming weights w of each unit.

    Srebro & Shraibman 2005; Srivastava et al. 2014, section 5.1, whose c is `limit`. The norm is
    over all incoming weights of a unit (of a channel: over its receptive field), without the bias;
    in a recurrent network those from the input and those from the state each have the limit.
    Hidden units and logits are limited; the papers speak of hidden units. Keras's axis 0 is the
    same for dense layers only. A kernel that starts longer is projected after the first update.

    The measured update norm is that of the optimizer, before the projection. Where an optimizer has
    points of its own (the average of `averaged`, z of `schedule_free_sgd`, the slow weights of
    `lookahead`), gradients are taken and networks are evaluated at projected points; the optimizer
    keeps its points as they are.
    """

    limit: float = number(3.0, above=0)

    def project(self, params: Params) -> Params:
        """Return the parameters with kernels of limited norm."""

        def projected(path: Path, array: Float[Array, "..."]) -> Float[Array, "..."]:
            if not is_kernel(path):
                return array
            incoming = tuple(range(array.ndim - 1))
            norms = jnp.sqrt(jnp.square(array).sum(incoming))
            return array * (self.limit / jnp.maximum(norms, self.limit))

        return map_with_path(projected, params)
