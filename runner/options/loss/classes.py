"""Losses of classes: of one output for each class, of which the largest is the prediction."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from runner.lazy import jax, jnp, optax
from runner.options.loss.base import Loss, as_numbers, is_target
from runner.options.option import number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Int


class _OfProbabilities(Loss):
    """A loss of softmax(outputs)."""

    needs_classes: ClassVar[bool] = True

    def mean_prediction(
        self, outputs: Float[Array, "samples *batch classes"]
    ) -> Float[Array, "*batch classes"]:
        """Return the logarithm of the mean of softmax(outputs) over the networks.

        The loss is then that of the mean probability.
        """
        return jax.nn.logsumexp(jax.nn.log_softmax(outputs), axis=0) - math.log(len(outputs))


@option
class CrossEntropy(_OfProbabilities):
    """-log p_y in nats, with p = softmax(outputs) and y the class of the example.

    PyTorch's `CrossEntropyLoss`, Keras's `SparseCategoricalCrossentropy(from_logits=True)`,
    scikit-learn's `log_loss`.
    """

    smooths_labels: ClassVar[bool] = True

    def __call__(
        self, outputs: Float[Array, "*batch classes"], targets: Int[Array, "*batch"]
    ) -> Float[Array, "*batch"]:
        """Return -log softmax(outputs)[target]."""
        return optax.softmax_cross_entropy_with_integer_labels(outputs, targets)


@option
class Focal(_OfProbabilities):
    """-(1 - p_y)^gamma log p_y, with p = softmax(outputs) and y the class of the example.

    Lin et al. 2017, equation 4, without the weights alpha of classes. Examples that are classified
    well count less; gamma 0 is the cross-entropy. The paper and torchvision use a sigmoid for each
    class, Keras's `CategoricalFocalCrossentropy` a softmax, as here (and alpha 0.25).
    """

    gamma: float = number(2.0, minimum=0)

    def __call__(
        self, outputs: Float[Array, "*batch classes"], targets: Int[Array, "*batch"]
    ) -> Float[Array, "*batch"]:
        """Return (1 - p)^gamma times the cross-entropy, with p the probability of the target."""
        losses = optax.softmax_cross_entropy_with_integer_labels(outputs, targets)
        # As exp(gamma log(1 - p)), with 1 - p kept from 0, where the power has no derivative.
        tiny = jnp.finfo(losses.dtype).tiny
        return jnp.exp(self.gamma * jnp.log(jnp.maximum(-jnp.expm1(-losses), tiny))) * losses


@option
class Hinge(Loss):
    """max(0, margin + max over k != y of output_k - output_y), with y the class of the example.

    Crammer & Singer 2001, as scikit-learn's `hinge_loss` and Keras's `CategoricalHinge`, both with
    margin 1. PyTorch's `MultiMarginLoss` is the sum over all k != y, divided by the classes
    (Weston & Watkins 1999). For two classes it is the binary hinge of the outputs' difference.
    """

    margin: float = number(1.0, above=0)

    needs_classes: ClassVar[bool] = True

    def __call__(
        self, outputs: Float[Array, "*batch classes"], targets: Int[Array, "*batch"]
    ) -> Float[Array, "*batch"]:
        """Return how far the target's output is from exceeding the others by the margin."""
        chosen = is_target(targets, outputs)
        own = jnp.sum(jnp.where(chosen, outputs, 0.0), axis=-1)
        rival = jnp.max(jnp.where(chosen, -jnp.inf, outputs), axis=-1)
        return jnp.maximum(0.0, self.margin + rival - own)


@option
class BinaryCrossEntropy(Loss):
    """Mean over classes k of -log sigmoid(output_k) for k = y and -log(1 - sigmoid(output_k)) else.

    Each class by itself against the rest (Beyer et al. 2020 train ImageNet with it). The mean, as
    PyTorch's `BCEWithLogitsLoss` and Keras's `BinaryCrossentropy(from_logits=True)` on one-hot
    targets; others take the sum, which is K times as large.
    """

    needs_classes: ClassVar[bool] = True

    def __call__(
        self, outputs: Float[Array, "*batch classes"], targets: Int[Array, "*batch"]
    ) -> Float[Array, "*batch"]:
        """Return the mean of softplus(output) - [k = y] output."""
        return jnp.mean(jax.nn.softplus(outputs) - as_numbers(targets, outputs) * outputs, axis=-1)

    def mean_prediction(
        self, outputs: Float[Array, "samples *batch classes"]
    ) -> Float[Array, "*batch classes"]:
        """Return the logit of the mean of sigmoid(outputs) over the networks."""
        true, false = (
            jax.nn.logsumexp(jax.nn.log_sigmoid(each), axis=0) for each in (outputs, -outputs)
        )
        return true - false
