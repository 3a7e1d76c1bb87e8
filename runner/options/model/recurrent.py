"""A recurrent network: one map applied repeatedly, whose gradients may vanish or explode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from runner.lazy import jax, jnp
from runner.options.initializer.base import Initializer
from runner.options.layer import Layer, LayerState, Params, Shape, pure, serial
from runner.options.model.base import LayerOptions, Model, dense, regularized
from runner.options.option import Facts, number, option
from runner.options.parameters import KERNEL, LOGITS

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
    many steps (Pascanu et al. 2013). `normalization=layer` is applied to the sum at each step, with
    the same gain and shift (Ba et al. 2016, section 3.1); batch normalization is refused, because
    it would need separate averages for each step.
    """

    units: int = number(64, minimum=1)
    recurrent_initializer: Initializer
    recurrent_scale: float = number(1.0, minimum=0)
    pixels: bool = False

    is_spatial: ClassVar[bool] = True

    @property
    def layers(self) -> int:
        """The recurrent layer, whose U has an initializer of its own, and that of the logits."""
        return 2

    def network(self, chosen: LayerOptions, classes: int) -> Layer:
        """Return the recurrence over the rows and one affine map."""
        return serial(
            sequence=_sequence(self.pixels),
            recurrent=self._recurrence(chosen),
            regularization=regularized(chosen),
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
        kernel_map, normalization = chosen.kernel_map(), chosen.normalization.layer()
        activation = chosen.activation.layer()
        inner = dense(self.units, chosen.of_layer(0).initializer, kernel_map=kernel_map)

        def init(key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
            keys = jax.random.split(key, 3)
            of_input, input_state, state_shape = inner.init(keys[0], shape[1:])
            kernel = self._recurrent_kernel(keys[2])
            of_map, recurrent_state = kernel_map.init(jax.random.fold_in(keys[2], 1), kernel)
            gains, _, _ = normalization.init(keys[1], state_shape)
            slopes, _, _ = activation.init(keys[1], state_shape)
            params = {"input": of_input, "recurrent": {KERNEL: kernel, **of_map}}
            params |= {"normalization": gains} if gains else {}
            params |= {"activation": slopes} if slopes else {}
            states = {"input": input_state, "recurrent": recurrent_state}
            return params, {name: state for name, state in states.items() if state}, state_shape

        def apply(
            params: Params,
            state: LayerState,
            inputs: Float[Array, "batch steps features"],
            training: bool,
        ) -> tuple[Float[Array, "batch units"], LayerState]:
            driven, input_state = inner.apply(
                params["input"], state.get("input", {}), jnp.swapaxes(inputs, 0, 1), training
            )
            of_recurrence = params["recurrent"]
            kernel, recurrent_state = kernel_map.apply(
                of_recurrence, state.get("recurrent", {}), of_recurrence[KERNEL], training
            )
            gains, slopes = params.get("normalization", {}), params.get("activation", {})

            def step(
                hidden: Float[Array, "batch units"], drive: Float[Array, "batch units"]
            ) -> tuple[Float[Array, "batch units"], None]:
                total, _ = normalization.apply(gains, {}, drive + hidden @ kernel, training)
                outputs, _ = activation.apply(slopes, {}, total, training)
                return outputs.astype(hidden.dtype), None

            last, _ = jax.lax.scan(step, jnp.zeros_like(driven[0]), driven)
            states = {"input": input_state, "recurrent": recurrent_state}
            return last, {name: state for name, state in states.items() if state}

        return Layer(init, apply)

    def _recurrent_kernel(self, key: PRNGKeyArray) -> Float[Array, "units units"]:
        initializer = self.recurrent_initializer.of_layer(0)
        return self.recurrent_scale * initializer(key, (self.units, self.units))


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
