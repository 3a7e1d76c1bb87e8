"""The objective of one batch: its loss plus the terms of the regularizations, and the gradient.

A batch may be computed in micro-batches, to bound memory: every number here is the mean over the
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

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Num

    OfExamples = Callable[[Any, Any, LayerState], tuple[Any, LayerState]]
    """A function of inputs, targets and the layers' state, with the layers' state after."""


class BatchResult(NamedTuple):
    """What a batch says about the parameters.

    `loss` and `error` are means over the examples and are recorded; `value` is the loss with the
    terms of the regularizations, which is minimized, and `gradient` is the gradient of `value`.
    """

    value: Float[Array, ""]
    loss: Float[Array, ""]
    error: Float[Array, ""]
    gradient: Params


class Objective:
    """The mean loss over the examples of a batch, plus the terms of the regularizations.

    Layers that draw random numbers draw the same ones in every call.

    Args:
        experiment: the options; its batch size says how large a micro-batch may be.
        network: the experiment's network.
        statistics: what the preprocessing was fitted to.
        layers: the state of the layers before the step.
        inputs: the inputs of the batch, as they are stored.
        targets: the targets of the batch.
        unit: what 1 in targets that are numbers stands for, by column; None: 1.
    """

    def __init__(
        self,
        experiment: Experiment,
        network: Layer,
        statistics: Any,
        layers: LayerState,
        inputs: Num[Array, "batch *features"],
        targets: Num[Array, "batch *columns"],
        unit: Float[Array, " columns"] | None = None,
    ) -> None:
        self._experiment = experiment
        self._network = network
        self._statistics = statistics
        self._layers = layers
        self._batch = (inputs, targets)
        self._unit = unit

    def value(self, params: Params) -> Float[Array, ""]:
        """The number that is minimized."""

        def value(inputs: Any, targets: Any, layers: LayerState) -> tuple[Any, LayerState]:
            value, (_, _, layers) = self._value(params, inputs, targets, layers)
            return value, layers

        return self._mean(value)[0]

    def gradient(self, params: Params) -> Params:
        """The gradient of `value`."""
        return self.value_and_gradient(params)[0].gradient

    def value_and_gradient(self, params: Params) -> tuple[BatchResult, LayerState]:
        """The value with its gradient, the loss and the error; and the layers' state after."""
        differentiate = jax.value_and_grad(self._value, has_aux=True)

        def result(inputs: Any, targets: Any, layers: LayerState) -> tuple[Any, LayerState]:
            (value, (loss, error, layers)), gradient = differentiate(
                params, inputs, targets, layers
            )
            return BatchResult(value, loss, error, gradient), layers

        return self._mean(result)

    def _value(
        self, params: Params, inputs: Any, targets: Any, layers: LayerState
    ) -> tuple[Float[Array, ""], tuple[Float[Array, ""], Float[Array, ""], LayerState]]:
        """The value for some examples, and their mean loss and mean error."""
        prepared = self._experiment.preprocessing(self._statistics, inputs)
        outputs, layers = self._network.apply(params, layers, prepared, True)
        targets = self._experiment.targets(prepared, targets)
        losses, errors = self._experiment.losses_and_errors(outputs, targets, self._unit)
        loss = losses.mean()
        terms = [each.term(params, outputs, losses) for each in self._experiment.regularization]
        return loss + sum(terms), (loss, errors.mean(), layers)

    def _mean(self, function: OfExamples) -> tuple[Any, LayerState]:
        """The mean of `function` over the micro-batches, weighted by their examples.

        The layers' state goes through all of them, one after the other.
        """
        count = len(self._batch[1])
        micro = self._experiment.batch_size.micro_examples or count
        if micro >= count:
            return function(*self._batch, self._layers)
        cut = count - count % micro
        head = tuple(x[:cut].reshape(-1, micro, *x.shape[1:]) for x in self._batch)
        shapes = jax.eval_shape(function, head[0][0], head[1][0], self._layers)[0]
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

        def add(total: Any, value: Any, examples: int) -> Any:
            return jax.tree.map(lambda t, v: t + v * (examples / count), total, value)

        def add_micro_batch(
            carry: tuple[Any, LayerState], rows: Any
        ) -> tuple[tuple[Any, LayerState], None]:
            total, layers = carry
            value, layers = jax.checkpoint(function)(*rows, layers)
            return (add(total, value, micro), layers), None

        (total, layers), _ = lax.scan(add_micro_batch, (zeros, self._layers), head)
        if cut < count:
            inputs, targets = self._batch
            value, layers = function(inputs[cut:], targets[cut:], layers)
            total = add(total, value, count - cut)
        return total, layers
