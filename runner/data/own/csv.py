"""Tables of text as data: columns of numbers and of categories, and what to predict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from runner.data.own.file import FileVersion, OwnFile, Scanned, said
from runner.data.own.table import Table, read_table
from runner.data.splits import Shares, scaled, split_rows
from runner.errors import DataError
from runner.lazy import np
from runner.options.option import number, option

if TYPE_CHECKING:
    import numpy.typing as npt

MOST_CATEGORIES = 100
"""A column of words with more different ones holds names rather than categories."""

MOST_CLASSES = 20
"""Whole numbers as targets are classes if they have at most this number of different values."""

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
"""What given splits are called."""


class _Target(NamedTuple):
    """The targets of all rows."""

    values: npt.NDArray
    classes: int
    unit: npt.NDArray | None
    words: str


@option
class CSV(OwnFile):
    """A table of text, CSV or TSV, with the names of the columns in its first line.

    A column of numbers is an input as (x - mean) / deviation, and a missing number as the mean; any
    other column is one input for each of its words, 1 where the word is there. A missing word is a
    word of its own. Means, deviations and words are those of the training rows. `target` names what
    to predict. Numbers are classes if they are whole and at most 20 different ones; `task` says
    otherwise. They are learnt as (t - mean) / deviation, and errors are in their own unit.
    """

    path: str | None = None
    target: str | tuple[str, ...] | None = None
    task: Literal["auto", "classes", "numbers"] = "auto"
    categories: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    separator: str | None = None
    split: Shares = (70, 15, 15)
    split_seed: int = number(0, minimum=0)
    split_column: str | None = None
    sha256: str | None = None

    needs: ClassVar[str | None] = "pandas"

    def problems(self) -> Iterator[tuple[str, str]]:
        """Refuse a table without a target."""
        yield from super().problems()
        if not self.target:
            names = ", ".join(map(str, self._table(self.versions()).frame.columns))
            yield "target", f"it is missing; name the column to predict, one of {names}"

    def _table(self, versions: tuple[FileVersion, ...]) -> Table:
        return read_table(versions[0], self.separator)

    def scanned(self, versions: tuple[FileVersion, ...]) -> Scanned:
        """Read the table.

        Raises:
            DataError: it cannot be read, or lacks a column.
        """
        table = self._table(versions)
        targets = (self.target,) if isinstance(self.target, str) else tuple(self.target or ())
        rows = tuple(self._rows(table))
        target = self._target(table, targets, rows[0])
        left_out = {*targets, *self.ignore, self.split_column}
        for key, listed in (("ignore", self.ignore), ("categories", self.categories)):
            for name in listed:
                table.column(f"data.{key}", name)
        names = [name for name in map(str, table.frame.columns) if name not in left_out]
        if not names:
            raise DataError(f"{table.path}: no column is left as an input")
        inputs = np.concatenate([self._input(table, name, rows[0]) for name in names], axis=1)
        what = f"{len(names)} columns as {inputs.shape[1]} inputs"
        summary = said(self.path, rows, what, f"{', '.join(targets)}, {target.words}")
        return Scanned(inputs, target.values, rows, target.classes, target.unit, summary)

    def _rows(self, table: Table) -> Iterator[npt.NDArray]:
        """The rows of the three splits, drawn or as the column of splits has them."""
        if self.split_column is None:
            yield from split_rows(len(table.frame), self.split, self.split_seed)
            return
        words = table.column("data.split_column", self.split_column).astype(str).str.lower()
        known = {name for names in SPLIT_NAMES.values() for name in names}
        unknown = np.flatnonzero(~words.isin(known))
        if len(unknown):
            row = int(unknown[0])
            problem = f"{words.iloc[row]!r}, expected train, validation or test"
            raise table.error(row, self.split_column, problem)
        for names in SPLIT_NAMES.values():
            yield np.flatnonzero(words.isin(names))

    def _target(self, table: Table, names: tuple[str, ...], train: npt.NDArray) -> _Target:
        """The targets: classes of one column, or the numbers of one or several."""
        for name in names:
            missing = np.flatnonzero(table.column("data.target", name).isna())
            if len(missing):
                raise table.error(int(missing[0]), name, "the target is missing")
        numbers = [table.numbers("data.target", name) for name in names]
        if self._are_classes(numbers):
            return self._classes(table, names[0], numbers[0])
        for name, found in zip(names, numbers, strict=True):
            if found is None:
                raise table.error(0, name, "a word, expected a number (data.task=numbers)")
        values = scaled(np.stack([each for each in numbers if each is not None], axis=1), train)
        means, units = (", ".join(f"{x:.4g}" for x in each) for each in values[1:])
        words = f"numbers of mean {means} and deviation {units}"
        return _Target(values.values, 0, values.deviation.astype(np.float32), words)

    def _are_classes(self, numbers: list[npt.NDArray | None]) -> bool:
        """Whether the targets are classes: as `task` says, or as they look."""
        first = numbers[0]
        if len(numbers) > 1 or self.task == "numbers":
            return False
        if self.task == "classes" or first is None:
            return True
        return bool((first == np.round(first)).all()) and len(np.unique(first)) <= MOST_CLASSES

    def _classes(self, table: Table, name: str, numbers: npt.NDArray | None) -> _Target:
        """Targets that are classes, in the order of their numbers or words."""
        words = np.asarray(table.frame[name].astype(str)) if numbers is None else numbers
        known, codes = np.unique(words, return_inverse=True)
        examples = len(table.frame)
        if len(known) < 2 or len(known) > max(MOST_CLASSES, examples // 2):
            raise DataError(
                f"{table.path}, column {name!r}: {len(known)} different values in {examples:,} "
                "rows, expected at least 2 classes with several rows each"
            )
        shown = [str(each) if numbers is None else f"{each:g}" for each in known[:4]]
        few = ", ".join(shown) + (", ..." if len(known) > 4 else "")
        return _Target(codes.astype(np.int32), len(known), None, f"{len(known)} classes ({few})")

    def _input(self, table: Table, name: str, train: npt.NDArray) -> npt.NDArray:
        """The inputs that a column becomes: `[examples, 1]`, or one for each category."""
        numbers = None if name in self.categories else table.numbers("data.path", name)
        if numbers is not None:
            if np.isnan(numbers[train]).all():
                raise DataError(
                    f"{table.path}, column {name!r}: every value of the training rows is missing; "
                    f"leave it out with data.ignore=[{name}]"
                )
            return scaled(numbers[:, None], train).values
        words = np.asarray(table.frame[name].astype(object).fillna("").astype(str))
        known = np.unique(words[train])
        if len(known) > MOST_CATEGORIES:
            raise DataError(
                f"{table.path}, column {name!r}: {len(known)} different words, expected at most "
                f"{MOST_CATEGORIES} categories; leave it out with data.ignore=[{name}]"
            )
        return (words[:, None] == known).astype(np.float32)
