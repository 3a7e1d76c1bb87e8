"""Regularization by other targets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.lazy import jax, jnp
from runner.options.layer import Params
from runner.options.option import Facts, number, option
from runner.options.regularization.base import Regularization

if TYPE_CHECKING:
    from jaxtyping import Array, Float


@option
class LabelSmoothing(Regularization):
    """The cross-entropy with targets (1 - amount) * [k = y] + amount / K instead of [k = y].

    Szegedy et al. 2016, section 7, with the uniform distribution over the K classes. The recorded
    losses are those of the true labels. Defined for `loss=cross_entropy`.
    """

    amount: float = number(0.1, minimum=0, maximum=1)

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse targets without labels, and losses other than the cross-entropy."""
        if not facts.classes:
            yield "name", "the targets are numbers, and there are no labels to smooth"
        elif not facts.smooths_labels:
            yield "name", "smoothed labels are those of a cross-entropy; use loss=cross_entropy"

    def term(
        self,
        params: Params,
        outputs: Float[Array, "batch *steps classes"],
        losses: Float[Array, " batch"],
    ) -> Float[Array, ""]:
        """Return amount * (cross-entropy with uniform targets - cross-entropy), averaged."""
        of_example = tuple(range(1, outputs.ndim))  # over steps, too, where there are any
        uniform = -jax.nn.log_softmax(outputs).mean(axis=of_example)
        return self.amount * jnp.mean(uniform - losses)
