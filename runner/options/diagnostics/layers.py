"""Signals, gradients and weights layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from runner.lazy import jax, jnp
from runner.options.diagnostics.base import Diagnostic, Probe, Table, ThroughTime
from runner.options.layer import Params
from runner.options.option import number, option
from runner.options.parameters import Path, named
from runner.options.signals import Signals

if TYPE_CHECKING:
    from jaxtyping import Array, Float

HISTOGRAMS = ("pre_activation", "activation")
"""What there are histograms of, each in three columns: `_histogram`, `_low` and `_high`."""

SHARES = ("saturated", "saturated_units", "dead")

LAYER_MEASURES = (
    *(f"{name}_{moment}" for name in HISTOGRAMS for moment in ("mean", "variance")),
    *SHARES,
    "unit_spread",
    "stable_rank",
    "shift",
)
"""The numbers of a layer."""

PARAMETER_MEASURES = ("norm", "gradient_norm", "update_ratio", "distance")
"""The numbers of an array of parameters."""

TIME_MEASURES = ("gradient_norm", "state_norm")
"""What a recurrent layer has a number of for each time step."""

MOSTLY = 0.9
"""For which share of the examples a unit is saturated that counts among `saturated_units`."""

BINS = 40
"""How many bins of equal width a histogram has, from the least to the largest number."""

_ROUNDING = 1e-6
"""Up to which spread units are called equal."""

_POWER_STEPS = 60
"""How often the largest singular value is refined. Each step makes what is left of a second
direction smaller by the square of the ratio of their singular values."""


class LayersMemory(NamedTuple):
    """The parameters, and for each layer mean and standard deviation of every unit's inputs."""

    params: Params
    means: tuple[Float[Array, " units"], ...]
    deviations: tuple[Float[Array, " units"], ...]


@option
class Layers(Diagnostic):
    """Mean, variance and histogram of what goes into and comes out of every activation, and more.

    With x the inputs of the activation of a layer (after the normalization, if that comes before
    it) and f(x) its outputs, over the probe batch, all positions or time steps, and units:

        pre_activation_mean, pre_activation_variance    of x
        activation_mean, activation_variance            of f(x)
        saturated      share of the x where |f'(x)| is less than 5 % of the largest slope of f
        saturated_units  share of the units that are saturated for 90 % of the examples or more
        dead           share of the units that are saturated for all examples
        unit_spread    sqrt(mean Var_units[x] / mean x^2): 0 where all units get the same
        stable_rank    |A|_F^2 / |A|_2^2 of the activations A, a row an example; not centred
        shift          sqrt(sum_i (m_i - m'_i)^2 + (s_i - s'_i)^2) / sqrt(sum_i s'_i^2)

    with m and s mean and standard deviation of x of each unit now, m' and s' at the evaluation
    before: the Frechet (2-Wasserstein) distance of Gaussians, in units of their width. It is the
    internal covariate shift of Ioffe & Szegedy 2015, whose figure 1 shows such x. By this
    definition a ReLU is saturated for x <= 0, a sigmoid beyond |x| = 4.4, tanh beyond 2.2, and the
    logits, whose f is the identity, never. A dead ReLU gets no gradient from any example of the
    probe; that it is 0 for all other examples, too, cannot be known. Units of a convolution are its
    channels.

    For every array of parameters w, with g the gradient of the objective of the probe batch:

        norm            |w|
        gradient_norm   |g|
        update_ratio    |w - w'| / |w|, with w' at the evaluation before
        distance        |w - w_0|, with w_0 at the start

    A recurrent model has the table `time_steps` as well. With h_t what a recurrent layer carries
    from time step t to the next one (an LSTM: the state and the cell, side by side), l_i the loss
    of example i, and means over the examples:

        gradient_norm   mean |d l_i / d h_t|, for each t
        state_norm      mean |h_t|, for each t
        gradient_ratio  gradient_norm at the first step over that at the last one

    d l_i / d h_t is the derivative through all later steps, what Bengio et al. 1994 and Pascanu et
    al. 2013 ask of: it vanishes or explodes from the last step back to the first, where the ratio
    is far below or above 1.

    The update ratio of a single step, which is often plotted (0.001 is a rule of thumb for SGD), is
    smaller: steps between evaluations add up.
    """

    examples: int = number(512, minimum=2)

    needs_layers: ClassVar[bool] = True

    def memory(self, probe: Probe) -> LayersMemory:
        """Return the parameters and the moments of each unit."""
        inputs = [_flat(signals.inputs) for signals in probe.signals]
        means = tuple(x.mean(0) for x in inputs)
        return LayersMemory(probe.params, means, tuple(x.std(0) for x in inputs))

    def measure(
        self, probe: Probe, start: LayersMemory, before: LayersMemory
    ) -> Mapping[str, Table]:
        """Return a table of layers, one of parameters and, of recurrent models, one of time."""
        now = self.memory(probe)
        shifts = map(_shift, now.means, now.deviations, before.means, before.deviations)
        of_signals = jax.jit(_of_signals)  # traced once for all layers of one shape
        layers = [
            {**of_signals(signals), "shift": shift}
            for signals, shift in zip(probe.signals, shifts, strict=True)
        ]
        trees = (probe.params, probe.gradient, start.params, before.params)
        arrays = [named(tree) for tree in trees]
        paths = sorted(arrays[0], key=lambda path: layer_place(path, probe.layers))
        parameters = [_of_parameter(*(of[path] for of in arrays)) for path in paths]
        tables = {
            "layers": _table(probe.layers, layers),
            "parameters": _table(["/".join(path) for path in paths], parameters),
        }
        if probe.through_time:
            tables["time_steps"] = _of_time(probe.through_time)
        return tables


def _of_signals(signals: Signals) -> dict[str, Array]:
    """The measures of one layer, but for the shift."""
    measured: dict[str, Array] = {}
    for name, values in zip(HISTOGRAMS, (signals.inputs, signals.outputs), strict=True):
        flat = _flat(values)
        measured |= {f"{name}_mean": flat.mean(), f"{name}_variance": flat.var()}
        measured |= {f"{name}_{part}": of for part, of in _histogram(flat).items()}
    saturated = signals.saturated.reshape(-1, signals.saturated.shape[-1])
    return measured | {
        "saturated": saturated.astype(float).mean(),
        "saturated_units": (saturated.astype(float).mean(0) >= MOSTLY).astype(float).mean(),
        "dead": saturated.all(0).astype(float).mean(),
        "unit_spread": _unit_spread(_flat(signals.inputs)),
        "stable_rank": stable_rank(_flat(signals.outputs)),
    }


def _of_parameter(
    now: Float[Array, "..."],
    gradient: Float[Array, "..."],
    start: Float[Array, "..."],
    before: Float[Array, "..."],
) -> dict[str, Array]:
    """The measures of one array of parameters."""
    norm = _norm(now)
    return {
        "norm": norm,
        "gradient_norm": _norm(gradient),
        "update_ratio": _norm(now - before) / norm,
        "distance": _norm(now - start),
    }


def _of_time(through_time: Mapping[str, ThroughTime]) -> Table:
    """The measures of each recurrent layer; NaN at the end where others have more time steps."""
    longest = max(len(each.states) for each in through_time.values())
    measured = []
    for states, gradients in through_time.values():
        # The objective is a mean over examples, which do not depend on each other.
        of_examples = gradients.astype(float) * gradients.shape[1]
        norms = [_norms(x).mean(1) for x in (of_examples, states.astype(float))]
        rest = (0, longest - len(states))
        padded = [jnp.pad(each, rest, constant_values=jnp.nan) for each in norms]
        ratio = norms[0][0] / norms[0][-1]
        measured.append(dict(zip(TIME_MEASURES, padded, strict=True)) | {"gradient_ratio": ratio})
    return _table(list(through_time), measured)


def _norms(vectors: Float[Array, "steps examples units"]) -> Float[Array, "steps examples"]:
    """The norms of vectors of any size: squares of gradients that have vanished would be 0."""
    largest = jnp.abs(vectors).max(2, keepdims=True)
    unit = jnp.where(largest > 0, largest, 1.0)
    return largest[..., 0] * jnp.sqrt(((vectors / unit) ** 2).sum(2))


def _histogram(values: Float[Array, "rows units"]) -> dict[str, Array]:
    """The numbers in `BINS` bins, the least and the largest of them."""
    low, high = values.min(), values.max()
    width = jnp.where(high > low, high - low, 1.0)
    bins = jnp.clip(((values - low) / width * BINS).astype(int), 0, BINS - 1)
    counts = jnp.zeros(BINS).at[bins.ravel()].add(1.0)
    return {"low": low, "high": high, "histogram": counts}


def _unit_spread(values: Float[Array, "rows units"]) -> Float[Array, ""]:
    """How much units differ from each other, relative to all; 0 if it is no more than rounding."""
    square = jnp.mean(values**2)
    spread = jnp.sqrt(values.var(1).mean() / jnp.where(square > 0, square, 1.0))
    return jnp.where(spread > _ROUNDING, spread, 0.0)


def _shift(
    mean: Float[Array, " units"],
    deviation: Float[Array, " units"],
    mean_before: Float[Array, " units"],
    deviation_before: Float[Array, " units"],
) -> Float[Array, ""]:
    """How far the distributions of units moved, relative to their width before."""
    squares = (mean - mean_before) ** 2 + (deviation - deviation_before) ** 2
    return jnp.sqrt(squares.sum() / (deviation_before**2).sum())


def stable_rank(matrix: Float[Array, "rows columns"]) -> Float[Array, ""]:
    """Return |A|_F^2 / |A|_2^2, between 1 and the rank; 0 for a matrix of zeros.

    The largest singular value is found by the power method, which can only be below it.

    Args:
        matrix: A.
    """
    gram = jnp.matmul(matrix.T, matrix, precision="highest")
    total = jnp.trace(gram)

    def step(_: int, direction: Float[Array, " columns"]) -> Float[Array, " columns"]:
        product = jnp.matmul(gram, direction, precision="highest")
        return product / jnp.maximum(_norm(product), jnp.finfo(float).tiny)

    column = gram[jnp.argmax(jnp.diagonal(gram))]
    direction = jax.lax.fori_loop(0, _POWER_STEPS, step, column / jnp.maximum(_norm(column), 1e-30))
    largest = direction @ jnp.matmul(gram, direction, precision="highest")
    return jnp.where(total > 0, total / jnp.where(total > 0, largest, 1.0), 0.0)


def _flat(values: Float[Array, "*batch units"]) -> Float[Array, "rows units"]:
    return values.reshape(-1, values.shape[-1]).astype(float)


def _norm(array: Float[Array, "..."]) -> Float[Array, ""]:
    return jnp.sqrt(jnp.sum(array**2))


def layer_place(path: Path, layers: Sequence[str]) -> tuple[int, Path]:
    """Return where an array of parameters comes: by its layer, then what is in none.

    Args:
        path: the names on the way to it.
        layers: the names of the layers, in their order.
    """
    name = "/".join(path)
    inside = (index for index, layer in enumerate(layers) if name.startswith(f"{layer}/"))
    return next(inside, len(layers)), path


def _table(rows: Sequence[str], measured: Sequence[Mapping[str, Array]]) -> Table:
    names = measured[0]
    return Table(tuple(rows), {name: jnp.stack([row[name] for row in measured]) for name in names})
