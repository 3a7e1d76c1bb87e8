"""Arrays in the memory of this process as data, under their checksum.

A config is plain text, so it has the checksum of the arrays and what follows from them: shapes, the
number of classes, how many examples there are. The arrays themselves are known while they are
`given`, which is as long as a call of `runner.train` or `runner.sweep` lasts. A record of a run is
therefore complete without them, except that it cannot be trained again.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from runner.data.own.file import Scanned
from runner.data.own.npz import scan_arrays, sizes_of
from runner.data.source import Dataset, Sizes, Source, Split
from runner.data.splits import Shares, split_problems, split_sizes
from runner.errors import DataError
from runner.lazy import np
from runner.options.option import number, option

if TYPE_CHECKING:
    import numpy.typing as npt

NAME = "arrays"
"""The option in the group `data`."""

_PARTS = ("train", "validation", "test")

_SPLIT = (70, 15, 15)


class _Given:
    """Arrays that are known, and what was found in them by split."""

    def __init__(self, arrays: Mapping[str, npt.NDArray]) -> None:
        self._arrays = arrays
        self._found: dict[tuple[Shares, int], Scanned] = {}

    def scanned(self, split: Shares, split_seed: int) -> Scanned:
        """Read them with a split.

        Raises:
            DataError: something is wrong with them.
        """
        key = split, split_seed
        if key not in self._found:
            self._found = {key: scan_arrays("data", self._arrays, split, split_seed)}
        return self._found[key]


_given: dict[str, _Given] = {}


@option
class Arrays(Source):
    """Arrays that are given in Python: inputs and targets, example by example.

    They are read as those of `npz` are: targets that are integers, from 0, are classes, and floats
    are numbers, which are learnt as (t - mean) / deviation; inputs of uint8 stay uint8, and all
    others become float32. All keys but the split follow from the arrays and are filled in.
    """

    split: Shares = _SPLIT
    split_seed: int = number(0, minimum=0)
    sha256: str | None = None
    shape: tuple[int, ...] = ()
    classes: int = number(0, minimum=0)
    columns: int = number(1, minimum=1)
    rows: tuple[int, ...] = number((), minimum=0)
    symbols: int = number(0, minimum=0)
    each_step: bool = False

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse a config that does not describe arrays, and a split without examples."""
        if self.sha256 is None or len(self.rows) not in (1, 3) or min(self.shape, default=0) < 1:
            yield (
                "sha256",
                "data=arrays are given in Python: runner.train(data=(x, y)); arrays in a file are "
                "data=npz data.path=FILE",
            )
            return
        wrong = list(split_problems(self.split, self.split_seed))
        yield from wrong
        if not wrong and not (self.sizes().train and self.sizes().test):
            train, _, test = self.sizes()
            yield (
                "split",
                f"{list(self.split)} leaves {train:,} examples for training and {test:,} for "
                "testing; each needs one",
            )

    @property
    def input_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """That of an example."""
        return self.shape

    @property
    def target_columns(self) -> int:  # type: ignore[override]
        """How many numbers a target has."""
        return self.columns

    def sizes(self) -> Sizes:
        """Return the sizes of the splits."""
        if len(self.rows) == 1:
            return split_sizes(self.rows[0], self.split)
        train, validation, test = self.rows
        shares = (
            self.split[0],
            0 if validation else self.split[1],
            0 if test else self.split[2],
        )
        own = split_sizes(train, shares)
        return Sizes(own.train, validation or own.validation, test or own.test)

    def load(self) -> Dataset:
        """Return the splits of the arrays."""
        found = self._found()
        return Dataset(*(Split(found.inputs[own], found.targets[own]) for own in found.rows))

    def target_unit(self) -> npt.NDArray[np.float32] | None:
        """Return the deviation of targets that are numbers; None without the arrays."""
        return self._found().target_unit if self.sha256 in _given else None

    def summary(self) -> str | None:
        """Return what was found, in one line."""
        return self._found().summary if self.sha256 in _given else None

    def unavailable(self) -> str | None:
        """Arrays are known as long as they are given."""
        if self.sha256 in _given:
            return None
        return (
            f"data.sha256={self.sha256}: these arrays are not in this process; they are given in "
            "Python: runner.train(data=(x, y))"
        )

    def _found(self) -> Scanned:
        if self.sha256 is None or (reason := self.unavailable()) is not None:
            raise DataError(reason if self.sha256 else "data=arrays: no arrays are given")
        return _given[self.sha256].scanned(self.split, self.split_seed)


@contextlib.contextmanager
def given(arrays: Mapping[str, npt.NDArray]) -> Iterator[dict[str, Any]]:
    """Let arrays be known as data.

    Args:
        arrays: inputs and targets, called as in a file of `npz`: `x` and `y`, or `x_train`,
            `y_train`, `x_test` and `y_test`.

    Yields:
        The keys of `data` that describe them, without the split.

    Raises:
        DataError: something is wrong with them; one line with the array and the place in it.
    """
    known = _Given(arrays)
    found = known.scanned(_SPLIT, 0)
    checksum = digest_of(arrays)
    is_new = checksum not in _given
    _given.setdefault(checksum, known)
    try:
        yield {
            "name": NAME,
            "sha256": checksum,
            "shape": list(found.inputs.shape[1:]),
            "classes": found.classes,
            "columns": found.columns,
            "rows": _rows(arrays),
            "symbols": found.symbols,
            "each_step": found.each_step,
        }
    finally:
        if is_new:
            del _given[checksum]


def _rows(arrays: Mapping[str, npt.NDArray]) -> list[int]:
    """How many examples there are in all, or by split."""
    sizes = sizes_of(arrays)
    return [sizes["all"]] if "all" in sizes else [sizes.get(name, 0) for name in _PARTS]


def digest_of(*groups: Mapping[str, npt.NDArray]) -> str:
    """Return the SHA-256 of groups of arrays with their names, types and shapes."""
    digest = hashlib.sha256()
    for arrays in groups:
        for name, array in sorted(arrays.items()):
            digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
