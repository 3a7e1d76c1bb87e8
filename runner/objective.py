"""The loss of one batch as a function of the parameters, and its gradient.

A batch may be worked off in micro-batches, to bound memory: every number here is the mean over the
micro-batches, weighted by their examples, which is the number for the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import lax

from runner.experiment import Experiment
from runner.options.layer import Layer, LayerState, Params
from runner.options.preprocessing import Statistics

if TYPE_CHECKING:
    from jaxtyping import Array, Float, Num

    Part = Callable[[Any, Any, LayerState], tuple[Any, LayerState]]


class Objective:
    """The mean loss over the examples of a batch.

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

    def loss(self, params: Params) -> Float[Array, ""]:
        """The mean loss."""

        def part(inputs: Any, targets: Any, layers: LayerState) -> tuple[Any, LayerState]:
            loss, (_, layers) = self._part(params, inputs, targets, layers)
            return loss, layers

        return self._mean(part)[0]

    def gradient(self, params: Params) -> Params:
        """The gradient of the mean loss."""
        return self.value_and_grad(params)[0][2]

    def value_and_grad(
        self, params: Params
    ) -> tuple[tuple[Float[Array, ""], Float[Array, ""], Params], LayerState]:
        """The mean loss, the mean error and the gradient; and the state of the layers after."""

        def part(inputs: Any, targets: Any, layers: LayerState) -> tuple[Any, LayerState]:
            (loss, (error, layers)), gradient = jax.value_and_grad(self._part, has_aux=True)(
                params, inputs, targets, layers
            )
            return (loss, error, gradient), layers

        return self._mean(part)

    def _part(
        self, params: Params, inputs: Any, targets: Any, layers: LayerState
    ) -> tuple[Float[Array, ""], tuple[Float[Array, ""], LayerState]]:
        """Mean loss and mean error of some examples."""
        prepared = self._experiment.preprocessing(self._statistics, inputs)
        outputs, layers = self._network.apply(params, layers, prepared, True)
        losses, errors = self._experiment.data.losses_and_errors(outputs, targets)
        return losses.mean(), (errors.mean(), layers)

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
