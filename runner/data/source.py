"""The base class of data sources: three splits of examples, as arrays on the host."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

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
    and channels, and the type in which it is stored (uint8 for images). `targets` are classes,
    counted from 0, of the shape `[examples]`; or numbers, of the shape `[examples, columns]`. Of
    sequences with a target at each step they have an axis of steps after that of the examples.
    Inputs that are symbols, the characters of a text, are counted from 0, `[examples, steps]`.
    """

    inputs: npt.NDArray[np.uint8] | npt.NDArray[np.float32]
    targets: npt.NDArray[np.int32] | npt.NDArray[np.float32]


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
    attributes. One whose targets are numbers has 0 classes, and says in `target_columns` how many
    numbers a target has. One of sequences may set `each_step` and `symbols`. One with a loss of its
    own names `loss` in `ignores` and overrides `losses_and_errors`; one that can draw new examples
    sets `generates` and overrides `draw`.
    """

    input_shape: tuple[int, ...]
    """The shape of one example."""

    classes: int
    """The number of classes; 0: the targets are numbers."""

    target_columns: int = 1
    """How many numbers the target of an example has, if it is no class."""

    each_step: bool = False
    """Whether there is a target at each step of a sequence, and not one for the example."""

    symbols: int = 0
    """How many symbols there are, if inputs `[examples, steps]` stand for symbols: the network gets
    each as a vector of zeros and a 1, without any preprocessing. 0: inputs are numbers."""

    generates: ClassVar[bool] = False
    """Whether `draw` can draw new examples."""

    paths: ClassVar[tuple[str, ...]] = ()
    """The fields that say where files are."""

    ignores: ClassVar[tuple[str, ...]] = ()
    """Groups that have no effect, because the source has its own parameters or its own batches."""

    def __init_subclass__(cls) -> None:
        """Refuse a source whose own loss would not be used.

        Raises:
            TypeError: it overrides `losses_and_errors`, and `loss` is not in `ignores`.
        """
        super().__init_subclass__()
        has_loss = cls.losses_and_errors is not Source.losses_and_errors
        if has_loss and "loss" not in cls.ignores:
            raise TypeError(f"{cls.__name__} has a loss of its own: add 'loss' to its `ignores`")

    @property
    def error_kind(self) -> ErrorKind:
        """What the error of an example is."""
        if self.classes and self.each_step:
            return ErrorKind.CHARACTER_RATE
        return ErrorKind.RATE if self.classes else ErrorKind.ABSOLUTE

    @property
    def outputs(self) -> int:
        """How many numbers the network computes for a target: one a class, or one a column."""
        return self.classes or self.target_columns

    @abstractmethod
    def sizes(self) -> Sizes:
        """Return the sizes of the splits, without reading any example."""

    @abstractmethod
    def load(self) -> Dataset:
        """Return the data set, downloading it first where that is needed and possible.

        Raises:
            DataError: a file is missing, damaged or does not have the expected format.
        """

    def unavailable(self) -> str | None:
        """Return why `load` cannot work in this process, in one line; None if nothing is known."""
        return None

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

    def project(self, params: Params) -> Params:
        """Return the parameters where the problem allows them, after an update: as they are."""
        return params

    def pinned(self) -> Self:
        """Return the source with a checksum of its files, so that changed data are another run."""
        return self

    def summary(self) -> str | None:
        """Return in one line what was found in files of the user's own."""
        return None

    def target_unit(self) -> npt.NDArray[np.float32] | None:
        """Return what 1 in the targets of `load` stands for, by column; None: 1.

        A source that divides its targets by their deviations returns those, so that errors are
        recorded in the unit of the data.
        """
        return None

    def losses_and_errors(
        self, outputs: Float[Array, "batch outputs"], targets: Num[Array, "batch *columns"]
    ) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
        """Return the loss and the error of each example, for a source with `loss` in `ignores`.

        Raises:
            NotImplementedError: the source has no loss of its own; the option `loss` has.
        """
        raise NotImplementedError(f"{type(self).__name__} has no loss of its own")
