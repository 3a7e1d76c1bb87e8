"""A residual network: convolutions whose inputs are added to their outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from runner.lazy import jax, jnp
from runner.options.layer import Layer, LayerState, Params, Shape, pure, serial
from runner.options.model.base import LayerOptions, Model, dense
from runner.options.model.spatial import convolution_of, hidden_convolution, image_conflicts
from runner.options.option import Facts, HiddenLayer, number, option
from runner.options.parameters import LOGITS

if TYPE_CHECKING:
    from jaxtyping import Array, Float, PRNGKeyArray

Shortcut = Literal["identity", "projection", "none"]

_KERNEL_SIZE = 3

_FIRST = "convolution_1"
"""The name of the first convolution among the parts of a block."""

_SHORTCUT = "shortcut"
"""The name of a projection among the parts of a block."""


@option
class ResNet(Model):
    """3x3 convolutions in blocks of two: y = f(N(W_2 f(N(W_1 x))) + x), f the activation.

    He et al. 2016, section 4.2, for small images: one convolution, then a stage for each of
    `channels` with `blocks` blocks, the mean of each channel over its positions, and the logits.
    All stages but the first halve the sides of the image in their first block. N is the
    normalization, batch normalization in the paper. The defaults are 8 layers; `blocks` of 3, 5 and
    9 give the paper's ResNet-20, 32 and 56. Where the shapes of x and y differ, `shortcut=identity`
    takes every second pixel of x and adds channels of zeros, as the paper does for small images;
    `projection` is a 1x1 convolution with the normalization, as it does for large ones, under the
    numbers of the block's second layer. `none` is the plain network of the same convolutions.
    """

    channels: tuple[int, ...] = number((16, 32, 64), minimum=1)
    blocks: int = number(1, minimum=1)
    shortcut: Shortcut = "identity"

    is_spatial: ClassVar[bool] = True

    @property
    def hidden_layers(self) -> tuple[HiddenLayer, ...]:
        """The first convolution and two for each block; the second has what is after the sum."""
        layers = [(self.channels[0], "convolution")]
        for stage, channels in enumerate(self.channels):
            for index in range(self.blocks):
                block = _name(stage, index)
                layers += [(channels, f"{block}.{_FIRST}"), (channels, block)]
        return tuple(HiddenLayer(units, True, path) for units, path in layers)

    def network(self, chosen: LayerOptions, classes: int) -> Layer:
        """Return the first convolution, the stages, the mean over positions and one affine map."""
        first = hidden_convolution(
            self.channels[0], _KERNEL_SIZE, chosen.of_layer(0), padding="same"
        )
        blocks, layer = {}, 1
        for stage, channels in enumerate(self.channels):
            for index in range(self.blocks):
                own = (chosen.of_layer(layer), chosen.of_layer(layer + 1))
                stride = 2 if stage and not index else 1
                blocks[_name(stage, index)] = self.block(channels, stride, *own)
                layer += 2
        return serial(
            convolution=first,
            **blocks,
            mean=pure(lambda inputs: inputs.mean((1, 2)), lambda shape: shape[-1:]),
            **{LOGITS: dense(classes, chosen.of_layer(-1).initializer)},
        )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse a network without a stage, and identities that would lose channels."""
        if not self.channels:
            yield "channels", "it names no stage; give the channels of at least one"
        if self.shortcut == "identity" and list(self.channels) != sorted(self.channels):
            yield (
                "shortcut",
                "the identity would lose channels where a stage has fewer than the one before it; "
                "use model.shortcut=projection",
            )

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse inputs that are no images."""
        yield from image_conflicts(facts)

    def block(self, channels: int, stride: int, first: LayerOptions, second: LayerOptions) -> Layer:
        """Return the block of two convolutions.

        Args:
            channels: of its outputs.
            stride: of its first convolution.
            first: the options of that.
            second: those of the other, and of what follows the sum.
        """
        # A normalization that follows the activation follows that of the sum, too.
        after = dict(second.nonlinearity())
        follows = second.normalization.follows_activation
        before = {} if follows else {"normalization": after.pop("normalization")}
        projection = convolution_of(channels, 1, second, padding="valid", stride=stride)
        last = convolution_of(channels, _KERNEL_SIZE, second, padding="same")
        parts = _Residual(
            branch={
                _FIRST: hidden_convolution(
                    channels, _KERNEL_SIZE, first, padding="same", stride=stride
                ),
                "convolution_2": serial(convolution=last, **before),
            },
            shortcut=self.shortcut,
            stride=stride,
            projection=serial(convolution=projection, **before),
            after=after | {"regularization": second.regularized()},
        )
        return Layer(parts.init, parts.apply)


def _name(stage: int, index: int) -> str:
    """The name of a block, counted from 0 in its stage."""
    return f"block_{stage + 1}_{index + 1}"


class _Residual(NamedTuple):
    """after(branch(x) + x), with x brought into the shape of branch(x)."""

    branch: dict[str, Layer]
    shortcut: Shortcut
    stride: int  # of the branch
    projection: Layer  # for a shortcut of that kind
    after: dict[str, Layer]

    def init(self, key: PRNGKeyArray, shape: Shape) -> tuple[Params, LayerState, Shape]:
        """Return the parameters and the state of the parts by name; see `Layer`."""
        params, state, outputs = serial(**self.branch).init(key, shape)
        if self.shortcut == "projection" and outputs != shape:
            own = serial(**{_SHORTCUT: self.projection}).init(jax.random.fold_in(key, 2), shape)
            params, state = params | own[0], state | own[1]
        own = serial(**self.after).init(jax.random.fold_in(key, 3), outputs)
        return params | own[0], state | own[1], outputs

    def apply(
        self,
        params: Params,
        state: LayerState,
        inputs: Float[Array, "batch height width channels"],
        training: bool,
    ) -> tuple[Float[Array, "batch new_height new_width new_channels"], LayerState]:
        """Return the activations of the sum, and the state of the parts; see `Layer`.

        Args:
            params: of the parts, by name.
            state: of the parts, by name.
            inputs: the images.
            training: whether it is a training step; false at evaluation.
        """
        outputs, found = serial(**self.branch).apply(params, state, inputs, training)
        if self.shortcut != "none":
            if self.shortcut == "projection" and outputs.shape != inputs.shape:
                projection = serial(**{_SHORTCUT: self.projection})
                inputs, found = projection.apply(params, found, inputs, training)
            outputs = outputs + self._in_shape(inputs, outputs.shape[-1])
        outputs, found = serial(**self.after).apply(params, found, outputs, training)
        parts = (*self.branch, _SHORTCUT, *self.after)  # the order in which data pass through them
        return outputs, {name: found[name] for name in parts if name in found}

    def _in_shape(
        self, inputs: Float[Array, "batch height width channels"], channels: int
    ) -> Float[Array, "batch new_height new_width new_channels"]:
        """Return the identity in the shape of the branch; what is projected has it."""
        if self.shortcut == "projection":
            return inputs
        missing = channels - inputs.shape[-1]
        inputs = inputs[:, :: self.stride, :: self.stride]
        return jnp.pad(inputs, [(0, 0)] * 3 + [(0, missing)]) if missing else inputs
