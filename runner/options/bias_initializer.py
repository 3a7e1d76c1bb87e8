"""Bias initializers: what the biases of a network are before the first step.

Every layer starts with biases of 0; the chosen option then sets them. Gains and shifts of
normalizations are not biases.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.lazy import jnp
from runner.options.layer import Params
from runner.options.option import Facts, Option, number, option
from runner.options.parameters import BIAS, LOGITS, Path, map_with_path

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Num


class BiasInitializer(Option):
    """A choice of the initial biases."""

    @abstractmethod
    def __call__(self, params: Params, targets: Num[Array, "train *columns"]) -> Params:
        """Return the parameters with their biases set.

        Args:
            params: the initial parameters, with biases of 0.
            targets: the targets of the training examples.
        """


@option
class ZeroBias(BiasInitializer):
    """b = 0, in every layer."""

    def __call__(self, params: Params, targets: Num[Array, "train *columns"]) -> Params:
        """Return the parameters as they are."""
        return params


@option
class ConstantBias(BiasInitializer):
    """b = value, in every layer.

    A small positive value lets most units with relu pass something on at the start (Goodfellow et
    al. 2016, section 6.3.1: 0.1).
    """

    value: float = number(0.1)

    def __call__(self, params: Params, targets: Num[Array, "train *columns"]) -> Params:
        """Return the parameters with this value for every bias."""

        def value_of(path: Path, array: Float[Array, "..."]) -> Float[Array, "..."]:
            return jnp.full_like(array, self.value) if path[-1:] == (BIAS,) else array

        return map_with_path(value_of, params)


@option
class ClassFrequencies(BiasInitializer):
    """b = log(n_k / n) for the logit of class k with n_k of the n training examples; else b = 0.

    The network starts by predicting the shares of the classes, which its first steps would learn
    otherwise. If the kernel of the logits is 0, the initial loss is the entropy of the classes.
    Meant for classes of different sizes; with equal ones it changes no prediction. A class without
    training examples counts as half an example.
    """

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse targets without classes."""
        if not facts.classes:
            yield "name", "the targets are numbers, which have no frequencies; use zeros"

    def __call__(self, params: Params, targets: Num[Array, "train *columns"]) -> Params:
        """Return the parameters with the biases of the logits set."""

        def value_of(path: Path, array: Float[Array, "..."]) -> Float[Array, "..."]:
            if path[-2:] != (LOGITS, BIAS):
                return array
            counts = jnp.bincount(targets.reshape(-1), length=array.size)
            return jnp.log(jnp.maximum(counts, 0.5) / targets.size).astype(array.dtype)

        return map_with_path(value_of, params)
