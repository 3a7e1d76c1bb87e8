"""A convolutional network in the classic form: convolutions, pooling, dense layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple, TypeVar

from runner.options.layer import Layer, serial
from runner.options.model.base import (
    LayerOptions,
    Model,
    dense,
    flatten,
)
from runner.options.model.convolution import Padding, outputs_of_side
from runner.options.model.pooling import Pool
from runner.options.model.spatial import hidden_convolution, image_conflicts, pooling
from runner.options.model.stack import dense_layers, numbered
from runner.options.option import Facts, HiddenLayer, number, option
from runner.options.parameters import LOGITS

_Value = TypeVar("_Value")


@option
class CNN(Model):
    """Convolutions with normalization and activation, pooling, then dense layers.

    The defaults are the widespread MNIST example: 3x3 convolutions to 32 and 64 channels without
    padding, 2x2 max-pooling after the last, 128 hidden units. Kernels, strides and paddings are one
    for all convolutions, or a list with one for each; so are windows with `pool_after=each`.
    `padding=same` surrounds images by zeros, and windows by what does not count: there is an output
    for every `stride`-th pixel. A mean (`pool=average`) is of the pixels inside the image.
    `normalization=batch` normalizes each channel after each convolution. For images only.
    LeNet-5 and the networks 2c2d and 3c3d of DeepOBS are the studies `lenet5`, `deepobs_2c2d` and
    `deepobs_3c3d`.
    """

    channels: tuple[int, ...] = number((32, 64), minimum=1)
    kernel_size: int | tuple[int, ...] = number(3, minimum=1)
    stride: int | tuple[int, ...] = number(1, minimum=1)
    padding: Padding | tuple[Padding, ...] = "valid"
    pool: Pool = "max"
    pool_size: int | tuple[int, ...] = number(2, minimum=1)
    pool_stride: int | tuple[int, ...] | None = number(None, minimum=1)
    pool_padding: Padding = "valid"
    pool_after: Literal["last", "each"] = "last"
    widths: tuple[int, ...] = number((128,), minimum=1)

    is_spatial: ClassVar[bool] = True

    @property
    def hidden_layers(self) -> tuple[HiddenLayer, ...]:
        """The convolutions and the dense layers."""
        convolutions = numbered("convolution", self.channels, has_positions=True)
        return convolutions + numbered("hidden", self.widths)

    def network(self, chosen: LayerOptions, classes: int) -> Layer:
        """Return the convolutions with their pooling, the hidden layers and one affine map."""
        spatial: dict[str, Layer] = {}
        layers, count = self.hidden_layers, len(self.channels)
        for index, block in enumerate(self._blocks()):
            spatial[layers[index].path] = hidden_convolution(
                block.channels,
                block.size,
                chosen.of_layer(index),
                padding=block.padding,
                stride=block.stride,
            )
            if self.pool_after == "each" and block.window != (1, 1):
                spatial[f"pool_{index + 1}"] = self._pooling(block.window)
        if self.pool_after == "last":
            spatial["pool"] = self._pooling(self._windows()[-1])
        return serial(
            **spatial,
            flatten=flatten(),
            **dense_layers(layers[count:], chosen, first=count),
            **{LOGITS: dense(classes, chosen.of_layer(-1).initializer)},
        )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse lists of another length than there are convolutions or poolings."""
        count = len(self.channels)
        if not count:
            yield "channels", "it names no convolution; use model=mlp"
        for field in ("kernel_size", "stride", "padding", "pool_size", "pool_stride"):
            value = getattr(self, field)
            if not isinstance(value, tuple):
                continue
            if field.startswith("pool") and self.pool_after == "last":
                yield field, "there is one pooling, after the last convolution: pool_after=each"
            elif len(value) != count:
                yield (
                    field,
                    f"it has length {len(value)}, and model.channels has {count}; give one for "
                    "each convolution, or one for all",
                )

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse inputs that are no images, and an architecture that leaves no pixel of them."""
        if no_images := list(image_conflicts(facts)):
            yield from no_images
            return
        for side in facts.input_shape[:2]:
            left = side
            for index, block in enumerate(self._blocks(), start=1):
                left = outputs_of_side(left, block.size, block.stride, block.padding)
                if left < 1:
                    yield (
                        "kernel_size",
                        f"{index} convolutions leave nothing of an image of {side} pixels",
                    )
                    return
                if self.pool_after == "last" and index < len(self.channels):
                    continue
                left = outputs_of_side(left, *block.window, self.pool_padding)
                if left < 1:
                    yield (
                        "pool_size",
                        f"{index} convolutions and pooling of {block.window[0]} leave nothing of "
                        f"an image of {side} pixels",
                    )
                    return

    def _blocks(self) -> list[_Block]:
        """The convolutions, each with the window of the pooling after it."""
        count = len(self.channels)
        columns = (self.channels, *(_each(v, count) for v in (self.kernel_size, self.stride)))
        paddings: tuple[Padding, ...] = _each(self.padding, count)
        return [_Block(*row) for row in zip(*columns, paddings, self._windows(), strict=True)]

    def _windows(self) -> list[tuple[int, int]]:
        """Size and stride of the window after each convolution."""
        count = len(self.channels)
        sizes = _each(self.pool_size, count)
        strides = sizes if self.pool_stride is None else _each(self.pool_stride, count)
        return list(zip(sizes, strides, strict=True))

    def _pooling(self, window: tuple[int, int]) -> Layer:
        return pooling(self.pool, *window, self.pool_padding)


class _Block(NamedTuple):
    """A convolution and the window after it."""

    channels: int
    size: int
    stride: int
    padding: Padding
    window: tuple[int, int]  # size and stride


def _each(value: _Value | tuple[_Value, ...], count: int) -> tuple[_Value, ...]:
    """One value for each convolution."""
    return value if isinstance(value, tuple) else (value,) * count
