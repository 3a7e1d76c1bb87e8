"""Models of dense layers: softmax regression and the multilayer perceptron."""

from __future__ import annotations

from runner.options.layer import Layer, serial
from runner.options.model.base import LayerOptions, Model, dense, flatten, hidden_dense
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
        widths = self.widths * self.depth
        return tuple(HiddenLayer(units, has_positions=False) for units in widths)

    def network(self, chosen: LayerOptions, classes: int) -> Layer:
        """Return the hidden layers and one affine map."""
        hidden = {
            f"hidden_{index + 1}": hidden_dense(width, chosen.of_layer(index))
            for index, width in enumerate(self.widths * self.depth)
        }
        logits = {LOGITS: dense(classes, chosen.of_layer(-1).initializer)}
        return serial(flatten=flatten(), **hidden, **logits)
