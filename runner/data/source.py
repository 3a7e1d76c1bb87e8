"""What a data set is: three explicit splits of examples, as arrays on the host."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from runner.lazy import jnp, optax
from runner.measures import ErrorKind
from runner.options.option import Option

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from jaxtyping import Array, Float, Int, Num, PRNGKeyArray

    from runner.options.layer import Layer, Params


@dataclasses.dataclass(frozen=True)
class Split:
    """Examples and what they are examples of, row by row.

    `inputs` has shape `[examples, *features]` (of images height, width and channels) and the type
    in which it was stored (uint8 for images); `targets` has shape `[examples]`, the class from 0.
    """

    inputs: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    targets: npt.NDArray[np.int32]


class Dataset(NamedTuple):
    """Train to learn from, validation to choose by, test to report."""

    train: Split
    validation: Split
    test: Split


class Sizes(NamedTuple):
    """The number of examples in each split."""

    train: int
    validation: int
    test: int


class Source(Option):
    """Where a data set comes from."""

    input_shape: tuple[int, ...]
    """The shape of one example."""

    classes: int
    """The number of classes."""

    error_kind: ClassVar[ErrorKind] = ErrorKind.RATE
    """What the error of an example is."""

    generates: ClassVar[bool] = False
    """Whether `draw` can be asked for new examples."""

    ignores: ClassVar[tuple[str, ...]] = ()
    """Groups that have no part in it, because it brings its own parameters or its own batches."""

    @abstractmethod
    def sizes(self) -> Sizes:
        """The sizes of the splits, without reading any example."""

    @abstractmethod
    def load(self) -> Dataset:
        """Read the data set, fetching it first where that is needed and possible.

        Raises:
            DataError: a file is missing, damaged or not of the expected form.
        """

    def draw(
        self, key: PRNGKeyArray, examples: int
    ) -> tuple[Num[Array, "examples *features"], Int[Array, " examples"]]:
        """New examples from the distribution of the stored ones, inside the compiled program."""
        raise NotImplementedError

    def network(self) -> Layer | None:
        """The source's own parameters and what they compute, where it is a problem of its own."""
        return None

    def position(self, params: Params) -> Float[Array, " 2"] | None:
        """The parameters as a point of the plane, where they are one: then its path is recorded."""
        return None

    def losses_and_errors(
        self, outputs: Float[Array, "batch classes"], targets: Int[Array, " batch"]
    ) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
        """The surrogate loss and the 0-1 error of each example.

        The loss is the cross-entropy -log softmax(logits)[target], in nats. The error is 1 where
        the largest logit is not the target's and 0 elsewhere; logits that are not numbers are
        errors.
        """
        losses = optax.softmax_cross_entropy_with_integer_labels(outputs, targets)
        right = (jnp.argmax(outputs, axis=-1) == targets) & jnp.isfinite(losses)
        return losses, 1.0 - right
