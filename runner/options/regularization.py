"""Regularization: what is added to training, and to training alone, for the sake of new examples.

Any number of them, as in `regularization=[dropout,l2]`; their terms add up, and what acts on
activations acts in the order of the table. A regularization may put a layer after the activation of
every hidden layer, and may add a term to the loss that is minimized. The gradient, its norm, line
searches and Hessians are those of the sum; the recorded losses are the loss alone, so that curves
of different strengths can be compared. Validation and test know nothing of any of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.lazy import jax, jnp
from runner.options.layer import Layer, LayerState, Params, Shape, pure
from runner.options.option import Option, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


class Regularization(Option):
    """A layer after each activation, a term beside the loss, or neither."""

    def layer(self) -> Layer:
        """What follows the activation of a hidden layer."""
        return pure(lambda inputs: inputs)

    def term(
        self, params: Params, outputs: Float[Array, "batch classes"], losses: Float[Array, " batch"]
    ) -> Float[Array, ""] | float:
        """What is added to the mean loss of a batch.

        Args:
            params: the parameters of the network.
            outputs: its logits.
            losses: the loss of each example.
        """
        return 0.0


@option
class Unregularized(Regularization):
    """The loss alone."""


@option
class Dropout(Regularization):
    """y = x * m / (1 - rate), each m of each example 0 with probability `rate` and 1 otherwise.

    Srivastava et al. 2014, section 4, with the scale at training time (section 10), so that
    validation and test use the whole network as it is. New masks are drawn at every step, and hold
    for all that an optimizer asks of the loss within it. It follows the activation of every hidden
    layer, dense or convolutional; of a recurrent network the last state (Zaremba et al. 2014: not
    from one state to the next). The paper's `p` is the probability of keeping a unit, and it drops
    inputs as well. Training loss and error are those of the thinned networks.
    """

    rate: float = number(0.5, minimum=0, below=1)

    def layer(self) -> Layer:
        """The masks; the layer's state is the key from which the next ones are drawn."""

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

    Hoerl & Kennard 1970; Krogh & Hertz 1991. Biases and normalizations are left alone. Its gradient
    strength * W is treated as any other: clipped, averaged by momentum, divided by Adam's second
    moment, which shrinks least the weights whose gradients are large. The `weight_decay` of `adamw`
    goes past all that (Loshchilov & Hutter 2019); only for plain `sgd` are the two the same.
    PyTorch's `weight_decay` of SGD and Adam is this `strength`; Keras's `l2` has no half.
    """

    strength: float = number(0.001, minimum=0)

    def term(
        self, params: Params, outputs: Float[Array, "batch classes"], losses: Float[Array, " batch"]
    ) -> Float[Array, ""] | float:
        """Return strength / 2 * ||W||^2."""
        return self.strength / 2 * sum(jnp.sum(jnp.square(W)) for W in _kernels(params))


@option
class L1(Regularization):
    """loss + strength * sum of |W| over all kernels W: the lasso, which prefers weights of zero.

    Tibshirani 1996. The gradient is strength * sign(W), with sign(0) = 0, so that weights come near
    zero and swing about it; exact zeros would take a proximal step. Biases and normalizations are
    left alone.
    """

    strength: float = number(0.0001, minimum=0)

    def term(
        self, params: Params, outputs: Float[Array, "batch classes"], losses: Float[Array, " batch"]
    ) -> Float[Array, ""] | float:
        """Return strength * ||W||_1."""
        return self.strength * sum(jnp.sum(jnp.abs(W)) for W in _kernels(params))


@option
class LabelSmoothing(Regularization):
    """The cross-entropy with targets (1 - amount) * [k = y] + amount / K in the place of [k = y].

    Szegedy et al. 2016, section 7, with the uniform distribution over the K classes. The recorded
    losses are those of the true labels.
    """

    amount: float = number(0.1, minimum=0, maximum=1)

    def term(
        self, params: Params, outputs: Float[Array, "batch classes"], losses: Float[Array, " batch"]
    ) -> Float[Array, ""]:
        """Return amount times how much more the uniform targets cost than the true ones."""
        uniform = -jax.nn.log_softmax(outputs).mean(axis=-1)
        return self.amount * jnp.mean(uniform - losses)


def _kernels(params: Params) -> list[Float[Array, "..."]]:
    """The parameters named `kernel`."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return [leaf for path, leaf in leaves if getattr(path[-1], "key", "") == "kernel"]
