"""An autoencoder: a network that reconstructs its inputs from fewer numbers."""

from __future__ import annotations

from typing import ClassVar

from runner.options.layer import Layer, serial
from runner.options.model.base import (
    LayerOptions,
    Model,
    dense,
    flatten,
)
from runner.options.model.stack import dense_layers, numbered
from runner.options.option import HiddenLayer, number, option
from runner.options.parameters import LOGITS


@option
class Autoencoder(Model):
    """Dense layers to a code and back: the target is the input, as the preprocessing leaves it.

    The layers of the encoder have the `widths`, the last of which is the code, and those of the
    decoder the same in the opposite order, then one affine map to as many numbers as an input has
    (Hinton & Salakhutdinov 2006, trained as a whole). All but the last have normalization and
    activation, the code too. `activation=linear` with one width is the linear autoencoder, whose
    minimum of the squared error is the span of the first principal components (Baldi & Hornik
    1989). The encoder's layers are named as those of `model=mlp`, so that a perceptron can start
    from them: `--from FOLDER --from-layers hidden_1,hidden_2`. Classes are not used; the recorded
    error is the mean of |output - input|.
    """

    widths: tuple[int, ...] = number((128, 32), minimum=1)

    reconstructs: ClassVar[bool] = True

    @property
    def hidden_layers(self) -> tuple[HiddenLayer, ...]:
        """Those of the encoder, then those of the decoder."""
        return numbered("hidden", self.widths) + numbered("decoder", self.widths[-2::-1])

    def network(self, chosen: LayerOptions, classes: int) -> Layer:
        """Return encoder and decoder."""
        layers = dense_layers(self.hidden_layers, chosen)
        outputs = {LOGITS: dense(classes, chosen.of_layer(-1).initializer)}
        return serial(flatten=flatten(), **layers, **outputs)
