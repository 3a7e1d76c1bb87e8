"""The objective of one batch, its loss and the terms of the regularizations, and its gradient.

A batch may be worked off in micro-batches, to bound memory: every number here is the mean over the
micro-batches, weighted by their examples, which is the number for the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from runner.experiment.experiment import Experiment
from runner.options.layer import Layer, LayerState, Params
from runner.options.preprocessing import Statistics

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Num

    Part = Callable[[Any, Any, LayerState], tuple[Any, LayerState]]


class Judgement(NamedTuple):
    """What a batch says of the parameters.

    `loss` and `error` are means over its examples and are recorded; `value` is the loss with the
    terms of the regularizations, which is minimized, and `gradient` is its.
    """

    value: Float[Array, ""]
    loss: Float[Array, ""]
    error: Float[Array, ""]
    gradient: Params


class Objective:
    """The mean loss over the examples of a batch and the terms of the regularizations.

    Layers that draw random numbers draw the same ones however often it is asked.

    Args:
        experiment: the options; its batch size says how large a micro-batch may be.
        network: the experiment's network.
        statistics: what its preprocessing needs to know.
        layers: the state of the layers before the step.
        inputs: the batch's inputs, as they are stored.
        targets: what they are examples of.
    """

    def __init__(
        self,
        experiment: Experiment,
        network: Layer,
        statistics: Statistics,
        layers: LayerState,
        inputs: Num[Array, "batch *features"],
        targets: Num[Array, " batch"],
    ) -> None:
        self._experiment = experiment
        self._network = network
        self._statistics = statistics
        self._layers = layers
        self._batch = (inputs, targets)

    def value(self, params: Params) -> Float[Array, ""]:
        """What is minimized."""

        def part(inputs: Any, targets: Any, layers: LayerState) -> tuple[Any, LayerState]:
            value, (_, _, layers) = self._part(params, inputs, targets, layers)
            return value, layers

        return self._mean(part)[0]

    def gradient(self, params: Params) -> Params:
        """Its gradient."""
        return self.judge(params)[0].gradient

    def judge(self, params: Params) -> tuple[Judgement, LayerState]:
        """Value, gradient, loss and error; and the state of the layers after."""

        def part(inputs: Any, targets: Any, layers: LayerState) -> tuple[Any, LayerState]:
            (value, (loss, error, layers)), gradient = jax.value_and_grad(self._part, has_aux=True)(
                params, inputs, targets, layers
            )
            return Judgement(value, loss, error, gradient), layers

        return self._mean(part)

    def _part(
        self, params: Params, inputs: Any, targets: Any, layers: LayerState
    ) -> tuple[Float[Array, ""], tuple[Float[Array, ""], Float[Array, ""], LayerState]]:
        """The value for some examples, and their mean loss and mean error."""
        prepared = self._experiment.preprocessing(self._statistics, inputs)
        outputs, layers = self._network.apply(params, layers, prepared, True)
        losses, errors = self._experiment.data.losses_and_errors(outputs, targets)
        loss = losses.mean()
        terms = [each.term(params, outputs, losses) for each in self._experiment.regularization]
        return loss + sum(terms), (loss, errors.mean(), layers)

    def _mean(self, part: Part) -> tuple[Any, LayerState]:
        """The mean of `part` over the micro-batches; the layers' state goes through all of them."""
        count = len(self._batch[1])
        micro = self._experiment.batch_size.micro_examples or count
        if micro >= count:
            return part(*self._batch, self._layers)
        cut = count - count % micro
        head = tuple(x[:cut].reshape(-1, micro, *x.shape[1:]) for x in self._batch)
        first = jax.eval_shape(part, head[0][0], head[1][0], self._layers)[0]
        nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), first)

        def add(total: Any, value: Any, examples: int) -> Any:
            return jax.tree.map(lambda t, v: t + v * (examples / count), total, value)

        def one(carry: tuple[Any, LayerState], rows: Any) -> tuple[tuple[Any, LayerState], None]:
            value, layers = jax.checkpoint(part)(*rows, carry[1])
            return (add(carry[0], value, micro), layers), None

        (total, layers), _ = lax.scan(one, (nothing, self._layers), head)
        if cut < count:
            inputs, targets = self._batch
            value, layers = part(inputs[cut:], targets[cut:], layers)
            total = add(total, value, count - cut)
        return total, layers
