"""What a data set is: three explicit splits of examples, as arrays on the host."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from runner.options.option import Option

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclasses.dataclass(frozen=True)
class Split:
    """Examples and what they are examples of, row by row.

    `inputs` has shape `[examples, height, width, channels]` and the type in which it was stored
    (uint8 for images); `targets` has shape `[examples]`, the class from 0.
    """

    inputs: npt.NDArray[np.uint8]
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

    input_shape: ClassVar[tuple[int, ...]]
    """The shape of one example."""

    classes: ClassVar[int]
    """The number of classes."""

    @abstractmethod
    def sizes(self) -> Sizes:
        """The sizes of the splits, without reading any example."""

    @abstractmethod
    def load(self) -> Dataset:
        """Read the data set, fetching it first where that is needed and possible.

        Raises:
            DataError: a file is missing, damaged or not of the expected form.
        """
