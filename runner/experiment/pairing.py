"""Which options suit each other, and what is said where they do not go together.

Options do not know each other, so what they are to each other is said here. A poor pairing is run
all the same: to see why it is poor is one use of this program. One that computes something else
than it says is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.experiment.experiment import Experiment
from runner.experiment.groups import name_of
from runner.options.initializer.normal import Normal, TruncatedNormal
from runner.options.normalization.base import NoNormalization

_XAVIER = ("xavier_uniform", "xavier_normal", "orthogonal", "sparse")
_HE = ("he_normal", "he_uniform")
_LECUN = ("lecun_normal", "lecun_uniform")

SUITED: dict[str, tuple[str, ...]] = {
    "relu": _HE,
    "relu6": _HE,
    "leaky_relu": _HE,
    "prelu": _HE,
    "threshold_relu": _HE,
    "elu": _HE,
    "selu": (*_LECUN, "orthogonal"),
    "gelu": _HE,
    "silu": _HE,
    "mish": _HE,
    "softplus": _HE,
    "tanh": _XAVIER,
    "softsign": _XAVIER,
    "sigmoid": _XAVIER,
    "hard_sigmoid": _XAVIER,
    "linear": ("xavier_uniform", "xavier_normal", "orthogonal", "identity"),
}
"""By activation: the initializers that were made for it, the first to be recommended."""

SATURATING = ("tanh", "softsign", "sigmoid", "hard_sigmoid")
"""The activations whose slope vanishes for large inputs of either sign."""

LARGE_STDDEV = 0.5
"""From here on a sum over 64 inputs of size 1 has a standard deviation of 4 and more."""


def conflicts(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Yield the key and the problem of every pairing in an experiment that is refused.

    Those are models that do not read sequences where the data need that, and bfloat16 where it has
    no effect, or where its rounding hides what is computed.
    """
    if experiment.data.each_step and not experiment.model.reads_sequences:
        yield (
            "model",
            "the data have a target at each step of a sequence, and the model predicts one for "
            "the whole of it; use model=rnn, lstm, gru or transformer",
        )
    if experiment.precision == "float32":
        return
    if "model" in experiment.data.ignores:
        yield (
            "precision",
            "the data are a problem with its own parameters and no network, and a problem is "
            "computed in float32; use precision=float32",
        )
    if experiment.optimizer.needs_float32:
        yield (
            "precision",
            "the optimizer takes curvature from differences of losses and gradients, which "
            f"the rounding of {experiment.precision} exceeds; use precision=float32",
        )
    if any(each.needs_float32 for each in experiment.diagnostics):
        yield (
            "precision",
            "diagnostics=curvature takes derivatives of the gradient, in which the rounding of "
            f"{experiment.precision} counts as curvature; use precision=float32",
        )


def cautions(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Yield the key and the warning of every pairing in an experiment that is poor.

    The words name neither the activation nor a number, so that the runs of a sweep say the same.
    Nothing is said where no activation is used, or where a normalization sets the size of its
    inputs. Needs plain numbers.
    """
    yield from _of_model(experiment)
    unused = "activation" in experiment.ignores or experiment.model.layers == 1
    if unused or not isinstance(experiment.normalization, NoNormalization):
        return
    activation = name_of(experiment.activation)
    initializer = name_of(experiment.initializer)
    if experiment.activation.self_normalizes and initializer not in SUITED["selu"]:
        yield (
            "initializer",
            "selu keeps mean 0 and variance 1 from layer to layer only with weights of variance "
            f"1 / fan_in; use initializer={SUITED['selu'][0]}",
        )
    if activation in SATURATING and isinstance(experiment.initializer, Normal | TruncatedNormal):
        stddev = experiment.initializer.stddev
        if max(stddev if isinstance(stddev, tuple) else (stddev,)) >= LARGE_STDDEV:
            yield (
                "initializer",
                "weights this large start a saturating activation where its slope is near 0; use "
                f"initializer={SUITED[activation][0]} or a smaller initializer.stddev",
            )


def _of_model(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """What a model lacks that it is made for."""
    if "model" in experiment.data.ignores:
        return
    activation = name_of(experiment.activation)
    if experiment.model.wants_bounded_activation and activation not in (None, *SATURATING):
        yield (
            "activation",
            "the states of a network with gates are not bounded with this activation, and may "
            "explode over many steps; published ones have activation=tanh",
        )
    is_plain = isinstance(experiment.normalization, NoNormalization)
    if experiment.model.wants_normalization and is_plain:
        yield (
            "normalization",
            "sums of residual blocks grow from block to block without one; published transformers "
            "have normalization=layer or rms",
        )
