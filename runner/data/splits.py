"""Random splits into train, validation and test; numbers scaled by those of the training rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from runner.data.source import Sizes
from runner.lazy import np

if TYPE_CHECKING:
    import numpy.typing as npt

Shares = tuple[int, ...]
"""The shares of train, validation and test: `(70, 15, 15)`."""

_LARGEST_SEED = 2**32 - 1
"""The largest seed of NumPy's RandomState."""


def seed_problems(field: str, seed: int) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a seed of a source, which a field of this name has."""
    if seed > _LARGEST_SEED:
        yield field, f"{seed} is more than {_LARGEST_SEED}"


def split_problems(shares: Shares, seed: int) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the fields `split` and `split_seed` of a source."""
    if len(shares) != 3 or min(shares, default=0) < 0 or not all(shares[::2]):
        yield (
            "split",
            f"{list(shares)} must be the shares of train, validation and test, like [70,15,15]; "
            "only validation may be 0",
        )
    yield from seed_problems("split_seed", seed)


def split_sizes(examples: int, shares: Shares) -> Sizes:
    """Return the sizes of the splits: held-out ones are rounded down, training has the rest."""
    _, validation, test = (examples * share // sum(shares) for share in shares)
    return Sizes(examples - validation - test, validation, test)


def split_rows(examples: int, shares: Shares, seed: int) -> list[npt.NDArray[np.int64]]:
    """Return the rows of train, validation and test, in a random order.

    The run's seed has no effect, so that runs are compared on the same split.

    Args:
        examples: how many rows there are.
        shares: those of train, validation and test.
        seed: what the order follows from.

    Returns:
        The rows of each split, counted from 0; see `split_sizes`.
    """
    order = np.random.RandomState(seed).permutation(examples)
    train, validation, _ = split_sizes(examples, shares)
    return np.split(order, [train, train + validation])


class Scaled(NamedTuple):
    """Columns of numbers with mean 0 and deviation 1 over the training rows.

    Attributes:
        values: (x - mean) / deviation, float32 `[examples, columns]`; a missing number (NaN) is 0,
            which stands for the mean.
        mean: of the known numbers of the training rows `[columns]`.
        deviation: the (biased) standard deviation of the same; 1 where that is 0.
    """

    values: npt.NDArray[np.float32]
    mean: npt.NDArray[np.float64]
    deviation: npt.NDArray[np.float64]


def scaled(values: npt.NDArray, train: npt.NDArray) -> Scaled:
    """Scale columns of numbers.

    Args:
        values: `[examples, columns]`; NaN is missing, but not in all training rows of a column.
        train: the training rows.
    """
    values = np.asarray(values, np.float64)
    known = values[train]
    mean, deviation = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
    is_constant = np.nanmin(known, axis=0) == np.nanmax(known, axis=0)
    deviation = np.where(is_constant, 1.0, deviation)
    return Scaled(
        np.nan_to_num((values - mean) / deviation, nan=0.0).astype(np.float32), mean, deviation
    )
