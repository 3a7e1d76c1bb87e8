"""The base class of preprocessings."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runner.options.layer import Shape
from runner.options.option import Option

if TYPE_CHECKING:
    import numpy.typing as npt
    from jaxtyping import Array, Float, Num

Fitted = TypeVar("Fitted")
"""What a preprocessing is fitted to: a `NamedTuple` of arrays."""


class Preprocessing(Option, Generic[Fitted]):
    """A map of the inputs, fitted to the training split: `fit`, `ready`, then a call a batch."""

    @abstractmethod
    def fit(self, inputs: npt.NDArray) -> Fitted:
        """Compute what the map needs from the training inputs `[examples, *feature]`, on the host.

        It must not depend on the numbers of the option that are floats: runs that differ in them
        may share what is computed here.
        """

    def ready(self, statistics: Fitted) -> Any:
        """Return what a call needs, computed once for many batches, in the compiled program.

        Args:
            statistics: what `fit` returned, as floats on the device; by default a call needs that.
        """
        return statistics

    @abstractmethod
    def __call__(
        self, statistics: Any, inputs: Num[Array, "batch *feature"]
    ) -> Float[Array, "batch *output"]:
        """Map a batch, in the compiled program.

        Args:
            statistics: what `ready` returned.
            inputs: examples as they are stored.
        """

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of an example after the map, from its shape before."""
        return shape

    def pictured(self, statistics: Fitted, outputs: Any) -> Any:
        """Return outputs in the coordinates of the inputs, `[batch, features]`, to look at."""
        return outputs
