"""The noise of the gradient: how much it differs from example to example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.lazy import jax, jnp
from runner.options.diagnostics.base import Diagnostic, Probe, Table
from runner.options.diagnostics.layers import layer_place
from runner.options.layer import Params
from runner.options.option import number, option
from runner.options.parameters import named

if TYPE_CHECKING:
    from jaxtyping import Array, Float

ALL = "all"
"""The row of all parameters together; the others are of one array each."""

NOISE_MEASURES = ("variance", "signal", "noise_scale", "signal_to_noise", "cosine")

CHUNK = 16
"""How many gradients of examples are there at a time."""

FEWEST_BATCHES = 8
"""The least number of batches of a size from which a deviation is estimated."""


class Deviations(NamedTuple):
    """Sums of |G_j - g|^2 over the mean gradients G_j of batches, by array of parameters.

    Attributes:
        sizes: of the batches: 1, 2, 4, ...
        counts: how many batches of each size there are.
        squares: the sums, shape `(arrays, sizes)`.
    """

    sizes: tuple[int, ...]
    counts: tuple[int, ...]
    squares: Float[Array, "arrays sizes"]


@option
class Noise(Diagnostic):
    """Variance of the gradient over examples, the simple noise scale, and signal to noise.

    With g_i the gradient of the loss of example i of n (a multiple of 16: the rest is left out),
    without penalties and random masks, and g their mean, for every array of parameters and (`all`)
    for all together:

        variance        tr(S) = sum_i |g_i - g|^2 / (n - 1)
        signal          |g|^2 - tr(S) / n, which estimates the squared norm of the true gradient
        noise_scale     tr(S) / signal, a number of examples
        signal_to_noise sqrt(signal / tr(S)), of a single example; of a batch of B sqrt(B) times it
        cosine          g.g' / (|g| |g'|), with g' at the evaluation before
        deviation       sqrt(sum_j |G_j - g|^2 / (m - 1)) of the gradients G_j of m batches of 1,
                        2, 4, ... examples that follow each other

    The first two are unbiased (McCandlish et al. 2018, appendix A.1, with batches of 1 and n
    examples); the ratio of two unbiased estimates is not quite. `noise_scale` is their B_simple:
    the batch size at which the noise in the gradient is as large as the gradient, and an estimate
    of the critical batch size. It is NaN, and `signal_to_noise` 0, where the signal is not
    positive: then n examples are too few to see the gradient, as they are for noise scales far
    above n. `deviation` is sqrt(tr(S) / B) for batches of B examples that are independent; it is
    more if examples that are stored beside each other are alike. A normalization over the batch
    uses the statistics of evaluations, with which examples do not depend on each other. The
    gradients take the memory of 32 copies of the parameters, and one for every 16 examples.
    """

    examples: int = number(512, minimum=2)

    def working_numbers(self, parameters: int) -> int:
        """Return the numbers of the gradients of examples and of batches."""
        return parameters * (2 * CHUNK + self.examples // CHUNK + 2)

    def memory(self, probe: Probe) -> Params:
        """Return the mean gradient."""
        chunk, chunks = _division(probe)
        used = chunk * chunks
        return jax.grad(lambda params: _losses(probe, params)[:used].mean())(probe.params)

    def measure(self, probe: Probe, start: Params, before: Params) -> Mapping[str, Table]:
        """Return a table with a row for all parameters, and one for each array."""
        mean = self.memory(probe)
        paths = sorted(named(mean), key=lambda path: layer_place(path, probe.layers))
        found = deviations(probe, mean)
        order = [list(named(mean)).index(path) for path in paths]

        def with_all(values: Float[Array, "arrays ..."]) -> Float[Array, "rows ..."]:
            return jnp.concatenate([values.sum(0)[None], values[jnp.array(order)]])

        def products(one: Params, other: Params) -> Float[Array, " rows"]:
            pairs = zip(named(one).values(), named(other).values(), strict=True)
            return with_all(jnp.stack([jnp.sum(a * b).astype(float) for a, b in pairs]))

        squares = with_all(found.squares)
        counts = jnp.array(found.counts)
        variance, norm = squares[:, 0] / (counts[0] - 1), products(mean, mean)
        signal = norm - variance / counts[0]
        columns = {
            "variance": variance,
            "signal": signal,
            "noise_scale": jnp.where(signal > 0, variance / signal, jnp.nan),
            "signal_to_noise": jnp.sqrt(jnp.maximum(signal, 0) / variance),
            "cosine": products(mean, before) / jnp.sqrt(norm * products(before, before)),
            "deviation": jnp.sqrt(squares / (counts - 1)),
        }
        return {"noise": Table((ALL, *("/".join(path) for path in paths)), columns)}


def deviations(probe: Probe, mean: Params) -> Deviations:
    """Return how far the mean gradients of batches are from the mean of all.

    Batches are examples that follow each other.

    Args:
        probe: what there is to see.
        mean: the mean gradient.
    """
    chunk, chunks = _division(probe)
    examples = chunk * chunks

    def deviation(place: Any) -> Params:
        gradient = jax.grad(lambda params: _losses(probe, params, place[None])[0])(probe.params)
        return jax.tree.map(jnp.subtract, gradient, mean)

    def of_chunk(places: Any) -> tuple[Params, Float[Array, "arrays sizes"]]:
        return _halved(jax.vmap(deviation)(places), chunk)

    means, squares = jax.lax.map(of_chunk, jnp.arange(examples).reshape(chunks, chunk))
    several = [squares.sum(0)]
    sizes = [2**power for power in range(chunk.bit_length())]
    while chunks // 2 >= FEWEST_BATCHES:
        chunks //= 2
        means = _paired(jax.tree.map(lambda x, count=2 * chunks: x[:count], means))
        several.append(_squares(means)[:, None])
        sizes.append(2 * sizes[-1])
    counts = [examples // size for size in sizes]
    return Deviations(tuple(sizes), tuple(counts), jnp.concatenate(several, axis=1))


def _halved(gradients: Params, count: int) -> tuple[Params, Float[Array, "arrays sizes"]]:
    """The mean of some gradients, and the sums of squares of means of 1, 2, 4, ... of them."""
    squares = [_squares(gradients)]
    while count > 1:
        count //= 2
        gradients = _paired(gradients)
        squares.append(_squares(gradients))
    return jax.tree.map(lambda x: x[0], gradients), jnp.stack(squares, axis=1)


def _paired(gradients: Params) -> Params:
    """The means of each two that follow each other."""
    return jax.tree.map(lambda x: (x[0::2] + x[1::2]) / 2, gradients)


def _squares(gradients: Params) -> Float[Array, " arrays"]:
    """For each array of parameters the sum of the squares over all gradients."""
    return jnp.stack([jnp.sum(x.astype(float) ** 2) for x in named(gradients).values()])


def _division(probe: Probe) -> tuple[int, int]:
    """How many gradients there are at a time, a power of two, and how many times."""
    examples = len(jax.eval_shape(lambda: _losses(probe, probe.params)))
    chunk = min(CHUNK, 2 ** (examples.bit_length() - 1))
    return chunk, examples // chunk


def _losses(probe: Probe, params: Params, rows: Any = None) -> Float[Array, " examples"]:
    return probe.example_losses(params, fixed_statistics=True, rows=rows)
