"""A transformer that reads a sequence from the left."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from runner.lazy import jax, jnp, np
from runner.options.layer import Layer, LayerState, Params, Shape, pure, residual, serial
from runner.options.model.base import AffineWeights, LayerOptions, Model, dense, in_blocks
from runner.options.model.sequence import by_step, sequence
from runner.options.option import Facts, HiddenLayer, number, option
from runner.options.parameters import LOGITS

if TYPE_CHECKING:
    import numpy.typing as npt
    from jaxtyping import Array, Float, PRNGKeyArray


_PARTS = 3  # queries, keys and values
_KERNELS = 4  # of a block: attention, what it gives, hidden layer, what that gives
_ATTENTION, _FEED_FORWARD, _SUM = "attention", "feed_forward", "sum"
_INPUT, _HIDDEN, _OUTPUT = "input", "hidden", "output"
_PARTS_OF_BLOCK = (
    (_ATTENTION, f"{_ATTENTION}.{_INPUT}", f"{_ATTENTION}.{_OUTPUT}"),
    (_FEED_FORWARD, _HIDDEN, _OUTPUT),
)
"""Each part of a block, and inside it the names of its first and its last affine map."""


@option
class Transformer(Model):
    """x_0 = E s + p; in each block x <- x + A(n(x)), then x <- x + F(n(x)); logits from n(x).

    The decoder of Vaswani et al. 2017 with the normalization before each part (`norm: pre`, Radford
    et al. 2019), or after each sum (`post`, the original): x <- n(x + A(x)), x <- n(x + F(x)), and
    logits from x. s is the input of a step, E an affine map, n the normalization, at each step by
    itself. A is attention: each head softmax(q k' / sqrt(d)) v over a step and those before it,
    with q, k and v affine maps of x of d = width / heads numbers, and an affine map of the heads
    side by side. F is a hidden layer of `expansion` times the width with the activation, and an
    affine map back. p is `position_scale` times the sines and cosines of section 3.5. Post-norm
    needs a warm-up, which pre-norm does not (Xiong et al. 2020).

    `regularization=dropout` masks x_0 and what A and F give, as in the paper; other masks of units
    do the same. `normalization=weight` and DropConnect act on the kernels of A and F. An example
    without a target at each step is classified by its last step, which has seen all others. What an
    example is, is as in `rnn`. Batch normalization is refused: its averages would let a step see
    those after it.
    """

    width: int = number(64, minimum=1)
    depth: int = number(2, minimum=1)
    heads: int = number(4, minimum=1)
    expansion: int = number(4, minimum=1)
    norm: Literal["pre", "post"] = "pre"
    position_scale: float = number(1.0, minimum=0)
    pixels: bool = False

    is_spatial: ClassVar[bool] = True
    reads_sequences: ClassVar[bool] = True
    wants_normalization: ClassVar[bool] = True

    @property
    def hidden_layers(self) -> tuple[HiddenLayer, ...]:
        """The embedding, and in each block the four affine maps of attention and hidden layer."""
        paths = ["embedding"]
        for index in range(self.depth):
            for part, first, last in _PARTS_OF_BLOCK:
                whole = f"{_name(index)}.{part}"  # with the normalization, before or after it
                is_pre = self.norm == "pre"
                paths += (
                    [whole, f"{whole}.{last}"] if is_pre else [f"{whole}.{_SUM}.{first}", whole]
                )
        block = (self.width, self.width, self.expansion * self.width, self.width)
        sizes = (self.width, *block * self.depth)
        return tuple(
            HiddenLayer(units, False, path) for units, path in zip(sizes, paths, strict=True)
        )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse heads that do not divide the width."""
        if self.width % self.heads:
            fits = [heads for heads in range(1, self.heads) if self.width % heads == 0]
            yield "heads", f"{self.heads} heads do not divide width {self.width}; use {fits[-1]}"

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse normalizations over the batch, and at a place that there is not."""
        if facts.normalizes_over_batch:
            yield (
                "name",
                "batch normalization would let a step see those after it; use normalization=layer, "
                "group or rms",
            )
        if facts.normalizes_after_activation:
            yield (
                "norm",
                "it says where normalizations are, and none is beside an activation; use "
                "normalization.position=before_activation and model.norm=post",
            )

    def network(self, chosen: LayerOptions, classes: int) -> Layer:
        """Return the embedding, the blocks and one affine map."""
        blocks = {
            _name(index): self._block(chosen, 1 + _KERNELS * index) for index in range(self.depth)
        }
        last = pure(lambda inputs: inputs[:, -1], lambda shape: shape[1:])
        ends = {} if chosen.each_step else {"last": last}
        if self.norm == "pre":
            normalization = chosen.normalization.layer()
            ends["normalization"] = by_step(normalization) if chosen.each_step else normalization
        return serial(
            sequence=sequence(self.pixels),
            embedding=dense(self.width, chosen.of_layer(0).initializer),
            positions=pure(lambda inputs: inputs + self.position_scale * positions(inputs.shape)),
            regularization=chosen.regularized(),
            **blocks,
            **ends,
            **{LOGITS: dense(classes, chosen.of_layer(-1).initializer)},
        )

    def _block(self, chosen: LayerOptions, index: int) -> Layer:
        """A block whose first kernel has an index among the layers."""
        kernel_map = chosen.kernel_map()
        draws = [chosen.of_layer(index + own).initializer for own in range(_KERNELS)]
        attention = _Attention(
            self.heads,
            AffineWeights(in_blocks(draws[0], _PARTS), kernel_map=kernel_map),
            AffineWeights(draws[1], kernel_map=kernel_map),
        )
        activation = chosen.nonlinearity()["activation"]
        parts = {
            _ATTENTION: {_ATTENTION: Layer(attention.init, attention.apply)},
            _FEED_FORWARD: {
                _HIDDEN: dense(self.expansion * self.width, draws[2], kernel_map=kernel_map),
                "activation": activation,
                _OUTPUT: dense(self.width, draws[3], kernel_map=kernel_map),
            },
        }
        return serial(**{name: self._added(chosen, layers) for name, layers in parts.items()})

    def _added(self, chosen: LayerOptions, layers: dict[str, Layer]) -> Layer:
        """A part of a block with its sum and its normalization."""
        normalization = by_step(chosen.normalization.layer())
        layers = layers | {"regularization": chosen.regularized()}
        if self.norm == "pre":
            return residual(serial(normalization=normalization, **layers))
        return serial(**{_SUM: residual(serial(**layers))}, normalization=normalization)


def _name(index: int) -> str:
    """The name of a block, counted from 0."""
    return f"block_{index + 1}"


class _Attention:
    """Attention of several heads over a step and those before it."""

    def __init__(self, heads: int, inputs: AffineWeights, outputs: AffineWeights) -> None:
        self._heads = heads
        self._weights = {_INPUT: inputs, _OUTPUT: outputs}

    def init(self, key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
        """Return the parameters and the state of both affine maps; see `Layer`."""
        width = shape[-1]
        outputs = {_INPUT: _PARTS * width, _OUTPUT: width}
        found = {
            name: weights.init(own, (width, outputs[name]))
            for own, (name, weights) in zip(
                jax.random.split(key), self._weights.items(), strict=True
            )
        }
        params = {name: own for name, (own, _) in found.items()}
        return params, {name: own for name, (_, own) in found.items() if own}, shape

    def apply(
        self,
        params: Params,
        state: LayerState,
        inputs: Float[Array, "batch steps width"],
        training: bool,
    ) -> tuple[Float[Array, "batch steps width"], LayerState]:
        """Return what attention gives at each step; see `Layer`.

        Args:
            params: of the affine maps before and after attention, `input` and `output`.
            state: of their kernel maps.
            inputs: the values of each step.
            training: whether it is a training step; false at evaluation.
        """
        after: LayerState = {}

        def affine(name: str, values: Float[Array, "..."]) -> Float[Array, "..."]:
            weights = self._weights[name]
            kernel, own = weights.kernel(params[name], state.get(name, {}), training)
            if own:
                after[name] = own
            return weights.with_bias(params[name], values @ kernel)

        q_k_v = affine(_INPUT, inputs).reshape(*inputs.shape[:2], _PARTS, self._heads, -1)
        seen = attention(*(q_k_v[:, :, part] for part in range(_PARTS)))
        return affine(_OUTPUT, seen.reshape(inputs.shape)), after


def attention(
    queries: Float[Array, "batch steps heads size"],
    keys: Float[Array, "batch steps heads size"],
    values: Float[Array, "batch steps heads size"],
) -> Float[Array, "batch steps heads size"]:
    """Return softmax(q k' / sqrt(size)) v over a step and those before it, for each head.

    The softmax is computed in float32 at least, and products in the type of the inputs;
    `jax.nn.dot_product_attention` has float32 products beside bfloat16 inputs.

    Args:
        queries: q, of the steps whose outputs these are.
        keys: k, of the steps that are seen.
        values: v, of the steps that are seen.
    """
    steps, _, size = queries.shape[1:]
    scores = jnp.einsum("btnd,bsnd->bnts", queries, keys) / math.sqrt(size)
    scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    is_seen = np.tril(np.ones((steps, steps), bool))
    weights = jax.nn.softmax(jnp.where(is_seen, scores, -jnp.inf), axis=-1)
    return jnp.einsum("bnts,bsnd->btnd", weights.astype(values.dtype), values)


def positions(shape: Shape) -> npt.NDArray[np.float32]:
    """Return `[steps, width]`: sin(t / 10000^(2 i / width)) in column 2 i of row t, cos beside it.

    Args:
        shape: `(..., steps, width)`.
    """
    steps, width = shape[-2:]
    rates = np.exp(-math.log(10_000) * np.arange(0, width, 2) / width)
    angles = np.arange(steps)[:, None] * rates
    table = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return table.reshape(steps, -1)[:, :width].astype(np.float32)
