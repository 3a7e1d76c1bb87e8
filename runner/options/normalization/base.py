"""The base class of normalizations, the one of those that are layers, and no normalization."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from runner.lazy import jnp
from runner.options.layer import KernelMap, Layer, Params, pure, same_kernel
from runner.options.option import Option, option
from runner.options.parameters import GAIN, SHIFT

if TYPE_CHECKING:
    from jaxtyping import Array, Float

Position = Literal["before_activation", "after_activation"]


class Normalization(Option):
    """A layer before or after each activation of the hidden layers, a map of kernels, or both."""

    over_batch: ClassVar[bool] = False
    """Whether the outputs of an example depend on the other examples of its batch."""

    @property
    def follows_activation(self) -> bool:
        """Whether the layer comes after the activation, and not before it."""
        return False

    @property
    def needs_training_set(self) -> bool:
        """Whether every evaluation measures the statistics on the training set."""
        return False

    @abstractmethod
    def layer(self) -> Layer:
        """Return the normalizing layer, which keeps the shape of its inputs."""

    def kernel_map(self) -> KernelMap:
        """Return what is applied instead of the kernel of a hidden layer: by default itself."""
        return same_kernel

    def cancels_bias(self, *, has_positions: bool) -> bool:
        """Return whether the bias of the affine map before it has no effect and is left out.

        Args:
            has_positions: whether the layer is a convolution.
        """
        return False

    def without_memory(self) -> Normalization:
        """Return the normalization whose state after a batch is of that batch alone.

        Its statistics are averaged over the training set where the evaluated parameters are not
        the trained ones. By default the normalization itself.
        """
        return self


class NormalizingLayer(Normalization):
    """A normalization that is a layer at a position of the user's choice."""

    position: Position

    @property
    def follows_activation(self) -> bool:
        """The field `position`."""
        return self.position == "after_activation"


@option
class NoNormalization(Normalization):
    """y = x."""

    def layer(self) -> Layer:
        """Return the identity."""
        return pure(lambda inputs: inputs)


def gain_and_shift(units: int) -> Params:
    """Return the initial gain 1 and shift 0 of each unit."""
    return {GAIN: jnp.ones(units), SHIFT: jnp.zeros(units)}


def scaled(params: Params, normal: Float[Array, "batch *units"]) -> Float[Array, "batch *units"]:
    """Return gain * x + shift, without the shift where there is none."""
    outputs = normal * params[GAIN]
    return outputs + params[SHIFT] if SHIFT in params else outputs
