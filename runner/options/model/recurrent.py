"""A recurrent network: one map applied repeatedly, whose gradients may vanish or explode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from runner.lazy import jax, jnp
from runner.options.initializer.base import Initializer
from runner.options.layer import Layer, LayerState, Params, Shape, pure, serial
from runner.options.model.base import AffineWeights, LayerOptions, Model, dense
from runner.options.option import Facts, HiddenLayer, number, option
from runner.options.parameters import LOGITS
from runner.options.signals import nudges_of, with_states

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray


@option
class RNN(Model):
    """h_t = f(x_t W + h_{t-1} U + b) from h_0 = 0; the logits are an affine map of the last h.

    Elman 1990, with f the activation and W drawn by the initializer. An image is read row by row
    from the top (digits: 8 steps of 8 pixels, MNIST: 28 of 28), with `pixels` one pixel at a time
    (64 and 784 steps), and a vector number by number. U starts as `recurrent_scale` times what
    `recurrent_initializer` draws: by default a random orthogonal matrix (Saxe et al. 2014). With
    the identity and `activation=relu` it is the IRNN of Le et al. 2015. In the backward pass each
    step multiplies the gradient by U' and the slopes of f, so that it vanishes or explodes over
    many steps (Pascanu et al. 2013). `normalization=layer` (and `group`, `rms`) is applied to the
    sum at each step, with the same gain and shift (Ba et al. 2016, section 3.1), `weight` to both
    matrices. Batch normalization is refused, because it would need separate averages for each step,
    and instance normalization, because a state has no positions.
    """

    units: int = number(64, minimum=1)
    recurrent_initializer: Initializer
    recurrent_scale: float = number(1.0, minimum=0)
    pixels: bool = False

    is_spatial: ClassVar[bool] = True
    is_recurrent: ClassVar[bool] = True

    @property
    def hidden_layers(self) -> tuple[HiddenLayer, ...]:
        """The recurrent layer, whose U has an initializer of its own."""
        return (HiddenLayer(self.units, has_positions=False),)

    def network(self, chosen: LayerOptions, classes: int) -> Layer:
        """Return the recurrence over the rows and one affine map."""
        return serial(
            sequence=_sequence(self.pixels),
            recurrent=self._recurrence(chosen),
            regularization=chosen.regularized(),
            **{LOGITS: dense(classes, chosen.of_layer(-1).initializer)},
        )

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse batch normalization, and several numbers for the one recurrent matrix."""
        for field, _ in self.recurrent_initializer.conflicts(facts._replace(layers=1)):
            yield f"recurrent_initializer.{field}", "there is one recurrent matrix; give one number"
        if facts.normalizes_over_batch:
            yield (
                "name",
                "batch normalization would need separate averages for each step of a recurrent "
                "network; use normalization=layer or none",
            )

    def _recurrence(self, chosen: LayerOptions) -> Layer:
        kernel_map = chosen.kernel_map()
        parts = _Recurrence(
            units=self.units,
            driving=dense(self.units, chosen.of_layer(0).initializer, kernel_map=kernel_map),
            recurrent=AffineWeights(
                lambda key, shape: self._recurrent_kernel(key), bias=False, kernel_map=kernel_map
            ),
            nonlinearity=chosen.nonlinearity(),
            masks=chosen.recurrent_masks(),
            watched=chosen.watched,
        )
        return Layer(parts.init, parts.apply)

    def _recurrent_kernel(self, key: PRNGKeyArray) -> Float[Array, "units units"]:
        initializer = self.recurrent_initializer.of_layer(0)
        return self.recurrent_scale * initializer(key, (self.units, self.units))


class _Recurrence(NamedTuple):
    """h_t = f((x_t * m) W + b + (h_{t-1} * n) U), from a sequence to its last state.

    f is normalization and activation; the masks m and n are the same at all steps.
    """

    units: int
    driving: Layer  # x W + b
    recurrent: AffineWeights  # U
    nonlinearity: dict[str, Layer]  # f, under the names of its parts
    masks: dict[str, Layer]  # from ones to those of m and n that there are
    watched: bool  # whether the state after has h_t at all steps

    def init(self, key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
        """Return the parameters and the state of the parts by name; see `Layer`."""
        keys = jax.random.split(key, 3)
        outputs = (self.units,)
        parts = {
            "input": self.driving.init(keys[0], shape[1:])[:2],
            "recurrent": self.recurrent.init(keys[2], (self.units, self.units)),
        }
        for name, layer in self.nonlinearity.items():
            parts[name] = layer.init(keys[1], outputs)[:2]
        for index, (name, layer) in enumerate(self.masks.items(), start=1):
            masked = shape[1:] if name == "input_mask" else outputs
            parts[name] = layer.init(jax.random.fold_in(keys[1], index), masked)[:2]
        params = {name: own for name, (own, _) in parts.items() if own}
        return params, {name: own for name, (_, own) in parts.items() if own}, outputs

    def apply(
        self,
        params: Params,
        state: LayerState,
        inputs: Float[Array, "batch steps features"],
        training: bool,
    ) -> tuple[Float[Array, "batch units"], LayerState]:
        """Return the last hidden state, and the state of the parts; see `Layer`."""
        inputs = jnp.swapaxes(inputs, 0, 1)
        start = jnp.zeros((inputs.shape[1], self.units), inputs.dtype)
        after, drawn = {}, {}
        for name, layer in self.masks.items():
            ones = jnp.ones_like(inputs[0] if name == "input_mask" else start)
            drawn[name], after[name] = layer.apply({}, state.get(name, {}), ones, training)
        if "input_mask" in drawn:
            inputs = inputs * drawn["input_mask"]
        driven, after["input"] = self.driving.apply(
            params["input"], state.get("input", {}), inputs, training
        )
        kernel, after["recurrent"] = self.recurrent.kernel(
            params["recurrent"], state.get("recurrent", {}), training
        )

        def step(
            hidden: Float[Array, "batch units"], at: tuple[Float[Array, "batch units"], Any]
        ) -> tuple[Float[Array, "batch units"], tuple[LayerState, Any]]:
            drive, nudge = at
            seen = hidden * drawn["state_mask"] if "state_mask" in drawn else hidden
            total = drive + seen @ kernel
            signals = {}
            for name, layer in self.nonlinearity.items():
                total, own = layer.apply(params.get(name, {}), {}, total, training)
                if own:
                    signals[name] = own
            hidden = total.astype(hidden.dtype)
            if nudge is not None:
                hidden = hidden + nudge
            return hidden, (signals, hidden if self.watched else None)

        last, (signals, states) = jax.lax.scan(step, start, (driven, nudges_of(state)))
        after |= signals
        after = {name: own for name, own in after.items() if own}
        return last, with_states(after, states) if self.watched else after


def _sequence(pixels: bool) -> Layer:
    """Steps of one axis of features: the rows of an image, its pixels, or the numbers of a vector.

    The channels of a pixel stay together.
    """

    def shape(inputs: Shape) -> Shape:
        if len(inputs) < 3:
            return (inputs[0], 1)
        height, width, channels = inputs
        return (height * width, channels) if pixels else (height, width * channels)

    return pure(lambda inputs: inputs.reshape(len(inputs), *shape(inputs.shape[1:])), shape)
