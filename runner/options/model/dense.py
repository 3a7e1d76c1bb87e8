"""Models of dense layers: softmax regression, the perceptron, and a product of matrices."""

from __future__ import annotations

from typing import ClassVar

from runner.options.layer import Layer, serial
from runner.options.model.base import (
    LayerOptions,
    Model,
    dense,
    flatten,
    hidden,
)
from runner.options.model.stack import dense_layers, numbered
from runner.options.option import HiddenLayer, number, option
from runner.options.parameters import LOGITS


@option
class Linear(Model):
    """logits = x W + b: softmax (multinomial logistic) regression, a convex problem."""

    @property
    def hidden_layers(self) -> tuple[HiddenLayer, ...]:
        """None."""
        return ()

    def network(self, chosen: LayerOptions, classes: int) -> Layer:
        """Return one affine map."""
        logits = dense(classes, chosen.of_layer(-1).initializer)
        return serial(flatten=flatten(), **{LOGITS: logits})


@option
class MLP(Model):
    """A multilayer perceptron: for each width a dense layer, normalization and activation.

    `widths: [64]` is one hidden layer of 64 units; `[]` is the linear model. `depth` repeats the
    widths, so that the depth can be swept: `widths: [64]` with `depth: 8` is eight layers of 64.
    """

    widths: tuple[int, ...] = number((64,), minimum=1)
    depth: int = number(1, minimum=1)

    @property
    def hidden_layers(self) -> tuple[HiddenLayer, ...]:
        """One for each width."""
        return numbered("hidden", self.widths * self.depth)

    def network(self, chosen: LayerOptions, classes: int) -> Layer:
        """Return the hidden layers and one affine map."""
        layers = dense_layers(self.hidden_layers, chosen)
        logits = {LOGITS: dense(classes, chosen.of_layer(-1).initializer)}
        return serial(flatten=flatten(), **layers, **logits)


@option
class DeepLinear(Model):
    """outputs = x W_1 W_2 ... W_(depth + 1), with `units` numbers between two matrices.

    As a function of x it is one matrix; as one of its weights it is not even convex (Saxe et al.
    2014). The gradient of W_k is what all other matrices make of the error, so it vanishes or
    explodes with their product. With `units=1` and squared loss each w_k after the first has the
    gradient mean(2 (f - y) (x W_1)) times the product of all others (`experiment=deep_linear`).
    There are no biases and no activation; a normalization makes it nonlinear.
    """

    units: int = number(64, minimum=1)
    depth: int = number(8, minimum=1)

    ignores: ClassVar[tuple[str, ...]] = ("activation", "bias_initializer")

    @property
    def hidden_layers(self) -> tuple[HiddenLayer, ...]:
        """`depth` of them, all of one size."""
        return numbered("hidden", (self.units,) * self.depth)

    def network(self, chosen: LayerOptions, classes: int) -> Layer:
        """Return the product."""
        layers = {
            layer.path: self._layer(chosen.of_layer(index))
            for index, layer in enumerate(self.hidden_layers)
        }
        logits = dense(classes, chosen.of_layer(-1).initializer, bias=False)
        return serial(flatten=flatten(), **layers, **{LOGITS: logits})

    def _layer(self, chosen: LayerOptions) -> Layer:
        kernel_map = chosen.kernel_map()
        matrix = dense(self.units, chosen.initializer, bias=False, kernel_map=kernel_map)
        return hidden(chosen, dense=matrix)
