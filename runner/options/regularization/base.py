"""The base classes of regularizations, and no regularization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.options.layer import KernelMap, Layer, Params, pure, same_kernel
from runner.options.option import Option, option

if TYPE_CHECKING:
    from jaxtyping import Array, Float


class Regularization(Option):
    """Layers, maps of kernels, a term added to the loss, a projection: any of them."""

    def layer(self) -> Layer:
        """Return the layer after the activation of a hidden layer: by default the identity."""
        return pure(lambda inputs: inputs)

    def input_layer(self) -> Layer | None:
        """Return the layer on the inputs of the network: by default there is none."""
        return None

    def input_mask(self) -> Layer | None:
        """Return the layer that makes a mask of the inputs of a recurrent network from ones.

        It is applied once for all time steps, to the shape of one. By default there is none.
        """
        return None

    def state_mask(self) -> Layer | None:
        """Return the layer that makes a mask of the state of a recurrent network, likewise."""
        return None

    def kernel_map(self) -> KernelMap:
        """Return what is applied instead of the kernel of a hidden layer: by default itself."""
        return same_kernel

    def term(
        self, params: Params, outputs: Float[Array, "batch classes"], losses: Float[Array, " batch"]
    ) -> Float[Array, ""] | float:
        """Return what is added to the mean loss of a batch: by default 0.

        Args:
            params: the parameters of the network.
            outputs: the logits of the network, in training.
            losses: the loss of each example.
        """
        return 0.0

    def project(self, params: Params) -> Params:
        """Return what replaces the parameters after an update: by default themselves."""
        return params

    @property
    def samples(self) -> int:
        """Over how many networks with random masks an evaluation averages; 0: none are drawn."""
        return 0


class RandomMasks(Regularization):
    """A regularization that draws random masks in training, and on request at evaluation."""

    evaluation_samples: int

    @property
    def samples(self) -> int:
        """The field `evaluation_samples`."""
        return self.evaluation_samples


@option
class Unregularized(Regularization):
    """The loss alone."""
