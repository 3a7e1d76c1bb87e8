"""Recurrent networks: one map applied repeatedly, whose gradients may vanish or explode."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from runner.options.initializer.base import Initializer
from runner.options.layer import Layer, serial
from runner.options.model.base import LayerOptions, Model, dense
from runner.options.model.cell import Cell, GRUCell, LSTMCell, RNNCell
from runner.options.model.recurrence import Recurrence
from runner.options.model.sequence import sequence
from runner.options.option import Facts, HiddenLayer, number, option
from runner.options.parameters import LOGITS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recurrent(Model):
    """Stacked recurrent layers, and an affine map of the last state or of each one."""

    widths: tuple[int, ...] = number((64,), minimum=1)
    depth: int = number(1, minimum=1)
    recurrent_initializer: Initializer
    recurrent_scale: float = number(1.0, minimum=0)
    pixels: bool = False

    is_spatial: ClassVar[bool] = True
    is_recurrent: ClassVar[bool] = True
    reads_sequences: ClassVar[bool] = True

    @abstractmethod
    def cell(self, chosen: LayerOptions) -> Cell:
        """Return the map from one state to the next."""

    @property
    def hidden_layers(self) -> tuple[HiddenLayer, ...]:
        """One for each width; the recurrent matrices have an initializer of their own."""
        return tuple(
            HiddenLayer(units, False, f"recurrent{_suffix(index)}")
            for index, units in enumerate(self.widths * self.depth)
        )

    def network(self, chosen: LayerOptions, classes: int) -> Layer:
        """Return the recurrences over the steps and one affine map."""
        layers: dict[str, Layer] = {"sequence": sequence(self.pixels)}
        last = len(self.hidden_layers) - 1
        for index, layer in enumerate(self.hidden_layers):
            recurrence = Recurrence.of(
                self.cell(chosen),
                layer.units,
                chosen.of_layer(index),
                self.recurrent_initializer.of_layer(0),
                self.recurrent_scale,
                gives_sequence=chosen.each_step or index < last,
            )
            layers[layer.path] = Layer(recurrence.init, recurrence.apply)
            layers[f"regularization{_suffix(index)}"] = chosen.regularized()
        return serial(**layers, **{LOGITS: dense(classes, chosen.of_layer(-1).initializer)})

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse a network without a recurrent layer."""
        if not self.widths:
            yield "widths", "it is empty; give the units of each recurrent layer, like [64]"

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse batch normalization, and several numbers for the one recurrent matrix."""
        for field, _ in self.recurrent_initializer.conflicts(facts._replace(layers=1)):
            yield (
                f"recurrent_initializer.{field}",
                "it is the same for all recurrent matrices; give one number",
            )
        if facts.normalizes_over_batch:
            yield (
                "name",
                "batch normalization would need separate averages for each step of a recurrent "
                "network; use normalization=layer or none",
            )


def _suffix(index: int) -> str:
    """What the names of the parts of a layer end in; those of the first have no number."""
    return "" if index == 0 else f"_{index + 1}"


@option
class RNN(Recurrent):
    """h_t = f(x_t W + h_{t-1} U + b) from h_0 = 0; the logits are an affine map of the last h.

    Elman 1990, with f the activation and W drawn by the initializer. An image is read row by row
    from the top (digits: 8 steps of 8 pixels, MNIST: 28 of 28), with `pixels` one pixel at a time
    (64 and 784 steps), and a vector number by number; a text is read character by character, with
    logits at each step. Each of `widths` is a layer that reads the states of the one before it, and
    `depth` repeats them. U starts as `recurrent_scale` times what `recurrent_initializer` draws: by
    default a random orthogonal matrix (Saxe et al. 2014). With the identity and `activation=relu`
    it is the IRNN of Le et al. 2015. In the backward pass each step multiplies the gradient by U'
    and the slopes of f, so that it vanishes or explodes over many steps (Pascanu et al. 2013).
    `normalization=layer` (and `group`, `rms`) is applied to the sum at each step, with the same
    gain and shift (Ba et al. 2016, section 3.1), `weight` to both matrices. Batch normalization is
    refused, because it would need separate averages for each step, and instance normalization,
    because a state has no positions.
    """

    def cell(self, chosen: LayerOptions) -> Cell:
        """Return the map from one state to the next."""
        return RNNCell(chosen)


class _Gated(Recurrent):
    """A recurrent network with gates."""

    wants_bounded_activation: ClassVar[bool] = True


@option
class LSTM(_Gated):
    """c_t = s(F + forget_bias) c_{t-1} + s(I) f(G), h_t = s(O) f(c_t); c_0 = 0 and h_0 = 0.

    Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000, without peepholes. I, F,
    G and O are x_t W + h_{t-1} U + b, each with a W, U and b of its own; s is the sigmoid and f the
    activation, tanh in the papers. The forget bias of 1 lets gradients pass at the start (Gers et
    al. 2000, Jozefowicz et al. 2015); PyTorch starts it at 0, Keras at 1. W and U are stored side
    by side in the order I, F, G, O, as in PyTorch and Keras, and drawn one by one, where Keras
    draws them together. `normalization=layer` (and `group`, `rms`) is applied to each of the four
    sums, with a gain and shift each and before the forget bias is added, and not to c_t, as it is
    in Ba et al. 2016; with `position: after_activation` it is applied to f(G) alone. Layers, inputs
    and refusals are those of `rnn`.
    """

    forget_bias: float = number(1.0)

    def cell(self, chosen: LayerOptions) -> Cell:
        """Return the map from one state to the next."""
        return LSTMCell(chosen, self.forget_bias)


@option
class GRU(_Gated):
    """h_t = (1 - s(Z)) f(x_t W + b + s(R) (h_{t-1} U)) + s(Z) h_{t-1} from h_0 = 0.

    Cho et al. 2014, with the reset gate R after the product, as in cuDNN, PyTorch and Keras's
    default; in the paper it is before it, (s(R) h_{t-1}) U. R and Z are x_t W + h_{t-1} U + b, each
    with a W, U and b of its own; s is the sigmoid and f the activation, tanh in the paper. PyTorch
    has a second bias beside h_{t-1} U. Chung et al. 2014 exchange s(Z) and 1 - s(Z). W and U are
    stored side by side in the order R, Z and the candidate, as in PyTorch, and drawn one by one.
    `normalization=layer` (and `group`, `rms`) is applied to R, Z and the argument of f, with a gain
    and shift each; with `position: after_activation` to what f gives alone. Layers, inputs and
    refusals are those of `rnn`.
    """

    def cell(self, chosen: LayerOptions) -> Cell:
        """Return the map from one state to the next."""
        return GRUCell(chosen)
