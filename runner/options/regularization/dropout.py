"""Dropout and its relatives: random masks of units, inputs, states and weights.

The random numbers of a layer are its state: the key from which the next masks are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from runner.lazy import jax, jnp
from runner.options.layer import KernelMap, Layer, LayerState, Params
from runner.options.option import Facts, number, option
from runner.options.regularization.base import RandomMasks

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray

    Draw = Callable[[PRNGKeyArray, Float[Array, "..."]], Float[Array, "..."]]
    """A function of random numbers and an array."""

SELU_AT_MINUS_INFINITY = -1.7580993408473766
"""-lambda * alpha, the least value of SELU (Klambauer et al. 2017)."""


@option
class Dropout(RandomMasks):
    """y = x * m / (1 - rate), each m of each example 0 with probability `rate` and 1 otherwise.

    Srivastava et al. 2014, section 4, scaled at training time (section 10), so that validation and
    test use the whole network unchanged. New masks are drawn at every step and hold for every
    evaluation of the loss within the step. Dropout follows the activation of every hidden layer,
    dense or convolutional; in a recurrent network it follows the last state (Zaremba et al. 2014:
    not from one state to the next, see `variational_dropout`). `input_rate` drops inputs, after the
    preprocessing; the paper has 0.2 there and 0.5 in hidden layers. The paper's `p` is the
    probability of keeping a unit. With `mask: batch` all examples of a batch (or micro-batch) have
    the same mask. Training loss and error are those of the thinned networks.

    `evaluation_samples: n` is Monte Carlo dropout (Gal & Ghahramani 2016, section 4): validation
    and test take the mean of the probabilities of n networks with masks, which costs n evaluations.
    The network without masks approximates their geometric mean instead (compared in section 7.5 of
    Srivastava et al.). Normalizations do as in any evaluation. The masks follow from the state of
    training, so that an evaluation can be repeated.
    """

    rate: float = number(0.5, minimum=0, below=1)
    input_rate: float | None = number(None, minimum=0, below=1)
    mask: Literal["example", "batch"] = "example"
    evaluation_samples: int = number(0, minimum=0)

    def layer(self) -> Layer:
        """Return the layer of masks; its state is the key from which the next masks are drawn."""
        return self._masking(self.rate)

    def input_layer(self) -> Layer | None:
        """Return the layer of masks of the inputs; None if `input_rate` is null."""
        return None if self.input_rate is None else self._masking(self.input_rate)

    def _masking(self, rate: float) -> Layer:
        def draw(
            key: PRNGKeyArray, inputs: Float[Array, "batch *units"]
        ) -> Float[Array, "batch *units"]:
            examples = len(inputs) if self.mask == "example" else 1
            return thinned(key, rate, inputs, (examples, *inputs.shape[1:]))

        return random_layer(draw)


@option
class VariationalDropout(RandomMasks):
    """h_t = f((x_t * m) W + (h_{t-1} * n) U + b) with masks m and n that are the same at all steps.

    Gal & Ghahramani 2016 (recurrent networks), eq. 7: for each example and each sequence, numbers
    of m are 0 with probability `input_rate` and 1 / (1 - input_rate) otherwise, those of n likewise
    with `recurrent_rate`. Keras calls the rates `dropout` and `recurrent_dropout`. It is another
    method than the variational dropout of Kingma et al. 2015, which learns the rates. The last
    state is not dropped; `regularization=[dropout,variational_dropout]` does that as well.
    `evaluation_samples` is that of `dropout`. For recurrent models.
    """

    input_rate: float = number(0.25, minimum=0, below=1)
    recurrent_rate: float = number(0.25, minimum=0, below=1)
    evaluation_samples: int = number(0, minimum=0)

    def input_mask(self) -> Layer:
        """Return the layer that draws m."""
        return _of_examples(self.input_rate)

    def state_mask(self) -> Layer:
        """Return the layer that draws n."""
        return _of_examples(self.recurrent_rate)

    def cautions(self, facts: Facts) -> Iterator[str]:
        """Say that other models have nothing to mask."""
        if not facts.is_recurrent:
            yield (
                "the model is not recurrent, so there is nothing to mask and no effect; "
                "regularization=dropout masks the units of hidden layers"
            )


@option
class AlphaDropout(RandomMasks):
    """y = a (x * m + x0 (1 - m)) + b, each m of each example 0 with probability `rate`, else 1.

    Klambauer et al. 2017: dropped units are set to the limit x0 = -1.7581 of SELU for x ->
    -infinity, and a = (q + x0^2 q (1 - q))^(-1/2) with q = 1 - rate and b = -a (1 - q) x0 keep a
    mean of 0 and a variance of 1. It follows the activation of every hidden layer as `dropout`
    does. `evaluation_samples` is that of `dropout`.
    """

    rate: float = number(0.05, minimum=0, below=1)
    evaluation_samples: int = number(0, minimum=0)

    def layer(self) -> Layer:
        """Return the layer of masks; its state is the key from which the next masks are drawn."""

        def draw(
            key: PRNGKeyArray, inputs: Float[Array, "batch *units"]
        ) -> Float[Array, "batch *units"]:
            q, x0 = 1 - self.rate, SELU_AT_MINUS_INFINITY
            a = (q + x0**2 * q * (1 - q)) ** -0.5
            kept = jax.random.bernoulli(key, q, inputs.shape)
            return a * (jnp.where(kept, inputs, x0) - (1 - q) * x0)

        return random_layer(draw)

    def cautions(self, facts: Facts) -> Iterator[str]:
        """Say that only SELU has what it keeps."""
        if not facts.self_normalizes:
            yield (
                "alpha dropout keeps the mean 0 and the variance 1 of activation=selu; with "
                "another activation it shifts both; use regularization=dropout"
            )


@option
class DropConnect(RandomMasks):
    """y = x (M * W) / (1 - rate) + b, each number of M 0 with probability `rate` and 1 otherwise.

    Wan et al. 2013, in every hidden layer and not in the logits. One mask is drawn for each batch
    (or micro-batch); the paper draws one for each example, which takes a matrix of its own for
    each, and masks biases as well. Weights are scaled at training time, so that validation and test
    use the mean network W; the paper draws pre-activations from a Gaussian of their mean and
    variance there. In a recurrent network both matrices are masked, the same at all time steps
    (Merity et al. 2018 mask U alone). `evaluation_samples` is that of `dropout`.
    """

    rate: float = number(0.5, minimum=0, below=1)
    evaluation_samples: int = number(0, minimum=0)

    def kernel_map(self) -> KernelMap:
        """Return the map from W to a masked kernel; its state is the key of the next mask."""

        def draw(key: PRNGKeyArray, kernel: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
            return thinned(key, self.rate, kernel, kernel.shape)

        return KernelMap(lambda key, kernel: ({}, _start(key)), _applied(draw))


def thinned(
    key: PRNGKeyArray, rate: float, array: Float[Array, "*shape"], mask: tuple[int, ...]
) -> Float[Array, "*shape"]:
    """Return an array with numbers set to 0 at random, and the others divided by 1 - rate.

    Args:
        key: random numbers.
        rate: the probability that a number is set to 0.
        array: the array.
        mask: the shape of the mask, which is broadcast to that of the array.
    """
    kept = jax.random.bernoulli(key, 1 - rate, mask)
    return jnp.where(kept, array / (1 - rate), 0.0)


def random_layer(draw: Draw) -> Layer:
    """Return the layer that applies a function with new random numbers in training.

    At evaluation it is the identity.

    Args:
        draw: the function; it keeps the shape.
    """
    return Layer(lambda key, shape: ({}, _start(key), shape), _applied(draw))


def _of_examples(rate: float) -> Layer:
    return random_layer(lambda key, inputs: thinned(key, rate, inputs, inputs.shape))


def _start(key: PRNGKeyArray) -> LayerState:
    return {"key": jax.random.key_data(key)}


def _applied(draw: Draw) -> Callable[[Params, LayerState, Any, bool], tuple[Any, LayerState]]:
    """What a layer or a map of kernels applies: a function of the key in its state."""

    def apply(
        params: Params, state: LayerState, inputs: Float[Array, "..."], training: bool
    ) -> tuple[Float[Array, "..."], LayerState]:
        if not training:
            return inputs, state
        after, now = jax.random.split(jax.random.wrap_key_data(state["key"]))
        return draw(now, inputs), {"key": jax.random.key_data(after)}

    return apply
