"""Regularizations: what is added in training, and only there, to improve generalization.

Any number of them can be chosen, as in `regularization=[dropout,l2]`. A regularization may put a
layer after the activation of every hidden layer, and may add a term to the loss that is minimized.
Terms add up; layers follow each other in the order of the list below. The gradient, its norm, line
searches and Hessians include the terms; the recorded losses do not, so that curves of different
strengths can be compared. Validation and test are not affected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.lazy import jax, jnp
from runner.options.layer import KernelMap, Layer, LayerState, Params, Shape, pure, same_kernel
from runner.options.option import Option, number, option
from runner.options.parameters import kernels

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


class Regularization(Option):
    """A layer after each activation, a term added to the loss, or both."""

    def layer(self) -> Layer:
        """Return the layer after the activation of a hidden layer: by default the identity."""
        return pure(lambda inputs: inputs)

    def kernel_map(self) -> KernelMap:
        """Return what is applied instead of the kernel of a hidden layer: by default itself."""
        return same_kernel

    def term(
        self, params: Params, outputs: Float[Array, "batch classes"], losses: Float[Array, " batch"]
    ) -> Float[Array, ""] | float:
        """Return what is added to the mean loss of a batch: by default 0.

        Args:
            params: the parameters of the network.
            outputs: the logits of the network, in training.
            losses: the loss of each example.
        """
        return 0.0


@option
class Unregularized(Regularization):
    """The loss alone."""


@option
class Dropout(Regularization):
    """y = x * m / (1 - rate), each m of each example 0 with probability `rate` and 1 otherwise.

    Srivastava et al. 2014, section 4, scaled at training time (section 10), so that validation and
    test use the whole network unchanged. New masks are drawn at every step and hold for every
    evaluation of the loss within the step. Dropout follows the activation of every hidden layer,
    dense or convolutional; in a recurrent network it follows the last state (Zaremba et al. 2014:
    not from one state to the next). The paper's `p` is the probability of keeping a unit, and the
    paper drops inputs as well. Training loss and error are those of the thinned networks.
    """

    rate: float = number(0.5, minimum=0, below=1)

    def layer(self) -> Layer:
        """Return the layer of masks; its state is the key from which the next masks are drawn."""

        def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
            return {}, {"key": jax.random.key_data(key)}, shape

        def apply(
            params: Params, state: LayerState, inputs: Float[Array, "batch *units"], training: bool
        ) -> tuple[Float[Array, "batch *units"], LayerState]:
            if not training:
                return inputs, state
            after, now = jax.random.split(jax.random.wrap_key_data(state["key"]))
            kept = jax.random.bernoulli(now, 1 - self.rate, inputs.shape)
            thinned = jnp.where(kept, inputs / (1 - self.rate), 0.0)
            return thinned, {"key": jax.random.key_data(after)}

        return Layer(init, apply)


@option
class L2(Regularization):
    """loss + strength / 2 * sum of W^2 over all kernels W: ridge regression, or weight decay.

    Hoerl & Kennard 1970; Krogh & Hertz 1991. Biases and normalizations are not penalized. The
    gradient of the term, strength * W, is part of the gradient: it is clipped, averaged by momentum
    and divided by Adam's second moment, so weights with large gradients shrink least. The
    `weight_decay` of `adamw` bypasses all of this (Loshchilov & Hutter 2019); the two agree only
    for plain `sgd`. PyTorch's `weight_decay` of SGD and Adam is this `strength`; Keras's `l2` has
    no factor of one half.
    """

    strength: float = number(0.001, minimum=0)

    def term(
        self, params: Params, outputs: Float[Array, "batch classes"], losses: Float[Array, " batch"]
    ) -> Float[Array, ""] | float:
        """Return strength / 2 * ||W||^2."""
        return self.strength / 2 * sum(jnp.sum(jnp.square(W)) for W in kernels(params))


@option
class L1(Regularization):
    """loss + strength * sum of |W| over all kernels W: the lasso, which prefers weights of zero.

    Tibshirani 1996. The gradient of the term is strength * sign(W), with sign(0) = 0, so weights
    oscillate around zero; exact zeros would need a proximal step. Biases and normalizations are
    not penalized.
    """

    strength: float = number(0.0001, minimum=0)

    def term(
        self, params: Params, outputs: Float[Array, "batch classes"], losses: Float[Array, " batch"]
    ) -> Float[Array, ""] | float:
        """Return strength * ||W||_1."""
        return self.strength * sum(jnp.sum(jnp.abs(W)) for W in kernels(params))


@option
class LabelSmoothing(Regularization):
    """The cross-entropy with targets (1 - amount) * [k = y] + amount / K instead of [k = y].

    Szegedy et al. 2016, section 7, with the uniform distribution over the K classes. The recorded
    losses are those of the true labels.
    """

    amount: float = number(0.1, minimum=0, maximum=1)

    def term(
        self, params: Params, outputs: Float[Array, "batch classes"], losses: Float[Array, " batch"]
    ) -> Float[Array, ""]:
        """Return amount * (cross-entropy with uniform targets - cross-entropy), averaged."""
        uniform = -jax.nn.log_softmax(outputs).mean(axis=-1)
        return self.amount * jnp.mean(uniform - losses)
