"""The base class of data sources: three splits of examples, as arrays on the host."""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from runner.lazy import jax, jnp, optax
from runner.measures import ErrorKind
from runner.options.option import Option

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from jaxtyping import Array, Float, Int, Num, PRNGKeyArray

    from runner.options.layer import Layer, Params


@dataclasses.dataclass(frozen=True)
class Split:
    """Inputs and targets, row by row.

    `inputs` has the shape `[examples, *features]`, where the features of an image are height, width
    and channels, and the type in which it is stored (uint8 for images). `targets` has the shape
    `[examples]` and counts the classes from 0.
    """

    inputs: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    targets: npt.NDArray[np.int32]


class Dataset(NamedTuple):
    """The splits: train to learn from, validation to choose by, test to report.

    Validation may be empty; its measures are then NaN.
    """

    train: Split
    validation: Split
    test: Split


class Sizes(NamedTuple):
    """The number of examples in each split."""

    train: int
    validation: int
    test: int


class Source(Option):
    """Where a data set comes from.

    A source defines `input_shape`, `classes`, `sizes` and `load`; the first two may be plain class
    attributes. One that is not a classification problem overrides `losses_and_errors` and
    `mean_prediction`; one that can draw new examples sets `generates` and overrides `draw`.
    """

    input_shape: tuple[int, ...]
    """The shape of one example."""

    classes: int
    """The number of classes."""

    error_kind: ClassVar[ErrorKind] = ErrorKind.RATE
    """What the error of an example is."""

    generates: ClassVar[bool] = False
    """Whether `draw` can draw new examples."""

    ignores: ClassVar[tuple[str, ...]] = ()
    """Groups that have no effect, because the source has its own parameters or its own batches."""

    @abstractmethod
    def sizes(self) -> Sizes:
        """Return the sizes of the splits, without reading any example."""

    @abstractmethod
    def load(self) -> Dataset:
        """Return the data set, downloading it first where that is needed and possible.

        Raises:
            DataError: a file is missing, damaged or does not have the expected format.
        """

    def absent(self) -> list[str]:
        """Return the paths of the files that `load` would download."""
        return []

    def draw(
        self, key: PRNGKeyArray, examples: int
    ) -> tuple[Num[Array, "examples *features"], Int[Array, " examples"]]:
        """Draw new examples from the distribution of the stored ones, in the compiled program.

        Raises:
            NotImplementedError: the source does not generate examples.
        """
        raise NotImplementedError(f"{type(self).__name__} does not generate examples")

    def network(self) -> Layer | None:
        """Return the network of a source with its own parameters; None: the model makes it."""
        return None

    def position(self, params: Params) -> Float[Array, " 2"] | None:
        """Return the parameters as a point (x, y) whose path is recorded; None: there is none."""
        return None

    def losses_and_errors(
        self, outputs: Float[Array, "batch classes"], targets: Int[Array, " batch"]
    ) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
        """Return the loss and the error of each example.

        The loss is the cross-entropy -log softmax(logits)[target], in nats. The error is 0 where
        the logit of the target is the largest, and 1 elsewhere and where the loss is not finite.
        """
        losses = optax.softmax_cross_entropy_with_integer_labels(outputs, targets)
        right = (jnp.argmax(outputs, axis=-1) == targets) & jnp.isfinite(losses)
        return losses, 1.0 - right

    def mean_prediction(
        self, outputs: Float[Array, "samples batch classes"]
    ) -> Float[Array, "batch classes"]:
        """Return the outputs that predict what several networks predict on average.

        By default the logarithm of the mean of softmax(outputs) over the networks: the loss is then
        that of the mean probability.
        """
        return jax.nn.logsumexp(jax.nn.log_softmax(outputs), axis=0) - math.log(len(outputs))
