"""Wrappers that change the updates of another optimizer: weight decay, and a rate for each layer.

They act on an update after the base has made it, so the base has to train at the point to which its
updates lead. Lookahead and the schedule-free methods do not: such a base is refused, and
`optimizer=lookahead` wraps these instead.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runner.lazy import jax, optax
from runner.options.layer import Params
from runner.options.optimizer.averaging import Averaged, ScheduleFreeAdamW, ScheduleFreeSGD
from runner.options.optimizer.base import Optimizer, decay_term
from runner.options.optimizer.wrappers import Lookahead, Wrapper
from runner.options.option import Facts, PerLayer, number, option
from runner.options.per_layer import wrong_lengths

if TYPE_CHECKING:
    from jaxtyping import Array, Float

_WITH_POINTS_OF_THEIR_OWN = (Averaged, Lookahead, ScheduleFreeSGD, ScheduleFreeAdamW)


class UpdateWrapper(Wrapper):
    """A wrapper that keeps the state of its base and changes the update."""

    @abstractmethod
    def changed(
        self, updates: Params, params: Params, learning_rate: Float[Array, ""], layer_index: Any
    ) -> Params:
        """Return the updates to apply.

        Args:
            updates: those of the base, which are added to the parameters.
            params: the parameters before the step.
            learning_rate: the rate of this step.
            layer_index: for each array the index of its layer; see `Optimizer`.
        """

    def build(self, learning_rate: Float[Array, ""]) -> optax.GradientTransformation:
        """Return the base's rule with its updates changed."""
        rule = self.base_rule(learning_rate)

        def update(
            gradient: Params, state: optax.OptState, params: Params, **extra: Any
        ) -> tuple[Params, optax.OptState]:
            updates, state = rule.update(gradient, state, params, **extra)
            return self.changed(updates, params, learning_rate, extra.get("layer_index")), state

        return optax.GradientTransformationExtraArgs(rule.init, update)

    def evaluated(self, state: optax.OptState, params: Params) -> Params:
        """Return the parameters that the base evaluates."""
        return self.base.evaluated(state, params)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse a base that trains elsewhere than where its updates lead."""
        yield from super().problems()
        inner = self.base
        while isinstance(inner, Wrapper) and not isinstance(inner, _WITH_POINTS_OF_THEIR_OWN):
            inner = inner.base
        if isinstance(inner, _WITH_POINTS_OF_THEIR_OWN):
            yield (
                "base",
                "it keeps points of its own, which a changed update would not move; wrap the other "
                "way round where it has a base",
            )


@option
class DecoupledDecay(UpdateWrapper):
    """The step of the base, and theta <- theta - learning_rate * weight_decay * theta.

    Decoupled weight decay around any optimizer, Loshchilov & Hutter 2019: with `base=momentum` it
    is SGDW (algorithm 1), with `base=adam` it is `optimizer=adamw`. theta is that before the step.
    In the paper only the schedule multiplies the decay: `independent: true` gives that. Unlike the
    penalty `regularization=l2` it is no part of the loss and of the gradient that the base sees.
    Biases and normalizations do not decay unless `decay_all`.
    """

    base: Optimizer
    weight_decay: float = number(0.01, minimum=0)
    independent: bool = False
    decay_all: bool = False

    def changed(
        self, updates: Params, params: Params, learning_rate: Float[Array, ""], layer_index: Any
    ) -> Params:
        """Return the updates and the decay."""
        rate = learning_rate / self.learning_rate if self.independent else learning_rate
        return optax.tree.sub(updates, decay_term(params, rate * self.weight_decay, self.decay_all))

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse a rate of 0, from which the schedule's multiplier cannot be taken."""
        yield from super().problems()
        if self.independent and self.learning_rate == 0:
            yield "independent", "it needs a learning rate greater than 0"


@option
class LayerRates(UpdateWrapper):
    """The step of the base, multiplied in each layer by a number: a learning rate for each layer.

    `multiplier` is one number for all layers, or a list with one for each layer that has a kernel,
    in the order of the network and the last for the logits: [0, 0, 1] trains the logits of a
    network of three layers alone. Biases, gains and shifts belong to the layer of their kernel. It
    is the rule of the base at `learning_rate * multiplier` wherever the base's step is proportional
    to its rate; the weight decay of a base is multiplied as well.
    """

    base: Optimizer
    multiplier: PerLayer = number(1.0, minimum=0)

    def changed(
        self, updates: Params, params: Params, learning_rate: Float[Array, ""], layer_index: Any
    ) -> Params:
        """Return the updates times the multipliers."""
        multipliers = self.multiplier
        if not isinstance(multipliers, tuple):
            return jax.tree.map(lambda u: multipliers * u, updates)
        return jax.tree.map(lambda u, index: multipliers[index] * u, updates, layer_index)

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse a list that does not have a number for each layer of the model."""
        yield from super().conflicts(facts)
        yield from wrong_lengths(self, facts)
        is_list = isinstance(self.multiplier, tuple)
        if is_list and not all(layer.path for layer in facts.hidden_layers or ()):
            yield (
                "multiplier",
                "the model does not say where the parameters of its layers are "
                "(`HiddenLayer.path`); give one number for all",
            )
