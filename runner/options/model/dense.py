"""Models of dense layers: softmax regression and the multilayer perceptron."""

from __future__ import annotations

from runner.options.layer import Layer, serial
from runner.options.model.base import Model, Parts, dense, flatten, hidden_dense
from runner.options.option import number, option


@option
class Linear(Model):
    """logits = x W + b: softmax (multinomial logistic) regression, a convex problem."""

    def network(self, parts: Parts, classes: int) -> Layer:
        """One affine map."""
        return serial(flatten=flatten(), logits=dense(classes, parts.initializer))


@option
class MLP(Model):
    """A multilayer perceptron: for each width a dense layer, normalization and activation.

    `widths: [64]` is one hidden layer of 64 units; `[]` is the linear model. `depth` repeats the
    widths, so that it is a number to sweep: `widths: [64]` with `depth: 8` is eight layers of 64.
    """

    widths: tuple[int, ...] = number((64,), minimum=1)
    depth: int = number(1, minimum=1)

    def network(self, parts: Parts, classes: int) -> Layer:
        """The hidden layers and one affine map."""
        hidden = {
            f"hidden_{index}": hidden_dense(width, parts)
            for index, width in enumerate(self.widths * self.depth, start=1)
        }
        return serial(flatten=flatten(), **hidden, logits=dense(classes, parts.initializer))
